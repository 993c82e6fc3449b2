"""The objects that an attempt is made of: Jobs, run config, and what their pod asks of a node. Pure."""
