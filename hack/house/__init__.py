"""Measures how a checkout is built: circles of folders, sizes, mirrored tests, files to open to see one thing."""
