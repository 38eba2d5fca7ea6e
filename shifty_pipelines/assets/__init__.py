"""Dagster assets: open a tenant, call one service or flow, report metadata. No decision lives here."""
