"""Data: which questions are trained on, which are kept for validation and test, and where they come from.

Place in the data's way: station 4 and the draw of station 5. Knows nothing of tokens, models or losses.
"""
