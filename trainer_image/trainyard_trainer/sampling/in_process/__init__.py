"""Decodes with the policy's own model, in this process.

Place in the data's way: station 5.
"""
