"""Partitions: one per tenant, added when a tenant first has something to do; never per label or mission type."""

import dagster as dg

tenants = dg.DynamicPartitionsDefinition(name="tenants")
