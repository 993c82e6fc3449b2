"""Sampling: what an engine is, and the one in this process with its slots and caches.

Place in the data's way: station 5. Knows tokens and log-probabilities; nothing of tasks, rewards or losses.
"""
