"""Named points at which a test can kill the process, as a power failure would: nothing is cleaned up."""

import os
import signal

from resources.config.settings import fault_point

FAULT_POINTS = (
    "landing.half_written",
    "ingest.staged",
    "ingest.events_written",
    "ingest.rejects_written",
    "ingest.ledger_written",
    "ingest.committed",
    "table.days_deleted",
    "table.rows_written",
    "table.build_recorded",
    "table.committed",
)
ONLINE_FAULT_POINTS = ("online.written", "online.committed", "online.cut", "online.file_written")
GUARD_FAULT_POINTS = ("guard.decided", "guard.planned")
PUBLISHING_FAULT_POINTS = ("windows.publishing", "windows.published")
OUTCOME_FAULT_POINTS = ("outcomes.recorded",)
WITHDRAWAL_FAULT_POINTS = ("withdrawal.statement_done",)
PROMOTION_FAULT_POINTS = ("promotion.intended", "promotion.alias_moved")
ACTION_FAULT_POINTS = (
    "action.planned",
    "action.approved",
    "action.lease_taken",
    "action.intended",
    "flag.change_intended",
    "flag.half_written",
    "flag.written",
    "action.called",
    "action.confirmed",
)


def reach(point: str, table: str = "") -> None:
    """Kill this process by SIGKILL if INTELLIGENCE_KILL_AT names this point, as `point` or `point:table`.

    Args:
        point: Name of the point, such as `ingest.staged`.
        table: Path of the table that is being written, such as `metrics.kpi_day`; empty where there is none.
    """
    if fault_point() in (point, f"{point}:{table}"):
        os.kill(os.getpid(), signal.SIGKILL)
