"""The operator: watches TrainingJobs and Checkpoints, runs trainer pods, and accounts for every dollar."""
