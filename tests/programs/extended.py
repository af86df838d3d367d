"""Runs the code that an example of docs/extending.md has changed.

`extended.py build TODAY TABLE…` takes in delivered files, builds the stale days before TODAY of the tables and of those that
they are made from, and prints their rows.
`extended.py deliver` carries out an alert, delivers a second time, undoes it, and prints where it stands each time.
"""

import json
import sys
from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

import assets
from assets.definitions import definitions
from assets.graph.tables import key_of
from intelligence.catalog.layers import DELIVERED, TABLES
from intelligence.core.tables import Days, Table
from intelligence.decisions.requested import RequestedAction
from resources.config.settings import settings
from resources.models.mlflow_store import quiet_environment
from resources.platform import Platform


def built(platform: Platform, today: date, paths: Sequence[str]) -> object:
    defs = definitions(platform)
    tables = [table for table in TABLES if table.path in paths]
    needed = dg.AssetSelection.assets(*map(key_of, tables)).upstream().resolve(defs.resolve_asset_graph())
    job = defs.resolve_implicit_global_asset_job_def()
    failed: list[str] = []

    def run(tables: Sequence[Table], days: Days | None = None) -> None:
        ends = {"start": days.start, "end": days.end - timedelta(days=1)} if days else {}
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[key_of(table) for table in tables],
            tags={f"dagster/asset_partition_range_{name}": str(day) for name, day in ends.items()},
        )
        failed.extend(check.check_name for check in result.get_asset_check_evaluations() if not check.passed)

    with dg.DagsterInstance.ephemeral() as instance:
        run(DELIVERED)
        for step in platform.due.steps_to_build(today=today):
            chosen = [table for table in step.tables if key_of(table) in needed]
            if chosen:
                run(chosen, step.days)
    graph = defs.resolve_asset_graph()
    return {
        "checks": {table.path: sorted(key.name for key in graph.get(key_of(table)).check_keys) for table in tables},
        "failed": failed,
        "rows": {
            table.path: platform.lake.frame(f"FROM {table.path} ORDER BY {', '.join(table.key)}").rows()
            for table in tables
        },
        "stale": [table.path for table in tables if table.path in platform.lake.stale(before=today)],
    }


def delivered(platform: Platform) -> object:
    wanted = RequestedAction(
        decision_id="d1", day=date(2026, 7, 1), kind="alert", level="auto", scope="feature", feature="quiz", flag_key=None,
        payload={}, episode="quiz since 2026-07-01", title="alert: quiz", text="errors: 20 of 258 events were bad",
    )  # fmt: skip
    platform.actions.planned([wanted])
    outbox, standings = platform.announcer.outbox(), []
    (action_id,) = (entry.id for entry in outbox.entries() if entry.action.target == "alertmanager")
    for _ in range(2):
        platform.actions.delivered()
        standings.append(outbox.entry(action_id).standing)
    outbox.undo_wanted(action_id, actor="ann", reason="seen")
    platform.actions.delivered()
    return [*standings, outbox.entry(action_id).standing]


if __name__ == "__main__":
    quiet_environment()
    platform = Platform.of(settings())
    kind, *more = sys.argv[1:]
    said = built(platform, date.fromisoformat(more[0]), more[1:]) if kind == "build" else delivered(platform)
    print(json.dumps({"code": assets.__path__[0], "said": said}, default=str))
