"""The job that trains one tenant's queued requests; a backfill over tenants trains them all."""

import dagster as dg

from shifty_pipelines.assets.training import ADAPTERS

train = dg.define_asset_job("train", selection=dg.AssetSelection.assets(ADAPTERS))

#: From labels to a judged version in one run; a backfill over tenants does it for all of them.
curate_and_train = dg.define_asset_job(
    "curate_and_train", selection=dg.AssetSelection.groups("curation") | dg.AssetSelection.assets(ADAPTERS)
)
