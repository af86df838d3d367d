"""On a day with one column in doubt, results that use it do not count, and the rest of the day still does."""

from dataclasses import dataclass

import polars as pl
import pytest

from tests.intelligence.metrics.health_cases import BAD, CALM, Case, Used

SLOW, HATED = Used(slow=48), Used(ratings=60, bad_ratings=58)


@dataclass(frozen=True)
class Doubtful(Case):
    """The same with columns that alone are in doubt on the faulty days."""

    columns: tuple[str, ...] = ()

    def quality(self) -> pl.DataFrame:
        """Return telemetry.day_quality with the doubted columns."""
        return super().quality().with_columns(doubted_columns=pl.lit([*self.columns]))


@pytest.mark.parametrize(
    ("trouble", "columns", "state"),
    [
        (BAD, ("error_count",), "healthy"),
        (BAD, ("crashed",), "healthy"),
        (BAD, ("latency_ms",), "degraded"),
        (BAD, ("rating", "duration_s"), "degraded"),
        (SLOW, ("latency_ms",), "healthy"),
        (SLOW, ("error_count", "crashed"), "degraded"),
        (HATED, ("rating",), "healthy"),
        (HATED, ("latency_ms",), "degraded"),
        (BAD, (), "healthy"),
        (CALM, ("latency_ms",), "healthy"),
        (CALM, ("platform",), "healthy"),
        (BAD, ("platform",), "degraded"),
    ],
)
def test_what_rests_on_a_doubted_column_is_set_aside(trouble: Used, columns: tuple[str, ...], state: str) -> None:
    history = {"quiz": [CALM, CALM, CALM, trouble]}
    last = Doubtful(history, faulty=frozenset({3}), columns=columns).whole().row(-1, named=True)
    assert last["state"] == state
    assert (last["evidence"] == "enough") == (state == "degraded" or columns == ("platform",))


def test_nothing_recovers_on_a_doubtful_day_and_nothing_is_forgotten() -> None:
    history = {"quiz": [CALM, BAD, *[CALM] * 10, CALM, CALM]}
    rows = Doubtful(history, faulty=frozenset(range(2, 12)), columns=("error_count",)).whole()
    assert rows["state"].to_list() == ["healthy", *["degraded"] * 11, "degraded", "healthy"]
