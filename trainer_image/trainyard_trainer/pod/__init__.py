"""A trainer pod from its environment to its exit code.

Place in the data's way: station 4, around the loop.
"""
