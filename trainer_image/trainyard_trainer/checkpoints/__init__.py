"""Writes states of a run as checkpoints, and finds the one that a run goes on from.

Place in the data's way: station 9.
"""
