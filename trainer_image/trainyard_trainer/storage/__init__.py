"""Keeps files in a bucket or in a folder, behind one protocol.

Place in the data's way: station 9, and station 4 for first weights. Knows nothing of checkpoints, and never deletes.
"""
