"""The policy: weights, log-probabilities, losses and updates.

Place in the data's way: stations 7 and 8. The only room that knows about optimizers, precision and sharding.
"""
