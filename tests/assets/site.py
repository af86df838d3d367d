"""An installation in which one release is bad, for tests of what is decided about it and what becomes of that."""

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from intelligence.actions.flags import exposure
from intelligence.core.tables import Days
from intelligence.decisions.autonomy import Level
from intelligence.decisions.tables import FEATURE_DECISIONS
from resources.models.registry import Registry
from tests.intelligence.decisions.day_of_evidence import DAY, sources
from tests.platforms import platform_in, ruled_by

FLAG = "quiz"


class Site:
    """A lake in which release 3.2.0 on ios breaks quiz, with a champion, flags and an outbox."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder = folder
        self.platform = platform_in(folder, registry=registry)
        self.registry, self.lake, self.announcer = registry, self.platform.lake, self.platform.announcer
        self._fill()

    def _fill(self) -> None:
        known = sources()
        assert known.metrics is not None
        assert known.quality is not None
        frames: dict[str, Any] = {
            "metrics.feature_health": known.health,
            "metrics.fact_feature_metrics": known.metrics,
            "telemetry.day_quality": known.quality.filter(pl.col("event_date") == DAY),
            "warehouse.dim_feature_metadata": known.features,
            "warehouse.dim_releases": known.releases,
            "risk.feature_risk": known.risk,
            "risk.feature_panel": known.panel,
            "drift.model_watch": pl.DataFrame(
                {"event_date": [DAY], "model": ["feature_risk"], "model_version": [1], "state": ["steady"]}
            ),
        }

        def insert(connection: Any) -> None:
            for name, frame in frames.items():
                connection.register("rows_to_insert", frame)
                connection.execute(f"INSERT INTO {name} BY NAME FROM rows_to_insert")
                connection.unregister("rows_to_insert")
            for row in known.release_days.iter_rows(named=True):  # type: ignore[union-attr]
                connection.execute(
                    "INSERT INTO telemetry.raw_events BY NAME SELECT $event_date AS event_date, $feature AS feature,"
                    " 'u' || n AS user_id, 's' AS session_id,"
                    " $platform AS platform, $app_version AS app_version, n < $failed_events AS crashed, false AS is_duplicate"
                    " FROM range($events) AS rows(n)",
                    {
                        name: row[name]
                        for name in ("event_date", "feature", "platform", "app_version", "failed_events", "events")
                    },
                )
            connection.execute(
                "INSERT INTO warehouse.dim_users BY NAME SELECT 'u' || n AS user_id, $seen AS first_seen_at, $seen AS last_seen_at"
                " FROM range(200) AS users(n)",
                {"seen": datetime.combine(DAY - timedelta(days=60), time())},
            )

        self.lake.commit(insert)

    def decide(self, day: date = DAY) -> pl.DataFrame:
        found = self.platform.decisions.decisions_of(day)
        self.lake.replace(FEATURE_DECISIONS, Days(day, day + timedelta(days=1)), "FROM found", frames={"found": found})
        return found

    def act(self) -> pl.DataFrame:
        return self.platform.actions.acted()[0]

    def exposure(self) -> float | None:
        file, _ = self.announcer.flags([FLAG])
        return exposure(file.document(), FLAG)

    def next_day(self) -> date:
        """Let the trouble last for another day, and return that day."""
        tables = [
            "metrics.feature_health", "metrics.fact_feature_metrics", "telemetry.day_quality", "risk.feature_risk",
            "risk.feature_panel", "drift.model_watch", "telemetry.raw_events",
        ]  # fmt: skip
        query = (
            "INSERT INTO {0} BY NAME SELECT * REPLACE (event_date + 1 AS event_date) FROM {0} WHERE event_date = $day"
        )
        self.lake.commit(lambda connection: [connection.execute(query.format(name), {"day": DAY}) for name in tables])
        return DAY + timedelta(days=1)


def at_level(site: Site, level: Level, **changes: Any) -> None:
    """Let every kind of action be at this level from now on, with other `changes` of the policy."""
    decisions = site.platform.product.decisions.at_level(level).model_copy(update=changes)
    site.platform = ruled_by(site.platform, decisions=decisions)


def of_quiz(decisions: pl.DataFrame) -> dict[str, Any]:
    return decisions.filter(feature="quiz").row(0, named=True)
