"""Training jobs, from request to adapter.

Will own training jobs, their progress, attempts and verified checkpoints. The trainer itself is the separate program
`shifty_trainer`. Not built yet.
"""
