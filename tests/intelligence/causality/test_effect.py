"""The library answers with a value, a clear error or "not enough evidence", and never with a number that is none."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from intelligence.causality.effect import Effect, NoEffect, effect, effects
from intelligence.causality.estimation import DEFAULT
from intelligence.core.errors import CausalityError, NotEnoughEvidence

QUICK = replace(DEFAULT, refute=False)


def users(rows: int = 4_000, *, truth: float = 0.0, hidden: float = 0.0, seed: int = 1) -> pl.DataFrame:
    """Users whose activity and plan confound adoption and the weeks that they stay; `hidden` is a confounder in no column."""
    draw = np.random.default_rng(seed)
    activity, unseen = draw.normal(size=rows), draw.normal(size=rows)
    plan = draw.choice(["free", "paid"], rows)
    push = 0.8 * activity + 0.5 * (plan == "paid") + hidden * unseen
    adopted = draw.random(rows) < 1 / (1 + np.exp(0.5 - push))
    return pl.DataFrame(
        {
            "user_id": np.arange(rows),
            "activity": activity,
            "plan": plan,
            "adopted": adopted,
            "weeks": truth * adopted + activity + 0.3 * (plan == "paid") + hidden * unseen + draw.normal(size=rows),
            "earlier": activity + hidden * unseen + draw.normal(size=rows),
        }
    )


def answer(frame: pl.DataFrame, **changed: object) -> Effect:
    asked = {"treatment": "adopted", "outcome": "weeks", "confounders": ["activity", "plan"], "rules": QUICK}
    return effect(frame, **(asked | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["everyone", "treated"])
@pytest.mark.parametrize("truth", [-0.4, 0.0, 0.4])
def test_the_interval_holds_the_truth_where_the_plain_difference_does_not(truth: float, target: str) -> None:
    found = answer(users(truth=truth), rules=replace(QUICK, target=target))
    assert found.estimate.low < truth < found.estimate.high
    assert found.naive.low > truth + 0.3
    assert found.rows == found.units == 4_000


def test_boosting_finds_an_effect_behind_a_curved_confounder() -> None:
    draw = np.random.default_rng(2)
    x = draw.normal(size=3_000)
    adopted = draw.random(3_000) < np.where(np.abs(x) < 1, 0.7, 0.2)
    frame = pl.DataFrame(
        {"x": x, "adopted": adopted, "y": 0.3 * adopted + np.cos(2 * x) + 0.5 * draw.normal(size=3_000)}
    )
    found = answer(frame, outcome="y", confounders=["x"], rules=replace(QUICK, learner="boosted", folds=2))
    assert found.estimate.low < 0.3 < found.estimate.high


def test_a_sound_claim_is_grade_c_with_all_its_refutations() -> None:
    found = answer(users(truth=0.4), control="earlier", rules=DEFAULT)
    assert found.graded.grade == "C"
    assert [each.name for each in found.refutations] == [
        "placebo treatment",
        "random common cause",
        "subsets",
        "negative control",
    ]
    assert not any(each.refuted for each in found.refutations)
    assert "grade C" in found.words
    assert 0 < found.sensitivity.robustness_of_interval < found.sensitivity.robustness < 1
    assert found.sensitivity.e_value > found.sensitivity.e_value_of_interval > 1


def test_a_hidden_confounder_is_seen_by_the_sensitivity_and_by_the_negative_control() -> None:
    frame = users(hidden=0.6)
    alone = answer(frame)
    assert alone.estimate.excludes_zero
    assert alone.sensitivity.fragile
    assert alone.graded.grade == "D"
    controlled = answer(frame, control="earlier")
    assert controlled.refutations[0].refuted
    assert controlled.graded.grade == "D"


def test_a_method_out_of_bounds_loses_a_grade() -> None:
    frame = users(truth=0.4)
    assert answer(frame, control="earlier", findings=["method out of bounds"]).graded.grade == "D"


def test_answers_are_the_same_bit_for_bit_and_do_not_depend_on_refutations() -> None:
    frame = users(truth=0.2)
    assert answer(frame, rules=DEFAULT) == answer(frame, rules=DEFAULT)
    assert answer(frame, rules=DEFAULT).estimate == answer(frame).estimate


def test_repeated_rows_of_a_unit_do_not_narrow_the_interval() -> None:
    frame = users(truth=0.3)
    thrice = answer(pl.concat([frame] * 3), unit="user_id")
    once = answer(frame, unit="user_id")
    assert thrice.units == once.units == 4_000
    assert thrice.estimate.se == pytest.approx(once.estimate.se, rel=0.05)


def test_gaps_in_a_confounder_are_adjusted_for_and_constant_ones_do_no_harm() -> None:
    frame = users(truth=0.4).with_columns(
        activity=pl.when(pl.col("user_id") % 10 > 0).then("activity"), constant=pl.lit(1), region=pl.lit("eu")
    )
    found = answer(frame, confounders=["activity", "plan", "constant", "region"])
    assert found.estimate.low < 0.4 + 0.15
    assert np.isfinite(found.estimate.value)


@pytest.mark.parametrize(
    ("change", "asked", "problem"),
    [
        (pl.col("weeks"), {"outcome": "months"}, "no column months"),
        (pl.col("weeks"), {"confounders": ["activity", "age"]}, "no column age"),
        (pl.col("weeks"), {"confounders": []}, "not named"),
        (pl.col("weeks"), {"confounders": ["activity", "weeks"]}, "names weeks twice"),
        (pl.lit(None, pl.Float64).alias("activity"), {}, "holds no value at all"),
        (pl.lit(None, pl.String).alias("plan"), {}, "holds no value at all"),
        (pl.lit(float("nan")).alias("activity"), {}, "holds no value at all"),
        (pl.lit(float("inf")).alias("activity"), {}, "infinite"),
        (pl.lit("yes").alias("adopted"), {}, "holds String, not numbers"),
        (pl.lit(2).alias("adopted"), {}, "holds 2, and a treatment is true or false"),
        (pl.lit("long").alias("weeks"), {}, "holds String, not numbers"),
        ((pl.col("activity") * 3).alias("weeks"), {}, "is weeks in another unit"),
    ],
)
def test_a_frame_that_cannot_be_used_is_a_clear_error(change: pl.Expr, asked: dict[str, object], problem: str) -> None:
    with pytest.raises(CausalityError, match=problem):
        answer(users(1_000).with_columns(change), **asked)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (users(400).with_columns(adopted=True), "All 400 rows are treated"),
        (users(400).with_columns(adopted=False), "All 400 rows are untreated"),
        (users(400).with_columns(weeks=7.0), "It is 7 in every row"),
        (users(3), "smaller arm has|All 3 rows"),
        (users(3).clear(), "no rows"),
        (users(400).with_columns(adopted=pl.lit(None, pl.Boolean)), "All 0 rows"),
        (users(400).with_columns(weeks=pl.lit(None, pl.Float64)), "All 0 rows"),
        (users(2_000).with_columns(adopted=pl.col("activity") > 0), "counterpart in the other arm|tell as much as"),
        (pl.concat([users(40)] * 50), "The smaller arm has"),
    ],
)
def test_too_little_evidence_is_said_so(frame: pl.DataFrame, problem: str) -> None:
    with pytest.raises(NotEnoughEvidence, match=problem):
        answer(frame, unit="user_id")


def test_many_questions_share_a_frame_and_one_without_an_answer_does_not_stop_the_others() -> None:
    frame = users(truth=0.4).with_columns(
        never=pl.lit(False),
        elsewhere=pl.when(pl.col("user_id") >= 2_000).then("adopted"),
        later=pl.when(pl.col("user_id") < 3_000).then("weeks"),
    )
    found = effects(
        frame,
        treatments=["adopted", "never", "elsewhere"],
        outcomes=["weeks", "later"],
        confounders=["activity", "plan"],
        rules=QUICK,
    )
    assert [(each.treatment, each.outcome) for each in found] == [
        (treatment, outcome) for treatment in ("adopted", "never", "elsewhere") for outcome in ("weeks", "later")
    ]
    assert [type(each) for each in found] == [Effect, Effect, NoEffect, NoEffect, Effect, Effect]
    assert [each.rows for each in found if isinstance(each, Effect)] == [4_000, 3_000, 2_000, 1_000]
    assert found[0] == answer(frame)
    assert "not enough evidence" in found[2].words
