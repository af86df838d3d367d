"""The texts about a training: a card with all headings, a report in plain JSON, and pictures of sensible size."""

import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from intelligence.risk.candidates import CANDIDATES, logistic_regression
from intelligence.risk.card import SHOWN, card, comparison, measured, report, standings, summary
from intelligence.risk.evaluation import Estimate
from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained

HEADINGS = (
    *("**Question.**", "**Model.**", "**Choice.**", "**Data.**", "**How it was judged.**"),
    *("**What moves it most.**", "**Meant for.**", "**Limits.**"),
)


def text_of(training: Training) -> str:
    return card(
        training,
        title="Feature risk",
        asks="What will break?",
        use="Looking earlier.",
        limits=("It foresees no meteorites.", "It knows no causes."),
        origin={"Snapshot of the lake": "41", "Newest day": "2026-05-01"},
    )


def test_the_card_has_every_heading_and_what_it_was_given(training: Training) -> None:
    text = text_of(training)
    assert text.startswith("# Feature risk\n")
    for part in (*HEADINGS, "What will break?", "- Snapshot of the lake: 41", "- It foresees no meteorites."):
        assert part in text
    assert f"{training.known_rows:,} rows" in text
    assert "an embargo of 3 days" in text
    assert "None" not in text
    assert "nan" not in text


def test_the_cards_table_has_one_column_per_candidate_and_floor_and_one_line_per_measure(training: Training) -> None:
    lines = [line for line in text_of(training).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(SHOWN) + 2
    assert lines[0].count("|") == 2 + len(CANDIDATES) + 2
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert set(lines[1]) == {"|", "-"}
    by_measure = {row["measure"]: row for row in measured(training)}
    assert list(by_measure["pr_auc"].values())[1] in "\n".join(lines)
    assert list(by_measure["brier"].values()).count("n/a") == 2


def test_the_card_says_better_only_where_the_interval_does(training: Training) -> None:
    unsure = replace(training, advantage={"xgboost": Estimate(0.01, -0.02, 0.04), "ewma": Estimate(0.2, 0.1, 0.3)})
    assert comparison(unsure) == [
        "It ranks no differently beyond chance: PR-AUC +0.010 against boosted trees (95 % interval -0.020 to +0.040).",
        "It ranks better: PR-AUC +0.200 against smoothed errors (floor) (95 % interval +0.100 to +0.300).",
    ]
    for sentence in comparison(unsure):
        assert sentence in text_of(unsure)
    assert summary(training, what="feature risk").endswith(".")


def strict(training: Training) -> dict[str, object]:
    return json.loads(json.dumps(report(training), allow_nan=False))


def test_each_candidate_and_floor_has_a_sentence_for_its_own_run(training: Training) -> None:
    words = standings(training)
    assert set(words) == {each.name for each in training.evaluations}
    assert words[training.model.kind].endswith(f"chosen. {training.selection.words}")
    sentences = comparison(training)
    for name in training.advantage:
        ending = words[name].split("the chosen one ")[1]
        assert f"It {ending}" in sentences, "as the card has it"


def test_the_report_is_plain_json_with_every_number(training: Training) -> None:
    found = strict(training)
    assert found["chosen"] == training.model.kind
    assert {each["name"] for each in found["judgements"]} == {*CANDIDATES, "noise", "weak"}
    assert found["rules"]["folds"] == 3


@pytest.fixture(scope="module")
def sparse(panel: pl.DataFrame) -> Training:
    """A training with floors that are often unknown, names like markup, and a fold in which nothing came true."""
    names = {"signal": "$signal_{x", "noise": "noise, $5"}
    quiet = (pl.col("time") >= 37) & (pl.col("time") < 42)
    rows = panel.rename(names).with_columns(
        label=pl.when(quiet & pl.col("label").is_not_null()).then(pl.lit(value=False)).otherwise("label"),
        floor=pl.when(pl.col("time") % 2 == 0).then("weak"),
        nothing=pl.lit(None, dtype=pl.Float64),
    )
    task = Task(
        unit="unit", time="time", label="label", predictors=tuple(names.values()), horizon=3,
        floors={"floor": "floor", "nothing": "nothing"},
    )  # fmt: skip
    return trained(rows, task, rules=Rules(folds=5, draws=10))


def test_folds_without_an_onset_and_unknown_floors_are_null_in_the_report(sparse: Training) -> None:
    found = strict(sparse)
    by_fold = [fold["pr_auc"] for each in found["judgements"] for fold in each["by_fold"]]
    assert None in by_fold
    nothing = sparse.of("nothing").measures
    assert nothing["roc_auc"].value == pytest.approx(0.5)
    assert nothing["lift"].value == pytest.approx(1.0)
    assert "nan" not in text_of(sparse)


def sizes(*pictures: bytes) -> list[tuple[int, int]]:
    found = []
    for content in pictures:
        assert content.startswith(b"\x89PNG")
        assert len(content) < 150_000
        found.append(Image.open(io.BytesIO(content)).size)
    return found


@pytest.mark.parametrize("which", ["training", "sparse"])
def test_pictures_are_readable_pngs(which: str, request: pytest.FixtureRequest, panel: pl.DataFrame) -> None:
    found = request.getfixturevalue(which)
    rows = panel if which == "training" else panel.rename({"signal": "$signal_{x", "noise": "noise, $5"})
    pictures = training_picture(found), contributions_picture(found.model, rows), folds_picture(found)
    for wide, high in sizes(*pictures):
        assert 600 < wide < 1_500
        assert 100 < high < 900


@pytest.mark.parametrize("count", [1, 2, 60])
def test_contributions_of_any_number_of_predictors_fit_a_page(count: int) -> None:
    rng = np.random.default_rng(count)
    names = tuple(f"predictor_{number}" for number in range(count))
    rows = pl.DataFrame({name: rng.normal(size=400) for name in names})
    model = logistic_regression(rows, rows[names[0]].to_numpy() > 0.5, names, {}, 1)
    ((wide, high),) = sizes(contributions_picture(model, rows))
    assert 100 < high < 700
    assert wide == 800
