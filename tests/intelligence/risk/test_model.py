"""Models: files that round-trip, errors that name the cause, contributions that add up, and monotone directions."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ModelError
from intelligence.risk.candidates import ALL_CANDIDATES, CANDIDATES
from intelligence.risk.model import BOOSTER_FILE, MODEL_FILE, Platt, RiskModel, model_from
from intelligence.risk.training import Training
from tests.networks import drawn_network

PREDICTORS = ("signal", "noise", "gappy")
DIRECTIONS = {"signal": 1, "noise": -1}


def fitted(kind: str, panel: pl.DataFrame) -> RiskModel:
    if kind == "neural_network":
        return drawn_network(PREDICTORS, Platt(0.9, -0.1, ((0.8, -0.2), (1.1, 0.05))), gaps=(2,))
    rows = panel.drop_nulls("label").head(1_500)
    model = CANDIDATES[kind](rows, rows["label"].to_numpy(), PREDICTORS, DIRECTIONS, 7)
    return replace(model, calibration=Platt(0.9, -0.1, ((0.8, -0.2), (1.1, 0.05))))


@pytest.fixture(scope="module", params=list(ALL_CANDIDATES))
def model(request: pytest.FixtureRequest, panel: pl.DataFrame) -> RiskModel:
    return fitted(request.param, panel)


@pytest.fixture(scope="module")
def trees(panel: pl.DataFrame) -> RiskModel:
    return fitted("xgboost", panel)


def test_a_model_comes_back_from_its_files_bit_for_bit(model: RiskModel, panel: pl.DataFrame) -> None:
    files = model.files()
    read = model_from(files, origin="feature_risk version 3")
    assert read == model
    assert read.files() == files
    rows = panel.head(300)
    assert read.probabilities(rows).tobytes() == model.probabilities(rows).tobytes()
    assert read.contributions(rows).tobytes() == model.contributions(rows).tobytes()


def test_files_hold_plain_numbers_and_no_pickle(model: RiskModel) -> None:
    assert set(model.files()) <= {MODEL_FILE, BOOSTER_FILE}
    json.loads(model.files()[MODEL_FILE], parse_constant=pytest.fail)


def test_columns_are_found_by_name_in_whatever_order(model: RiskModel, panel: pl.DataFrame) -> None:
    rows = panel.head(200)
    turned = rows.select(reversed(rows.columns))
    assert model.probabilities(turned).tobytes() == model.probabilities(rows).tobytes()


def test_a_row_alone_is_scored_as_among_others(model: RiskModel, panel: pl.DataFrame) -> None:
    together = model.probabilities(panel.head(50))
    alone = np.array([model.probabilities(panel.slice(number, 1))[0] for number in range(50)])
    assert alone == pytest.approx(together, abs=1e-12)


def test_a_missing_predictor_is_named_with_the_next_step(model: RiskModel, panel: pl.DataFrame) -> None:
    for ask in (model.logits, model.probabilities, model.contributions):
        with pytest.raises(ModelError, match="trained on noise, which the rows do not have") as refusal:
            ask(panel.drop("noise"))
        assert "Train again" in refusal.value.hint


def test_contributions_and_one_bias_add_up_to_the_logits(model: RiskModel, panel: pl.DataFrame) -> None:
    rows = panel.head(400)
    bias = model.logits(rows) - model.contributions(rows).sum(axis=1)
    assert bias == pytest.approx(bias[0], abs=2e-5)
    if model.linear:
        assert bias[0] == pytest.approx(model.linear.intercept)


def test_no_rows_have_no_scores(model: RiskModel, panel: pl.DataFrame) -> None:
    assert model.probabilities(panel.head(0)).shape == (0,)
    assert model.contributions(panel.head(0)).shape == (0, 3)


def test_infinity_is_scored_like_a_gap(model: RiskModel, panel: pl.DataFrame) -> None:
    rows = panel.head(4).with_columns(signal=pl.Series([np.inf, -np.inf, 1e200, np.nan]))
    gaps = rows.with_columns(signal=pl.lit(None, dtype=pl.Float64))
    assert np.isfinite(model.logits(rows)).all()
    assert model.logits(rows).tobytes() == model.logits(gaps).tobytes()


@pytest.mark.parametrize("kind", ["xgboost", "random_forest"])
def test_directions_hold_wherever_the_other_predictors_are(kind: str, panel: pl.DataFrame) -> None:
    model = fitted(kind, panel)
    sweep = np.linspace(-6, 6, 80)
    for others in panel.sample(12, seed=1).iter_rows(named=True):
        for name, sign in DIRECTIONS.items():
            rows = pl.DataFrame({column: [others[column]] * len(sweep) for column in PREDICTORS})
            chance = model.probabilities(rows.with_columns(pl.Series(name, sweep)))
            assert (sign * np.diff(chance) >= -1e-9).all()


def changed(**parts: object) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {**files, MODEL_FILE: json.dumps({**json.loads(files[MODEL_FILE]), **parts}).encode()}


BROKEN = {
    "no files": lambda files: {},
    "no model.json": lambda files: {BOOSTER_FILE: files[BOOSTER_FILE]},
    "no booster": lambda files: {MODEL_FILE: files[MODEL_FILE]},
    "an empty booster": lambda files: {**files, BOOSTER_FILE: b""},
    "a booster cut short": lambda files: {**files, BOOSTER_FILE: files[BOOSTER_FILE][:-50]},
    "a booster with one byte changed": lambda files: {
        **files,
        BOOSTER_FILE: files[BOOSTER_FILE][:5_000] + b"\x07" + files[BOOSTER_FILE][5_001:],
    },
    "a cut model.json": lambda files: {**files, MODEL_FILE: files[MODEL_FILE][:100]},
    "not even text": lambda files: {**files, MODEL_FILE: b"\xff\xfe\x00"},
    "a list": lambda files: {**files, MODEL_FILE: b"[]"},
    "an empty object": lambda files: {**files, MODEL_FILE: b"{}"},
    "another format": changed(format=2),
    "an unknown kind": changed(kind="oracle"),
    "other predictors": changed(predictors=["signal", "noise", "other"]),
    "fewer predictors": changed(predictors=["signal"]),
    "a calibration without a slope": changed(calibration={"intercept": 0.0, "draws": []}),
    "a calibration that is not finite": changed(calibration={"slope": float("nan"), "intercept": 0.0, "draws": []}),
    "draws that are no pairs": changed(calibration={"slope": 1.0, "intercept": 0.0, "draws": [1.0]}),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_files_are_refused_with_their_origin_and_the_next_step(how: str, trees: RiskModel) -> None:
    with pytest.raises(
        ModelError, match=r"^feature_risk version 3: its files cannot be read as a model: .+"
    ) as refusal:
        model_from(BROKEN[how](trees.files()), origin="feature_risk version 3")
    assert "intelligence models" in refusal.value.hint


def test_a_file_that_is_missing_is_named(trees: RiskModel) -> None:
    with pytest.raises(ModelError, match=r"'booster\.ubj' is missing"):
        model_from({MODEL_FILE: trees.files()[MODEL_FILE]}, origin="x")


@pytest.mark.parametrize("part", ["weights", "medians", "scales"])
def test_a_linear_model_with_parts_of_other_lengths_is_refused(part: str, panel: pl.DataFrame) -> None:
    files = fitted("logistic_regression", panel).files()
    linear = json.loads(files[MODEL_FILE])["linear"]
    with pytest.raises(ModelError, match="3 predictors, but its parts are of other lengths"):
        model_from(changed(linear={**linear, part: linear[part][:-1]})(files), origin="x")


@pytest.mark.parametrize(
    ("part", "value", "problem"),
    [
        ("medians", [0.2, 0.2], "3 predictors, but its parts are of other lengths"),
        ("gaps", [3], "it asks whether predictors are missing that it does not have"),
        ("gaps", [], "its layers do not fit one another"),
        ("layers", [], "its layers do not fit one another"),
        ("scales", [1.0, float("nan"), 1.0], "one of its weights is not finite"),
    ],
)
def test_a_network_whose_parts_do_not_fit_is_refused(
    part: str, value: object, problem: str, panel: pl.DataFrame
) -> None:
    files = fitted("neural_network", panel).files()
    network = json.loads(files[MODEL_FILE])["network"]
    with pytest.raises(ModelError, match=problem):
        model_from(changed(network={**network, part: value})(files), origin="x")


def test_layers_of_a_network_with_weights_of_other_shapes_are_refused(panel: pl.DataFrame) -> None:
    files = fitted("neural_network", panel).files()
    network = json.loads(files[MODEL_FILE])["network"]
    for layer in (
        {"weights": network["layers"][0]["weights"][:-1], "biases": network["layers"][0]["biases"]},
        {"weights": network["layers"][0]["weights"], "biases": [0.0]},
        {"weights": [[1.0], [2.0, 3.0]], "biases": [0.0]},
    ):
        with pytest.raises(ModelError, match="its files cannot be read as a model"):
            model_from(changed(network={**network, "layers": [layer, *network["layers"][1:]]})(files), origin="x")


def test_other_kinds_have_the_files_that_they_always_had(panel: pl.DataFrame) -> None:
    # Another file would be another model: a training on the same data would register it again.
    for kind in CANDIDATES:
        content = json.loads(fitted(kind, panel).files()[MODEL_FILE])
        assert set(content) == {"format", "kind", "predictors", "calibration", "linear", "booster_sha256"}


def test_the_chosen_model_is_calibrated_with_draws(training: Training) -> None:
    assert len(training.model.calibration.draws) == training.rules.draws
    assert training.model.calibration.slope > 0
