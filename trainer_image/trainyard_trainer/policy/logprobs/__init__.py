"""Computes log-probabilities of tokens without holding all logits at a time.

Place in the data's way: stations 5 and 8.
"""
