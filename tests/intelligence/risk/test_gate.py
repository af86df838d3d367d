"""Each decision of the gate on constructed data, and what may never be promoted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.risk.evaluation import Sample
from intelligence.risk.gate import Verdict, verdict
from intelligence.risk.training import Training

UNITS, TIMES = 150, 12


def logistic(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def world(seed: int = 1, *, units: int = UNITS) -> tuple[np.ndarray, Sample]:
    """Return perfectly calibrated logits and the rows that they belong to."""
    rng = np.random.default_rng(seed)
    logits = 1.7 * rng.normal(size=units * TIMES) - 2.5
    labels = rng.random(len(logits)) < logistic(logits)
    return logits, Sample(np.tile(np.arange(units), TIMES), np.repeat(np.arange(TIMES), units), labels)


def noisy(logits: np.ndarray, noise: float, seed: int = 5) -> np.ndarray:
    """Return worse logits, mixed with noise and shrunk so that they stay roughly calibrated."""
    mixed = logits + noise * np.random.default_rng(seed).normal(size=len(logits))
    slope = 1.7**2 / (1.7**2 + noise**2)
    return -2.5 + slope * (mixed + 2.5)


def verdict_on(challenger: np.ndarray, champion: np.ndarray | None, sample: Sample, **floors: np.ndarray) -> Verdict:
    return verdict(challenger, floors, sample, champion=champion, capacity=0.05, threshold=0.3)


def test_a_challenger_that_ranks_better_is_promoted_with_its_numbers() -> None:
    logits, sample = world()
    found = verdict_on(logistic(logits), logistic(noisy(logits, 1.5)), sample)
    assert found.decision == "promote"
    assert found.against == "champion"
    assert found.advantage.low > 0
    assert found.advantage.value == pytest.approx(found.challenger["pr_auc"].value - found.rival["pr_auc"].value)
    assert (found.rows, found.onsets) == (UNITS * TIMES, sample.labels.sum())
    assert f"{found.advantage.value:+.3f} against champion" in found.reason


def test_a_challenger_that_ranks_worse_is_rejected() -> None:
    logits, sample = world()
    found = verdict_on(logistic(noisy(logits, 2.5)), logistic(logits), sample)
    assert found.decision == "reject"
    assert "ranks worse" in found.reason


def test_a_challenger_that_is_neither_is_held() -> None:
    logits, sample = world(units=40)
    found = verdict_on(logistic(noisy(logits, 0.8, 1)), logistic(noisy(logits, 0.8, 2)), sample)
    assert found.decision == "hold"


@pytest.mark.parametrize("spoil", [lambda chance: np.minimum(4 * chance, 1), lambda chance: chance / 5])
def test_a_better_ranking_with_spoiled_probabilities_is_rejected(spoil: object) -> None:
    logits, sample = world()
    found = verdict_on(spoil(logistic(logits)), logistic(noisy(logits, 1.5)), sample)
    assert found.decision == "reject"
    assert "calibration error" in found.reason


def test_a_spoiled_champion_does_not_hold_up_its_successor() -> None:
    logits, sample = world()
    champion = np.minimum(4 * logistic(noisy(logits, 1.5)), 1)
    assert verdict_on(logistic(logits), champion, sample).decision == "promote"


def test_a_first_model_must_rank_above_the_strongest_floor() -> None:
    logits, sample = world()
    weak = noisy(logits, 3.0)
    found = verdict_on(logistic(logits), None, sample, weak=weak, useless=np.zeros(len(weak)))
    assert (found.decision, found.against) == ("promote", "weak")
    assert "calibration_error" not in found.rival
    below = verdict_on(logistic(noisy(logits, 3.0)), None, sample, strong=logits)
    assert below.decision == "reject"


def test_a_first_model_whose_lead_may_be_chance_waits_for_more_evidence() -> None:
    logits, sample = world(units=40)
    found = verdict_on(logistic(noisy(logits, 0.8, 1)), None, sample, close=noisy(logits, 0.8, 2))
    assert found.advantage.value > 0
    assert found.advantage.low < -0.02
    assert found.decision == "not_enough_evidence"
    assert "may be chance" in found.reason
    assert found.challenger["pr_auc"].value


def test_a_challenger_above_the_champion_but_not_above_a_floor_is_held() -> None:
    logits, sample = world()
    challenger, champion = logistic(noisy(logits, 1.0)), logistic(noisy(logits, 3.0))
    assert verdict_on(challenger, champion, sample, weak=noisy(logits, 2.0)).decision == "promote"
    found = verdict_on(challenger, champion, sample, weak=noisy(logits, 2.0), strong=logits)
    assert (found.decision, found.against) == ("hold", "champion")
    assert "not above every floor: PR-AUC -" in found.reason
    assert "against strong" in found.reason


def test_a_floor_that_says_the_same_is_not_beaten() -> None:
    logits, sample = world()
    found = verdict_on(logistic(logits), None, sample, same=logits)
    assert found.decision == "hold"
    assert "says the same as same" in found.reason


def test_without_floors_chance_must_be_beaten() -> None:
    logits, sample = world()
    assert verdict_on(logistic(logits), None, sample).decision == "promote"
    constant = np.full(len(logits), sample.labels.mean())
    assert verdict_on(constant, None, sample).decision == "hold"


def test_a_model_that_is_worse_at_capacity_is_rejected_although_its_whole_ranking_is_better() -> None:
    logits, sample = world()
    truth = logistic(logits)
    champion = np.full(len(truth), 0.05)
    top = np.argsort(-truth)[: len(truth) // 12]
    champion[top] = truth[top]
    challenger = truth.copy()
    challenger[top[: len(top) // 2]] = 0.12
    found = verdict_on(challenger, champion, sample)
    assert found.precision_change.value < 0
    assert found.decision == "reject"


@pytest.mark.parametrize("units", [0, 1, 4])
def test_onsets_of_few_units_are_not_enough_evidence(units: int) -> None:
    logits, sample = world()
    few = Sample(sample.units, sample.times, sample.units < units)
    found = verdict_on(logistic(logits), logistic(logits), few)
    assert found.decision == "not_enough_evidence"
    assert found.reason.startswith(f"{units} units had an onset")
    assert (found.rows, found.against, found.advantage.value) == (UNITS * TIMES, "the champion", None)


def test_outcomes_of_one_kind_are_not_enough_evidence() -> None:
    logits, sample = world()
    every = Sample(sample.units, sample.times, np.ones(len(logits), dtype=bool))
    assert verdict_on(logistic(logits), logistic(logits), every).decision == "not_enough_evidence"


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 30), spoil=st.floats(0.3, 3))
def test_scores_that_are_the_champions_own_are_never_promoted(seed: int, levels: int, spoil: float) -> None:
    logits, sample = world(seed, units=30)
    chance = np.minimum(np.round(spoil * logistic(logits) * levels) / levels, 1)
    found = verdict_on(chance, chance.copy(), sample)
    assert found.decision in ("hold", "not_enough_evidence")
    assert verdict_on(chance, None, sample, same=chance.copy()).decision != "promote"


def test_the_same_question_has_the_same_verdict() -> None:
    logits, sample = world()
    terms = (logistic(logits), logistic(noisy(logits, 0.5)), sample)
    assert verdict_on(*terms) == verdict_on(*terms)


def test_a_challenger_that_is_clearly_worse_calibrated_than_the_champion_may_not_use_up_what_is_allowed() -> None:
    logits, sample = world(units=1_500)
    challenger, champion = logistic(logits + 0.25), logistic(noisy(logits, 1.0))
    found = verdict_on(challenger, champion, sample)
    error = found.challenger["calibration_error"].value
    assert error is not None
    assert error < 0.03
    assert found.decision == "reject"
    assert "calibration error" in found.reason
    assert verdict_on(challenger, None, sample, floor=logits * 0).decision == "promote"


def test_a_first_model_is_evaluated_by_the_interval_of_its_card(training: Training) -> None:
    unseen = training.unseen
    codes = unseen["unit"].rank("dense").to_numpy().astype(np.int64) - 1
    sample = Sample(codes, unseen["time"].to_numpy(), unseen["label"].to_numpy())
    floors = {name: unseen[name].to_numpy() for name in training.task.floors}
    rules = training.rules
    found = verdict(
        unseen[training.model.kind].to_numpy(), floors, sample, champion=None,
        capacity=rules.capacity, threshold=rules.threshold, draws=rules.draws, seed=rules.seed,
    )  # fmt: skip
    assert found.advantage == training.advantage[found.against]
