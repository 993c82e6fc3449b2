"""Rollouts: conversations between a policy and its environment, and the trajectories that they leave.

Place in the data's way: station 5. Knows engines and environments by their interfaces only.
"""
