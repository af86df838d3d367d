"""Uplift on simulated truth: groups' effects are covered, an order is refused where effects do not differ, and found where they do."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.uplift import REFUSED, SHARES, TABLE, Uplift, uplift
from tests.intelligence.experiments.frames import users

COVARIATES = ("taste", "age", "plan")
AVERAGE = 0.5


def experiment(seed: int, *, n: int = 1_000, slope: float = 0.0, share: float = 0.5) -> pl.DataFrame:
    """Return units whose effect is 0.5 + slope * taste, in the column `truth`; taste and plan change the outcome of both arms."""
    random = np.random.default_rng(seed)
    taste, age, plan = random.normal(size=n), random.normal(size=n), random.integers(0, 3, n)
    treated = random.permutation(n) < share * n
    truth = AVERAGE + slope * taste
    return pl.DataFrame(
        {
            "user_id": [f"u{number}" for number in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "taste": taste,
            "age": np.where(random.random(n) < 0.1, np.nan, age),
            "plan": np.array(["free", "team", "school"])[plan],
            "truth": truth,
            "spent": taste + plan + truth * treated + 2 * random.normal(size=n),
        }
    ).with_columns(pl.col("age").fill_nan(None))


def test_the_effects_of_groups_are_covered_by_their_intervals() -> None:
    covered: dict[str, list[bool]] = {"average": [], "qini": [], **{str(share): [] for share in SHARES}}
    for seed in range(60):
        frame = experiment(seed, n=2_000, slope=0.8)
        found = uplift(frame, "spent", COVARIATES)
        covered["average"].append(found.average.low <= frame["truth"].mean() <= found.average.high)  # type: ignore[operator]
        truth = found.scores.join(frame, on="user_id", how="left", maintain_order="left")["truth"].to_numpy()
        places = found.scores["place"].to_numpy()
        for row in found.table.iter_rows(named=True):
            covered[str(row["share"])].append(row["low"] <= truth[places <= row["share"]].mean() <= row["high"])
        if found.qini:
            covered["qini"].append(found.qini.low <= (truth * (0.5 - places)).mean() <= found.qini.high)
    # Three standard errors below 95 % in 60 simulations.
    assert {name for name, each in covered.items() if np.mean(each) < 0.95 - 3 * (0.95 * 0.05 / 60) ** 0.5} == set()
    assert min(map(len, covered.values())) >= 55, "nearly all find so large a difference"


def test_where_effects_do_not_differ_no_group_has_a_number() -> None:
    found = [uplift(experiment(seed, share=0.25), "spent", COVARIATES, shares=QUARTER) for seed in range(100)]
    assert np.mean([each.refused == REFUSED for each in found]) >= 0.9
    refused = next(each for each in found if each.refused)
    assert (refused.table.height, refused.scores.height, refused.qini) == (0, 0, None)
    assert np.mean([each.average.low < AVERAGE < each.average.high for each in found]) >= 0.88
    assert np.mean([each.p < 0.5 for each in found]) == pytest.approx(0.5, abs=0.15)


QUARTER = {"control": 0.75, "treatment": 0.25}


def found_with(**options: Any) -> Uplift:
    return uplift(experiment(3, n=2_000, slope=1.0), "spent", COVARIATES, **options)


@pytest.mark.parametrize("learner", ["linear", "boosted"])
def test_a_differing_effect_is_found_and_ordered(learner: Any) -> None:
    found = found_with(learner=learner)
    assert (found.refused, found.units) == ("", 2_000)
    assert found.p < 0.001
    assert found.table.schema == TABLE
    assert found.table["share"].to_list() == list(SHARES)
    assert found.table["units"].to_list() == [200, 400, 600, 1_000]
    top = found.table.filter(share=0.3).row(0, named=True)
    assert top["low"] > found.average.value > top["rest_high"]
    assert found.qini is not None
    assert found.qini.low > found.random.high > 0 == found.random.value


def test_a_known_share_is_used_as_it_is() -> None:
    """With shares of 3 to 1, the average effect is right for the planned share, though the models know nothing of it."""
    frame = experiment(5, n=8_000, share=0.25)
    assert uplift(frame, "spent", ["age"], shares=QUARTER).average.value == pytest.approx(AVERAGE, abs=0.2)


def test_the_same_seed_gives_the_same_and_other_arms_are_left_out() -> None:
    frame = experiment(3, n=2_000, slope=1.0)
    third = frame.head(300).with_columns(variant=pl.lit("other"), user_id=pl.lit("x") + pl.col("user_id"))
    found = uplift(pl.concat([frame, third]), "spent", COVARIATES)
    assert found.table.equals(found_with().table)
    assert found.average == found_with().average
    assert found.average != found_with(seed=8).average


def test_units_without_an_outcome_are_left_out() -> None:
    frame = experiment(3, n=2_000, slope=1.0).with_columns(spent=pl.when(pl.int_range(pl.len()) % 10 > 0).then("spent"))
    found = uplift(frame, "spent", COVARIATES)
    assert found.units == found.scores.height == 1_800
    assert found.scores["score"].is_finite().all()


@pytest.mark.parametrize(
    ("change", "options", "error", "words"),
    [
        ({"variant": pl.lit("control")}, {}, NotEnoughEvidence, "1000 of `control` and 0 of `treatment`"),
        ({"spent": pl.lit(4.0)}, {}, NotEnoughEvidence, "spent: no two units differ"),
        ({"taste": pl.lit(1), "age": pl.lit(1), "plan": pl.lit("a")}, {}, NotEnoughEvidence, "taste, age, plan"),
        ({"age": pl.lit(None, pl.Float64)}, {}, ExperimentError, "age: holds no value at all"),
        ({"spent": pl.lit("much")}, {}, ExperimentError, "spent: is of type String"),
        ({"spent": pl.lit(float("inf"))}, {}, ExperimentError, "spent: holds infinite"),
        ({"age": pl.lit([1])}, {}, ExperimentError, "age: holds List"),
        ({"user_id": pl.lit("me")}, {}, ExperimentError, "1000 rows are of 1 units"),
        ({}, {"shares": {"control": 0.9, "treatment": 0.1}}, ExperimentError, "do not fit 500 of `control`"),
        ({}, {"shares": {"control": 1.0}}, ExperimentError, "Give a share above 0"),
        ({}, {"covariates": ()}, ExperimentError, "there are none"),
        ({}, {"covariates": ("age", "height")}, ExperimentError, "lacks `height`"),
        ({}, {"covariates": ("age", "spent")}, ExperimentError, "spent is named more than once"),
        ({}, {"unit": "person"}, ExperimentError, "lacks `person`"),
    ],
)
def test_what_cannot_be_answered_is_said(
    change: dict[str, pl.Expr], options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        uplift(experiment(1).with_columns(**change), "spent", **{"covariates": COVARIATES, **options})


def test_three_users_are_not_enough() -> None:
    with pytest.raises(NotEnoughEvidence, match="At least 200 are needed in each arm"):
        uplift(users(3), "revenue", ["pre_revenue"])


def test_an_empty_frame_is_not_enough() -> None:
    with pytest.raises(NotEnoughEvidence, match="0 of `control` and 0 of `treatment`"):
        uplift(users().clear(), "revenue", ["pre_revenue"])
