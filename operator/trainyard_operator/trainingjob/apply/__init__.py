"""Carrying a plan out: one module for each sort of action, and `applier`, which takes them in the plan's order.

Place in the data's way: station 2, after the decision. Every step may find itself done by a pass that was cut off.
"""
