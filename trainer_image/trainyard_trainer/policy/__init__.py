"""Holds the weights that learn: scores rows, takes updates, copies states.

Place in the data's way: stations 7 and 8. The only room that knows about optimizers, precision and sharding.
"""
