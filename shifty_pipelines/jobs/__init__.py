"""Dagster jobs and schedules, one file per context."""
