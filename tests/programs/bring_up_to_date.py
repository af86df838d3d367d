"""The whole pipeline in one process without a Dagster home, for tests that kill it or run several at once."""

import dagster as dg

from assets.definitions import definitions
from assets.graph.runner import brought_up_to_date
from resources.config.settings import settings
from resources.models.mlflow_store import quiet_environment
from resources.platform import Platform

quiet_environment()
platform = Platform.of(settings())
outcome = brought_up_to_date(
    definitions,
    platform,
    dg.DagsterInstance.ephemeral(),
    today=platform.due.today_of_product(),
    listener=lambda kind, text: None,
)
if outcome.error:
    raise SystemExit(outcome.error)
print(f"runs: {outcome.runs}")
