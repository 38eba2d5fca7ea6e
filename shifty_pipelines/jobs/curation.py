"""The job that makes a tenant's datasets anew, and the schedule that runs it every night."""

import dagster as dg

from shifty_pipelines.jobs.nightly import DONE_AGAIN, nightly

curate = dg.define_asset_job("curate", selection=dg.AssetSelection.groups("curation"), tags=DONE_AGAIN)

#: A version is only made where rows changed.
nightly_curation = nightly(curate, name="nightly_curation", cron="15 2 * * *")
