"""Adapters of tenancy's ports."""
