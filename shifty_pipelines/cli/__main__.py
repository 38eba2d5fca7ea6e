"""`python -m shifty_pipelines.cli` is `shifty`."""

from shifty_pipelines.cli import main

main()
