"""Dagster resources: each returns a plain object of bootstrap."""
