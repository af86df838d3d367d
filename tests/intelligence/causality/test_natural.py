"""Staged changes: an effect where the groups moved alike before, and none where they did not."""

import numpy as np
import polars as pl
import pytest

from intelligence.causality.natural import NaturalEffect, difference_in_differences
from intelligence.core.errors import CausalityError, NotEnoughEvidence

PERIODS = 10


def staged(
    truth: float = 0.5,
    *,
    drift: float = 0.0,
    shock: float = 0.0,
    seed: int = 1,
    reached: tuple[int | None, ...] = (5, 7, None),
) -> pl.DataFrame:
    """Units of three groups at different levels; `drift` per period and random shocks belong to the groups that get the change."""
    draw = np.random.default_rng(seed)
    rows = []
    for place, begun in enumerate(reached):
        own = draw.normal(size=(200, 1)) + place
        common = (
            np.sin(np.arange(PERIODS))
            + (drift * np.arange(PERIODS) if begun else 0)
            + shock * draw.normal(size=PERIODS)
        )
        since = np.arange(PERIODS) >= (PERIODS + 1 if begun is None else begun)
        y = own + common + truth * since + draw.normal(size=(200, PERIODS))
        rows.append(
            pl.DataFrame(
                {
                    "unit": np.repeat(np.arange(200) + 1_000 * place, PERIODS),
                    "week": np.tile(np.arange(PERIODS), 200),
                    "y": y.ravel(),
                    "reached": pl.Series([begun] * 200 * PERIODS, dtype=pl.Int64),
                }
            )
        )
    return pl.concat(rows)


def answer(frame: pl.DataFrame) -> NaturalEffect:
    return difference_in_differences(frame, unit="unit", period="week", outcome="y", reached="reached")


@pytest.mark.parametrize("truth", [0.0, 0.5])
def test_the_effect_of_a_staged_change_is_found_and_graded_b(truth: float) -> None:
    found = answer(staged(truth))
    assert found.estimate.low < truth < found.estimate.high
    assert found.estimate.excludes_zero == (truth > 0)
    assert found.graded.grade == "B"
    assert "grade B" in found.words
    assert (found.treated_units, found.control_units) == (400, 400)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = asked = 0
    for seed in range(60):
        try:
            found = answer(staged(0.5, seed=seed))
        except NotEnoughEvidence:
            continue
        asked += 1
        held += found.estimate.low < 0.5 < found.estimate.high
    assert asked >= 50
    assert held >= 0.88 * asked


def test_groups_that_moved_differently_before_give_no_effect() -> None:
    with pytest.raises(NotEnoughEvidence, match="moved differently before"):
        answer(staged(0.0, drift=0.15))


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (staged(reached=(5, 5, 5)), "as many to compare with"),
        (staged(reached=(0, None, None)), "as many to compare with"),
        (staged(reached=(None, None, None)), "as many to compare with"),
        (staged(reached=(2, None, None)), "periods before the change are too few"),
        (staged().with_columns(y=1.0), "does not vary"),
        (staged().filter(pl.col("unit") % 1_000 < 3), "as many to compare with"),
        (staged().filter(pl.col("week") != 4), "gaps between the periods"),
        (staged().clear(), "does not vary"),
    ],
)
def test_too_little_evidence_is_said_so(frame: pl.DataFrame, problem: str) -> None:
    with pytest.raises(NotEnoughEvidence, match=problem):
        answer(frame)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (staged().drop("y"), "no column y"),
        (pl.concat([staged(), staged()]), "two rows of one unit and period"),
        (staged().with_columns(pl.col("week").cast(pl.Float64)), "not whole numbers"),
        (staged().with_columns(reached=pl.col("week")), "differs between the rows"),
    ],
)
def test_a_frame_that_cannot_be_used_is_a_clear_error(frame: pl.DataFrame, problem: str) -> None:
    with pytest.raises(CausalityError, match=problem):
        answer(frame)
