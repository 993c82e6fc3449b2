"""What builds, tests, measures and shows the product, and is no part of it.

Each folder is a program of its own: cluster, images, services, generators, test tiers, benchmarks, demo.
"""
