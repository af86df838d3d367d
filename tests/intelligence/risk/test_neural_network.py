"""A neural network is one more candidate where it is asked for: trained by PyTorch, scored by numpy, and told of where it cannot be."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from intelligence.risk import candidates
from intelligence.risk.candidates import ALL_CANDIDATES, CANDIDATES, LEFT_OUT, asked_for, neural_network
from intelligence.risk.card import additions, card
from intelligence.risk.evaluation import Estimate
from intelligence.risk.model_specs import feature_spec
from intelligence.risk.network import Network
from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture
from intelligence.risk.settings import Risk
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained
from tests.networks import drawn_network, needs

NAMES = ("one", "other", "gappy")
ENDS = Task(unit="unit", time="time", label="label", predictors=NAMES, horizon=1, floors={"one": "one"})


def ends(units: int = 80, times: int = 20, seed: int = 4) -> pl.DataFrame:
    """Return a panel in which both ends of a sum are risky, which lines cannot tell and few trees can cut."""
    draw, rows = np.random.default_rng(seed), units * times
    values = draw.normal(size=(rows, 3))
    values[draw.random(rows) < 0.2, 2] = np.nan
    chance = 1 / (1 + np.exp(4 - 3 * np.abs(values[:, 0] + values[:, 1])))
    return pl.DataFrame(
        {
            "unit": np.tile(np.arange(units), times),
            "time": np.repeat(np.arange(times), units),
            **dict(zip(NAMES, values.T, strict=True)),
            "label": draw.random(rows) < chance,
        }
    )


def test_it_takes_part_only_where_it_is_asked_for_and_can_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_for(neural_network=False) == (tuple(CANDIDATES), "")
    monkeypatch.setattr(candidates, "find_spec", lambda name: name)
    assert asked_for(neural_network=True) == (tuple(ALL_CANDIDATES), "")
    spec = feature_spec(Risk()).with_candidates(neural_network=True)
    assert (spec.rules.candidates, spec.left_out) == (tuple(ALL_CANDIDATES), "")
    monkeypatch.setattr(candidates, "find_spec", lambda name: None)
    assert asked_for(neural_network=True) == (tuple(CANDIDATES), LEFT_OUT)
    assert asked_for(neural_network=False) == (tuple(CANDIDATES), "")
    spec = feature_spec(Risk()).with_candidates(neural_network=True)
    assert (spec.rules.candidates, spec.left_out) == (tuple(CANDIDATES), LEFT_OUT)
    assert "[deep]" in LEFT_OUT


def test_the_card_says_what_each_candidate_adds_over_the_strongest_floor(training: Training) -> None:
    said = additions(training)
    assert len(said) == len(CANDIDATES)
    assert all("against weak (floor)" in each for each in said)
    text = card(training, title="T", asks="?", use="", limits=(), origin={})
    assert "**What each adds** over the strongest floor:" in text
    assert all(f"- {each}" in text for each in said)
    for kind, added in training.added.items():
        difference = training.of(kind).measures["pr_auc"].value - training.of("weak").measures["pr_auc"].value
        assert added.value == pytest.approx(difference)
        assert added.low <= added.value <= added.high
    unsure = replace(training, added={"neural_network": Estimate(0.01, -0.02, 0.04)})
    assert additions(unsure) == [
        "Neural network ranks no differently beyond chance: PR-AUC +0.010 against weak (floor) (95 % interval -0.020 to +0.040)."
    ]
    without = replace(training, floor=None, added={})
    assert "What each adds" not in card(without, title="T", asks="?", use="", limits=(), origin={})


def test_a_gap_counts_as_one_only_where_there_were_gaps_in_training() -> None:
    network = drawn_network(NAMES, gaps=(2,)).network
    assert network
    known = np.array([[0.2, 0.2, 0.2]])
    # The median replaces a gap: of a predictor without gaps in training nothing else is seen.
    assert network.logits(np.array([[np.nan, 0.2, 0.2]])) == network.logits(known)
    assert network.logits(np.array([[0.2, 0.2, np.nan]])) != network.logits(known)


@pytest.mark.parametrize("seed", range(3))
def test_contributions_are_slopes_where_the_way_is_short_and_add_up_where_it_is_long(seed: int) -> None:
    network = drawn_network(NAMES, gaps=(), seed=seed).network
    assert network
    middle, base = np.full((1, 3), 0.5), network.logits(np.full((1, 3), 0.5))
    for column in range(3):
        near = middle.copy()
        near[0, column] += 1e-4
        found = network.contributions(near)[0]
        assert found[column] == pytest.approx(float((network.logits(near) - base)[0]), rel=1e-6)
        assert np.delete(found, column) == pytest.approx([0, 0], abs=1e-12)
    far = np.random.default_rng(seed).normal(size=(200, 3)) * 20
    assert network.contributions(far).sum(axis=1) == pytest.approx(network.logits(far) - base, abs=1e-5)


@pytest.fixture(scope="module")
def compared() -> Training:
    """A training with all candidates on a panel that asks for a network."""
    needs("torch", "deep")
    return trained(ends(), ENDS, rules=Rules(folds=2, draws=40, candidates=tuple(ALL_CANDIDATES)))


@pytest.mark.proof
def test_it_is_chosen_where_it_foretells_better_and_the_card_tells(compared: Training) -> None:
    assert compared.model.kind == "neural_network"
    assert compared.selection.by in ("ranking", "log loss")
    assert compared.added["neural_network"].low > compared.added["xgboost"].value > 0
    losses = {kind: compared.of(kind).measures["log_loss"].value for kind in ALL_CANDIDATES}
    assert losses["neural_network"] + 0.05 < min(losses[kind] for kind in CANDIDATES)
    text = card(compared, title="T", asks="?", use="", limits=(), origin={})
    assert "**Model.** Neural network on 3 predictors" in text
    assert "| neural network |" in text
    # What does not matter moves it least.
    assert list(compared.importance)[-1] == "gappy"
    assert {"neural_network", *CANDIDATES} <= set(compared.unseen.columns)
    rows = ends().head(300)
    for picture in (training_picture(compared), folds_picture(compared), contributions_picture(compared.model, rows)):
        assert picture.startswith(b"\x89PNG")


def test_the_same_rows_give_the_same_network_and_no_trace_in_pytorch() -> None:
    needs("torch", "deep")
    import torch

    rows = ends(40, 12)
    labels, threads = rows["label"].to_numpy(), torch.get_num_threads()
    state = torch.get_rng_state()
    one, other = (neural_network(rows, labels, NAMES, {}, 7) for _ in range(2))
    assert one.files() == other.files()
    assert neural_network(rows, labels, NAMES, {}, 8).files() != one.files()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_numpy_scores_as_pytorch_does() -> None:
    needs("torch", "deep")
    import torch

    rows = ends(40, 12)
    model = neural_network(rows, rows["label"].to_numpy(), NAMES, {}, 7)
    network = model.network
    assert isinstance(network, Network)
    assert network.gaps == (2,)
    layers = [torch.nn.Linear(*map(len, (layer.weights, layer.biases))) for layer in network.layers]
    for made, layer in zip(layers, network.layers, strict=True):
        made.weight.data = torch.tensor(layer.weights, dtype=torch.float64).T
        made.bias.data = torch.tensor(layer.biases, dtype=torch.float64)
    parts = [part for one, _ in pairwise(layers) for part in (one, torch.nn.Tanh())]
    values = rows.select(NAMES).to_numpy()
    with torch.no_grad():
        expected = torch.nn.Sequential(*parts, layers[-1])(torch.from_numpy(network.inputs(values)))[:, 0].numpy()
    assert np.abs(network.logits(values) - expected).max() < 1e-9


def test_rows_of_one_kind_at_the_end_are_no_obstacle() -> None:
    needs("torch", "deep")
    rows = ends(30, 10)
    labels = rows["label"].to_numpy().copy()
    labels[-100:] = False
    model = neural_network(rows, labels, NAMES, {}, 7)
    assert np.isfinite(model.logits(rows)).all()
