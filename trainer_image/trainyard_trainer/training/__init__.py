"""Training: a run from its config to its last checkpoint.

Place in the data's way: station 4, around stations 5 to 9.
"""
