"""The ledger: where every trajectory, measurement and claim of a checkpoint goes.

Place in the data's way: station 10.
"""
