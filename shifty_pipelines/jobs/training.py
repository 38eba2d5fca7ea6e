"""The job that trains one tenant's queued requests; a backfill over tenants trains them all."""

import dagster as dg

from shifty_pipelines.assets.training import ADAPTERS

train = dg.define_asset_job("train", selection=dg.AssetSelection.assets(ADAPTERS))
