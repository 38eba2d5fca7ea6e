"""Dagster sensors: they translate 'this happened' into a run request or a delivery, nothing more."""
