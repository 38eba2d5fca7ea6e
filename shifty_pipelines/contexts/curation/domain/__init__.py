"""Pure rules of curation: from raw votes to trusted labels, from raw texts to rows fit for training.

What belongs here: aggregation, agreement, splits, duplicates, scrubbing, cleaning, scores. What does not: storage,
clocks, settings, models. Randomness comes in as a numpy Generator; modules import numpy and nothing heavier, so that
the code location and the API start quickly.
"""
