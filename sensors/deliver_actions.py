"""Delivers actions that wait in the outbox: after a pause, an approval, a rate limit or a failure."""

import dagster as dg

from resources.messages.announcer import Announcer
from resources.services.actions import ActionService

EVERY_S = 30


@dg.sensor(
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Delivers approved actions that wait, asks targets about those in doubt, and lets old approvals expire.",
)
def deliver_actions(announcer: dg.ResourceParam[Announcer], actions: dg.ResourceParam[ActionService]) -> dg.SkipReason:
    """Deliver approved actions that wait, ask targets about those in doubt, and expire actions that nobody approved in time.

    The sensor delivers within its own tick, not in a run, so that a slow target does not occupy the queue of runs.
    """
    if not announcer.is_opened():
        return dg.SkipReason("No action was ever asked for.")
    report = actions.delivered()
    messages = actions.announced()
    if report.held_up:
        return dg.SkipReason(f"{report.held_up}.")
    standing = ", ".join(f"{result.action_id[:12]} {result.standing}" for result in report.results)
    return dg.SkipReason(f"{standing or 'Nothing waits'}; {messages} messages about it.")
