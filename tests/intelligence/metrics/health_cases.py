"""Hand-made histories of use, and the health that they are assessed to have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from intelligence.core.tables import Days
from intelligence.metrics.health import WINDOW_DAYS, feature_health
from intelligence.metrics.settings import Health
from intelligence.metrics.spread import OBJECTIVES, spread_columns
from intelligence.metrics.tables import FEATURE_HEALTH
from intelligence.warehouse.settings import Promises
from tests.spread_of_users import alike

START = date(2026, 1, 5)
RULES = Health()
KEPT = Promises()


@dataclass(frozen=True)
class Used:
    """What one feature did on one day; None in a history stands for a day without a row."""

    usage: int = 400
    failed: int = 2
    crashed: int = 0
    timed: int = 400
    slow: int = 4
    ratings: int = 0
    bad_ratings: int = 0
    answers: int = 0
    bad_answers: int = 0
    users: int = 40

    def counts(self) -> dict[str, int]:
        return {
            "usage_count": self.usage, "failed_events": self.failed, "crashed_events": self.crashed,
            "timed_events": self.timed, "slow_events": self.slow, "ratings": self.ratings,
            "bad_ratings": self.bad_ratings, "scored_answers": self.answers, "bad_answers": self.bad_answers,
        }  # fmt: skip


CALM = Used()
BAD = Used(failed=48)
History = Mapping[str, Sequence[Used | None]]


@dataclass(frozen=True)
class Case:
    """Some features from START on; `faulty` are the numbers of days whose telemetry is at fault."""

    histories: History
    first_seen: Mapping[str, int | None] | None = None
    faulty: frozenset[int] = frozenset()
    rules: Health = RULES
    dau: int = 200

    @property
    def length(self) -> int:
        return max(len(history) for history in self.histories.values())

    def run(self, first: int, end: int, previous: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return one run over the days of those numbers, shown no more than the asset is: 27 days back, one result."""
        days = Days(day(first), day(end))
        shown = pl.col("event_date").is_between(day(first - WINDOW_DAYS + 1), days.end, closed="left")
        before = NO_ROWS if previous is None else previous.filter(pl.col("event_date") == day(first - 1))
        return feature_health(
            self.metrics().filter(shown),
            self.features(),
            self.quality().filter(shown),
            self.everybody().filter(shown),
            before,
            days=days,
            rules=self.rules,
        )

    def whole(self) -> pl.DataFrame:
        return self.run(0, self.length)

    def in_runs_of(self, steps: Sequence[int]) -> pl.DataFrame:
        rows, start = NO_ROWS, 0
        for step in steps:
            rows = pl.concat([rows, self.run(start, start + step, rows)], how="vertical_relaxed")
            start += step
        assert start == self.length
        return rows

    def metrics(self) -> pl.DataFrame:
        rows = [
            {"feature": name, "event_date": day(number), **counts, **alike(counts, used.users)}
            for name, history in self.histories.items()
            for number, used in enumerate(history)
            if used
            for counts in [used.counts()]
        ]
        names = {name for objective in OBJECTIVES for name in spread_columns(objective)}
        most = {f"most_{prefix}_{of}" for _, _, prefix, _, _ in OBJECTIVES.values() for of in ("user", "events")}
        schema = {
            "feature": pl.String, "event_date": pl.Date, **dict.fromkeys(sorted(names), pl.Float64),
            **{name: pl.String if name.endswith("user") else pl.Int64 for name in sorted(most)},
        }  # fmt: skip
        return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema, orient="row")

    def features(self) -> pl.DataFrame:
        rows = []
        for name, history in self.histories.items():
            used_on = [number for number, used in enumerate(history) if used]
            seen = (self.first_seen or {}).get(name, used_on[0] if used_on else None)
            rows.append(
                {
                    "feature": name,
                    "first_seen_date": None if seen is None else day(seen),
                    **KEPT.model_dump(
                        include={
                            "max_error_rate",
                            "max_crash_rate",
                            "max_slow_rate",
                            "max_bad_rating_rate",
                            "max_bad_answer_rate",
                        }
                    ),
                }
            )
        return pl.DataFrame(rows, schema_overrides={"first_seen_date": pl.Date})

    def quality(self) -> pl.DataFrame:
        verdict = ["partial" if number in self.faulty else "whole" for number in range(self.length)]
        return pl.DataFrame({"event_date": [day(number) for number in range(self.length)], "verdict": verdict})

    def everybody(self) -> pl.DataFrame:
        return pl.DataFrame(
            {"event_date": [day(number) for number in range(self.length)], "dau": [self.dau] * self.length}
        )


NO_ROWS = pl.DataFrame(
    schema={
        column.name: {"DATE": pl.Date, "VARCHAR": pl.String, "BIGINT": pl.Int64, "DOUBLE": pl.Float64}[column.type]
        for column in FEATURE_HEALTH.columns
    }
)


def day(number: int) -> date:
    return START + timedelta(days=number)
