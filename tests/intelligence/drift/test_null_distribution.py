"""The limits hold for all columns together: weeks without drift exceed them about as often as allowed."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from intelligence.drift.distance import Scale, scale_of
from intelligence.drift.history import MOST_GROUPS, history
from intelligence.drift.null_distribution import VERDICTS_PER_WEEK, WINDOW_DAYS, largest_of_a_week, limits
from tests.intelligence.drift.panels import FIRST, calm, history_of

BASELINE_DAYS, UNITS = 56, 20


def scales_of(rows: pl.DataFrame) -> dict[str, Scale]:
    found = {name: scale_of(rows[name].to_numpy()) for name in rows.columns if name.startswith("x")}
    return {name: scale for name, scale in found.items() if scale}


def first_days(rows: pl.DataFrame, days: int) -> pl.DataFrame:
    return rows.filter(pl.col("event_date") < FIRST + timedelta(days=days))


def alarms_of_a_week(seed: int, *, columns: int, allowed: float, shift: float = 0.0) -> bool:
    """Return whether any of the seven verdicts of the week after the baseline, shifted or not, exceeds any limit."""
    rows = calm(days=BASELINE_DAYS + WINDOW_DAYS + VERDICTS_PER_WEEK - 1, units=UNITS, columns=columns, seed=seed)
    before = first_days(rows, BASELINE_DAYS)
    scales = scales_of(before)
    found = limits(history_of(before), scales, false_alarms_per_week=allowed)
    for verdict in range(VERDICTS_PER_WEEK):
        start = FIRST + timedelta(days=BASELINE_DAYS + verdict)
        now = rows.filter(pl.col("event_date").is_between(start, start + timedelta(days=WINDOW_DAYS - 1)))
        for name, scale in scales.items():
            counts = scale.counts(now[name].to_numpy() + shift)
            if float(scale.distances(counts, scale.counts(before[name].to_numpy()))) > found[name]:
                return True
    return False


def test_a_family_without_drift_exceeds_its_limits_in_no_more_weeks_than_allowed() -> None:
    weeks, allowed = 60, 0.1
    alarms = sum(alarms_of_a_week(seed, columns=5, allowed=allowed) for seed in range(weeks))
    assert alarms <= binom.ppf(0.9999, weeks, allowed)


def test_limits_are_not_so_wide_that_nothing_is_ever_found() -> None:
    seen = sum(alarms_of_a_week(seed, columns=3, allowed=0.01, shift=1.0) for seed in range(10))
    assert seen == 10
    by_chance = sum(alarms_of_a_week(seed, columns=5, allowed=0.9) for seed in range(20))
    assert by_chance >= binom.ppf(0.0001, 20, 0.3)


def test_one_column_of_many_has_a_wider_limit_than_alone() -> None:
    rows = calm(days=BASELINE_DAYS, units=UNITS, columns=20, seed=4)
    many = limits(history_of(rows), scales_of(rows), false_alarms_per_week=0.05)
    alone = limits(history_of(rows), {"x0": scales_of(rows)["x0"]}, false_alarms_per_week=0.05)
    assert many["x0"] > alone["x0"]


def test_fewer_false_alarms_need_wider_limits() -> None:
    rows = calm(days=BASELINE_DAYS, units=UNITS, columns=4, seed=4)
    wide, narrow = (limits(history_of(rows), scales_of(rows), false_alarms_per_week=share) for share in (0.001, 0.2))
    assert all(wide[name] > narrow[name] > 0 for name in narrow)


def test_the_same_rows_in_any_order_give_the_same_limits_bit_for_bit() -> None:
    rows = calm(days=35, units=UNITS, columns=4, seed=9)
    names = [name for name in rows.columns if name.startswith("x")]

    def found(of: pl.DataFrame) -> dict[str, float]:
        past = history(of, names, unit="unit", first_day=FIRST, day_count=35)
        return limits(past, scales_of(rows), false_alarms_per_week=0.01)

    assert found(rows) == found(rows)
    assert found(rows.sample(fraction=1, shuffle=True, seed=3)) == found(rows)


def test_a_history_leaves_other_days_out_and_puts_many_units_into_buckets() -> None:
    rows = calm(days=9, units=MOST_GROUPS + 40, columns=1, seed=2)
    past = history(rows, ["x0"], unit="unit", first_day=FIRST + timedelta(days=1), day_count=7)
    assert set(past.days.tolist()) == set(range(7))
    assert past.group_count == MOST_GROUPS
    assert len(past.columns["x0"]) == 7 * (MOST_GROUPS + 40)


def test_the_largest_of_a_week_looks_at_seven_verdicts_in_a_row() -> None:
    by_start = np.arange(10, dtype=float)[:, None]
    assert largest_of_a_week(by_start)[:, 0].tolist() == [6, 7, 8, 9]
    assert largest_of_a_week(by_start[:3])[:, 0].tolist() == [2]


@pytest.mark.filterwarnings("error")
def test_a_column_with_days_without_any_value_still_has_a_limit() -> None:
    rows = calm(days=42, units=UNITS, columns=2, seed=5)
    early = pl.col("event_date") < FIRST + timedelta(days=10)
    gaps = rows.with_columns(x0=pl.when(early).then(float("nan")).otherwise(pl.col("x0")))
    found = limits(history_of(gaps), scales_of(gaps), false_alarms_per_week=0.05)
    assert 0 < found["x0"] < 3
