"""Sampling: the engine in this process, its slots and caches, and every random number of a run.

Place in the data's way: station 5. Knows tokens and log-probabilities; nothing of tasks, rewards or losses.
"""
