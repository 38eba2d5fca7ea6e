"""The platform: two thin shells (Dagster, FastAPI) over one domain."""
