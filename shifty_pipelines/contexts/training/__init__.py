"""Training jobs, from request to adapter.

Owns training jobs, their states, progress, attempts, leases and verified checkpoints. The trainer itself is the
separate program `shifty_trainer`, which runs as a process of its own and knows nothing of this database.
"""
