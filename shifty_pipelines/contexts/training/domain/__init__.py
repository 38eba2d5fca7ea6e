"""Rules of training: a job's states, its hyperparameters, its progress. Pure."""
