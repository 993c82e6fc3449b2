"""Whether a job should stop, and why; the one way to stop it. Pure."""
