"""Conversations as token ids: what is said to a model, and what it wrote.

Place in the data's way: station 5, between environments and engines.
"""
