"""Runs the tests tier by tier, counts them, and refuses a test that was skipped or is missing."""
