"""A run without a cluster: the same manifests, one process, a folder in the places of Postgres and S3.

Place in the data's way: stations 1 to 4 in miniature.
"""
