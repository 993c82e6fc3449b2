"""Reporting: what is measured of a run, and how it is shown while the run goes on.

Place in the data's way: station 11, on the trainer's side. Shows; decides nothing.
"""
