"""The whole pipeline in one process without a Dagster home, for tests that kill it or run several at once."""

import dagster as dg

from assets.definitions import SETTINGS, defs
from assets.pipeline import brought_up_to_date
from assets.steps import today_of_product
from resources.builds import definition_version
from resources.lake import Lake
from resources.product_file import product_at

product = product_at(SETTINGS.product_file)
lake = Lake.of(SETTINGS, version=definition_version(product), timezone=product.timezone)
outcome = brought_up_to_date(
    defs, lake, dg.DagsterInstance.ephemeral(), today=today_of_product(), listener=lambda kind, text: None
)
if outcome.error:
    raise SystemExit(outcome.error)
print(f"runs: {outcome.runs}")
