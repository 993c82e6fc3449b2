"""Checkpoints: states of a run as files, when they are taken, and how a run goes on from one.

Place in the data's way: station 9.
"""
