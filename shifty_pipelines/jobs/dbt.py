"""The job that builds and tests one tenant's rows of every mart."""

import dagster as dg

from shifty_pipelines.assets.dbt import dbt_models

marts = dg.define_asset_job("marts", selection=dg.AssetSelection.assets(dbt_models))
