"""TrainingJob: the kind that trains; observed, decided about, acted on."""
