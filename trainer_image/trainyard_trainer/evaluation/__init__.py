"""Judges success on queries that are never trained on, and concludes from it.

Place in the data's way: station 5, before, between and after steps. Learns nothing.
"""
