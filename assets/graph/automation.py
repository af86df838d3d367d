"""The rule by which an asset follows its upstream assets."""

from datetime import timedelta

import dagster as dg

from assets.graph.tables import key_of
from intelligence.core.tables import Table

TRY_AGAIN = "0 * * * *"


def when_updated(*tables: Table) -> dg.AutomationCondition:
    """Return the condition that an asset follows these tables day by day, while no blocking check of its upstream assets fails.

    Other upstream tables may be rebuilt for the whole past without causing a run, which would use hindsight. A run that
    failed or was killed is requested again every hour, since the update that it followed does not happen a second time.
    """
    rule = dg.AutomationCondition
    followed = rule.any_deps_updated().allow(dg.AssetSelection.assets(*map(key_of, tables)))
    ticked: dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey] = rule.cron_tick_passed(TRY_AGAIN)
    failed = rule.execution_failed() & ticked.since_last_handled()
    return (
        (followed.since_last_handled() | failed)
        & ~rule.any_deps_in_progress()
        & ~rule.in_progress()
        & rule.in_latest_time_window(timedelta(days=7))
        & rule.all_deps_blocking_checks_passed()
    )
