"""A method is run on the units of own experiments as if they had chosen for themselves, and judged by what the experiments say."""

import json

import numpy as np
import polars as pl
import pytest

from intelligence.causality.pictures import record_picture
from intelligence.causality.record import METHODS, confounded_sample, naive_difference, pairs_of, record_rows
from intelligence.causality.tables import ESTIMATOR_RECORD
from intelligence.core.errors import NotEnoughEvidence

DAY = pl.date(2026, 8, 1)


def units(seed: int, *, count: int = 2_400, effect: float = 0.0) -> pl.DataFrame:
    """Units of an experiment with 50/50 shares; who was active before is active after."""
    draw = np.random.default_rng(seed)
    taste = draw.gamma(2.0, 2.0, count)
    is_treated = draw.random(count) < 0.5
    before, after = draw.poisson(taste), draw.poisson(taste + effect * is_treated)
    return pl.DataFrame(
        {
            "user_id": [f"u{number}" for number in range(count)],
            "variant": np.where(is_treated, "treatment", "control"),
            "segment": draw.choice(["student", "teacher"], count),
            "active_days_before": before,
            "events_before": 3.0 * before + draw.poisson(2, count),
            "sessions_before": draw.poisson(taste).astype(float),
            "features_before": draw.poisson(taste).astype(float),
            "errors_before": draw.poisson(0.3, count).astype(float),
            "converted_days_before": draw.binomial(before, 0.5),
            "idle_days_before": draw.integers(0, 14, count),
            "active_days": after,
            "events": 3.0 * after + draw.poisson(2, count),
            "converted_days": draw.binomial(after, 0.5),
            "errors": draw.poisson(0.3, count).astype(float),
        }
    )


def test_the_units_that_are_left_look_as_if_they_had_chosen_and_the_effect_is_that_of_the_experiment() -> None:
    made = units(3, count=40_000, effect=0.5).with_columns(treated=pl.col("variant") == "treatment")
    chosen = confounded_sample(made, treated="treated", by="active_days_before")
    gap = chosen.group_by("treated").agg(pl.col("active_days_before").mean()).sort("treated")["active_days_before"]
    assert gap[1] - gap[0] > 1.0
    plain = naive_difference(chosen, treated="treated", outcome="active_days")
    assert plain.low > 0.5, "the plain difference is fooled"
    # Within units that were as active before, the arms differ by the effect.
    strata = chosen.group_by("active_days_before", "treated").agg(pl.col("active_days").mean(), pl.len())
    wide = strata.pivot("treated", index="active_days_before", values=["active_days", "len"]).drop_nulls()
    weights = wide["len_true"] + wide["len_false"]
    within = ((wide["active_days_true"] - wide["active_days_false"]) * weights).sum() / weights.sum()
    assert within == pytest.approx(0.5, abs=0.12)


def test_adjusting_is_within_bounds_where_the_plain_difference_is_not() -> None:
    pairs = [
        pair
        for seed in range(4)
        for pair in pairs_of(
            units(seed, effect=0.2 * seed), experiment=f"e{seed}", variant="treatment", control="control"
        )
    ]
    rows = {row["method"]: row for row in record_rows(pairs)}
    assert rows.keys() == {*METHODS}
    assert rows["adjusted"]["out_of_bounds"] is False
    assert rows["plain difference"]["out_of_bounds"] is True
    assert rows["plain difference"]["bias_low"] > 0.05
    assert len(json.loads(rows["adjusted"]["compared"])) == rows["adjusted"]["pairs"] == 16
    frame = ESTIMATOR_RECORD.frame([{"event_date": None, **row} for row in rows.values()]).with_columns(event_date=DAY)
    assert record_picture(frame).startswith(b"\x89PNG")


def test_too_few_units_and_no_experiments_have_no_record() -> None:
    few = units(1, count=6)
    assert pairs_of(few, experiment="e", variant="treatment", control="control") == []
    assert record_rows([]) == []
    with pytest.raises(NotEnoughEvidence, match="too few units"):
        naive_difference(few.with_columns(treated=pl.lit(value=True)), treated="treated", outcome="events")


def test_an_outcome_without_spread_is_left_out() -> None:
    flat = units(2).with_columns(errors=pl.lit(0.0))
    outcomes = {pair["outcome"] for pair in pairs_of(flat, experiment="e", variant="treatment", control="control")}
    assert "errors" not in outcomes
    assert outcomes
