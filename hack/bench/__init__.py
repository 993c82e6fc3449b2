"""Measurements of the trainer beside other engines, in one run on one machine; they never gate the tests."""
