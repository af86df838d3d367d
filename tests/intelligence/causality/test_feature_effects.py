"""The effects of many features at once: a planted one is found, and what all features share is not called an effect."""

import json
import re
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.causality.feature_effects import (
    NAMES,
    TrialDays,
    _arms,
    discovery_rates,
    feature_effects,
    trial_days,
    unanswered,
)
from intelligence.causality.graph import OUTCOMES, TREATMENTS, adjustment, feature_graph, identified
from intelligence.causality.tables import FEATURE_EFFECTS
from intelligence.causality.trial import arms, eligible
from intelligence.core.errors import NotEnoughEvidence

FIRST, DAYS, USERS = date(2026, 1, 1), 95, 6_000
FEATURES = [f"feature_{number:02}" for number in range(14)]
HELPS = FEATURES[3]
CLAIM = re.compile(r"\b(caused|won|better)\b")


class Product:
    """Users whose hidden intent of a day lets them use more features then, and come back more often after."""

    def __init__(self, seed: int, *, lift: float) -> None:
        draw = np.random.default_rng(seed)
        habit = draw.beta(2, 6, USERS)
        active = draw.random((DAYS, USERS)) < habit
        intent = draw.random((DAYS, USERS)) < 0.25
        used = draw.random((len(FEATURES), DAYS, USERS)) < np.where(intent, 0.08, 0.01)
        used &= active
        for day in range(DAYS):
            # Whoever meant business comes back during the fortnight after, whatever was used; users of one feature do so too.
            came = intent[day] & active[day]
            helped = used[FEATURES.index(HELPS), day]
            for later in range(day + 1, min(day + 15, DAYS)):
                active[later] |= came & (draw.random(USERS) < 0.2)
                active[later] |= helped & (draw.random(USERS) < lift)
        failed = used & (draw.random(used.shape) < 0.2)
        self.user_days = self._frame(active[None], active[None]).drop("feature", "errors").with_columns(
            segment=pl.lit("student"), events=pl.lit(5), sessions=pl.lit(1), features=pl.lit(3),
            duration_s=pl.lit(60.0), errors=pl.lit(0), conversions=pl.lit(0),
        )  # fmt: skip
        self.uses = self._frame(used, failed)
        self.first_days = self.user_days.group_by("user_id").agg(first_day=pl.col("event_date").min())

    def _frame(self, used: np.ndarray, failed: np.ndarray) -> pl.DataFrame:
        feature, day, user = np.nonzero(used)
        return pl.DataFrame(
            {
                "feature": [FEATURES[each] for each in feature],
                "user_id": [f"u{each:05}" for each in user],
                "event_date": [FIRST + timedelta(days=int(each)) for each in day],
                "errors": failed[feature, day, user].astype(np.int64),
            }
        )

    def bits(self, days: TrialDays) -> pl.DataFrame:
        first, last = days.parameters["first_use_day"], days.parameters["last_use_day"]
        bit = pl.lit(2, pl.UInt64).pow((pl.col("event_date") - pl.lit(first)).dt.total_days())
        marked = self.uses.filter(pl.col("event_date").is_between(first, last)).with_columns(bit=bit.cast(pl.UInt64))
        return marked.group_by("feature", "user_id").agg(
            days=pl.col("bit").sum(), error_days=pl.col("bit").filter(pl.col("errors") > 0).sum().cast(pl.UInt64)
        )

    def effects(self, days: TrialDays, features: list[str] = FEATURES) -> pl.DataFrame:
        rows = feature_effects(self.user_days, self.first_days, self.bits(days), features, days)
        return FEATURE_EFFECTS.frame([{"event_date": FIRST, **row} for row in rows])


@pytest.fixture(scope="module")
def days() -> TrialDays:
    return trial_days(FIRST, FIRST + timedelta(days=DAYS - 1))


@pytest.fixture(scope="module")
def product() -> Product:
    return Product(5, lift=0.5)


@pytest.fixture(scope="module")
def found(product: Product, days: TrialDays) -> pl.DataFrame:
    return product.effects(days, [*FEATURES, "never_used"])


def test_times_zero_are_at_most_four_and_at_most_a_week_apart() -> None:
    year = trial_days(FIRST, FIRST + timedelta(days=364))
    assert len(year.zeros) == 4
    assert {(b - a).days for a, b in zip(year.zeros, year.zeros[1:], strict=False)} == {7}
    assert (year.parameters["last_use_day"] - year.parameters["first_use_day"]).days < 63
    only = trial_days(FIRST, FIRST + timedelta(days=84))
    assert only.parameters["first_day"] == FIRST
    assert only.parameters["last_day"] == FIRST + timedelta(days=84)
    with pytest.raises(NotEnoughEvidence, match="too few"):
        trial_days(FIRST, FIRST + timedelta(days=83))


def test_bits_tell_the_same_arms_as_the_days_of_use(product: Product, days: TrialDays) -> None:
    trials = eligible(product.user_days, days.zeros, days.layout)
    by_bits = _arms(trials, product.bits(days), FEATURES, days)
    for feature in FEATURES[:4]:
        wanted = arms(trials, product.uses.filter(feature=feature), days.layout)
        for treatment in TREATMENTS:
            assert by_bits[feature, treatment].cast(pl.Boolean).to_list() == wanted[treatment].to_list()
            assert 0 < by_bits[feature, treatment].null_count() < len(trials)


def test_the_planted_effect_is_claimed_and_what_all_features_share_is_not(found: pl.DataFrame) -> None:
    active = found.filter(treatment="adopting", outcome="active_days_after").drop_nulls("estimate")
    assert active.height == len(FEATURES)
    (own,) = active.filter(feature=HELPS).to_dicts()
    assert own["grade"] == "C"
    assert own["low"] > 0
    assert own["q_value"] < 0.01
    others = active.filter(pl.col("feature") != HELPS)
    # The plain differences, and most of the adjusted ones, say that every feature helps.
    assert (others["naive"] > 0).all()
    shared = others.filter(pl.col("low") > 0)
    assert shared.height > len(FEATURES) / 2
    assert shared["grade"].to_list() == ["D"] * shared.height
    tried = [json.loads(each)[-1] for each in shared["refutations"]]
    assert {each["tried"] for each in tried} == {"other features"}
    assert all(each["refuted"] for each in tried)


def test_every_question_has_a_row_and_every_estimate_an_interval_and_a_grade(found: pl.DataFrame) -> None:
    assert found.height == (len(FEATURES) + 1) * len(TREATMENTS) * len(OUTCOMES)
    assert found.select(FEATURE_EFFECTS.key).is_unique().all()
    answered = found.drop_nulls("estimate")
    assert 0 < answered.height < found.height
    for row in found.iter_rows(named=True):
        if row["estimate"] is None:
            assert row["low"] is row["high"] is row["grade"] is row["naive"] is None
            assert row["grade_reason"].startswith("not enough evidence: ")
        else:
            assert row["low"] <= row["estimate"] <= row["high"]
            assert row["naive_low"] <= row["naive"] <= row["naive_high"]
            assert row["grade"] in ("C", "D")
            assert len(json.loads(row["refutations"])) == 5
            assert row["refuted"] == any(each["refuted"] for each in json.loads(row["refutations"]))
        assert row["grade"] == "A" or not CLAIM.search(row["answer"])
    assert found.filter(feature="never_used")["estimate"].null_count() == len(TREATMENTS) * len(OUTCOMES)
    assert set(found["treatment"]) == set(NAMES.values())


def test_the_same_rows_give_the_same_answers_and_fewer_features_the_same_estimates(
    product: Product, days: TrialDays, found: pl.DataFrame
) -> None:
    few = product.effects(days, FEATURES[2:5])
    same = found.join(few, on=["feature", "treatment", "outcome"], suffix="_few").drop_nulls("estimate")
    assert same.height > 3
    assert np.allclose(same["estimate"], same["estimate_few"])
    # Three features are no crowd to be compared with.
    words = [json.loads(each)[-1] for each in few.drop_nulls("refutations")["refutations"]]
    assert {each["refuted"] for each in words} == {None}


def test_an_outcome_in_which_an_arm_ends_alike_is_no_certainty(product: Product, days: TrialDays) -> None:
    stays = product.uses.filter(feature=FEATURES[0]).select("user_id").unique()
    later = pl.DataFrame({"event_date": [days.zeros[-1] + timedelta(days=number) for number in (1, 2, 3, 4)]})
    extra = product.user_days.select(pl.exclude("event_date")).unique("user_id").join(stays, on="user_id")
    more = extra.join(later, how="cross").select(product.user_days.columns)
    always = pl.concat([product.user_days, more]).unique(["user_id", "event_date"], maintain_order=True)
    rows = feature_effects(always, product.first_days, product.bits(days), FEATURES[:1], days)
    (week,) = [row for row in rows if (row["treatment"], row["outcome"]) == ("adopting", "retained_7d")]
    assert "treated rows end alike" in week["answer"]
    assert "estimate" not in week


def test_a_product_without_users_or_days_gets_rows_that_say_so(product: Product, days: TrialDays) -> None:
    nobody = feature_effects(
        product.user_days.clear(), product.first_days, product.bits(days).clear(), FEATURES[:2], days
    )
    assert nobody == unanswered(FEATURES[:2], "Nobody was active on a time zero.")
    assert len(nobody) == 2 * len(TREATMENTS) * len(OUTCOMES)


def test_rates_of_false_discoveries_rise_with_chance() -> None:
    assert discovery_rates([]) == []
    rates = discovery_rates([0.1, 5.0, 2.1, 1.9])
    assert rates[1] < rates[2] <= rates[3] < rates[0] <= 1


@pytest.mark.parametrize("treatment", TREATMENTS)
@pytest.mark.parametrize("outcome", [node.name for node in OUTCOMES])
def test_the_largest_adjustment_is_the_one_that_dowhy_finds(treatment, outcome: str) -> None:
    graph = feature_graph(treatment, outcome)
    assert adjustment(graph) == identified(graph)
