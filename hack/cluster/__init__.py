"""The project's own test cluster: a real Kubernetes with one node on a plain Linux machine, for demo and tests.

Run as `python -m hack.cluster up|down|status|build`. Nothing of it is part of the product that users install.
"""
