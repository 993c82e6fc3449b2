"""A burst of TrainingJobs on a real control plane with simulated nodes, beside bare Jobs."""
