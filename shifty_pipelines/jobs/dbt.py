"""The job that builds and tests one tenant's rows of every mart, and the schedule that runs it every night."""

import dagster as dg

from shifty_pipelines.assets.dbt import dbt_models
from shifty_pipelines.jobs.nightly import DONE_AGAIN, nightly

marts = dg.define_asset_job("marts", selection=dg.AssetSelection.assets(dbt_models), tags=DONE_AGAIN)

nightly_marts = nightly(marts, name="nightly_marts", cron="15 3 * * *")
