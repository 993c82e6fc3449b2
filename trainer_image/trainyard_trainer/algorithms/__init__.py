"""Turns scored trajectories or demonstrations into the optimizer's updates.

Place in the data's way: stations 7 and 8. The mathematics of training; torch's mechanics are in `policy`.
"""
