"""Edges of little data: every pure step on tiny, constant and empty frames gives an answer or says that evidence is lacking."""

from datetime import date, timedelta
from itertools import product as every

import numpy as np
import polars as pl
import pytest

from intelligence.actions.outcomes import outcome
from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.plots import health_picture, kpi_picture
from intelligence.drift.baseline import OUTCOME, Window, baseline, training_window
from intelligence.drift.page_head import assessed_columns, plain_page
from intelligence.drift.pages import clipped_columns, page_without_evidence, shown_predictors
from intelligence.drift.pictures import watch_picture
from intelligence.drift.verdict import LEAST_ROWS
from intelligence.drift.watch import day_drift, day_watch, run_report, watched
from intelligence.metrics.spread import OBJECTIVES, spread_columns
from intelligence.risk.backtest import backtest, caught_decays
from intelligence.risk.candidates import CANDIDATES
from intelligence.risk.card import card, report
from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture
from intelligence.risk.predictors import Predictor
from intelligence.risk.scores import scored, with_impact
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained, what_is_missing
from tests.intelligence.drift.test_page_head import head

FIRST = date(2026, 3, 2)
PREDICTORS = ("x0", "x1")
MODEL_ROWS = 60
KINDS = ("varied", "constant", "gone", "half gone", "two values")


def days(count: int) -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(count)]


def panel(units: int, count: int, *, kind: str = "varied", positives: str = "some") -> pl.DataFrame:
    """Return a panel of so many units and days, whose predictors and labels are as told."""
    rng = np.random.default_rng(units * 1000 + count)
    rows = units * count
    values = {
        "varied": rng.normal(size=rows),
        "constant": np.ones(rows),
        "gone": np.full(rows, np.nan),
        "half gone": np.where(rng.random(rows) < 0.5, np.nan, rng.normal(size=rows)),
        "two values": rng.integers(0, 2, size=rows).astype(float),
    }[kind]
    other = rng.normal(size=rows) if kind == "varied" else values
    label = {
        "some": rng.random(rows) < 0.3,
        "none": np.zeros(rows, dtype=bool),
        "all": np.ones(rows, dtype=bool),
        "one": np.arange(rows) == rows // 2,
    }[positives]
    return pl.DataFrame(
        {
            "event_date": [day for day in days(count) for _ in range(units)],
            "feature": [f"f{number}" for _ in range(count) for number in range(units)],
            "x0": values,
            "x1": other,
            "users_7d": 5.0,
            "label": label,
        },
        schema_overrides={
            "event_date": pl.Date,
            "feature": pl.String,
            "x0": pl.Float64,
            "x1": pl.Float64,
            "label": pl.Boolean,
        },
    )


TASK = Task(
    unit="feature",
    time="event_date",
    label="label",
    predictors=PREDICTORS,
    horizon=2,
    floors={"ewma": "x0", "persistence": "x1"},
)
SMALL_RULES = Rules(folds=2, draws=5)


@pytest.mark.parametrize("positives", ["some", "none", "all", "one"])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 29])
@pytest.mark.parametrize("units", [1, 3, 8, 12])
def test_a_training_is_made_or_says_what_is_missing(units: int, count: int, positives: str) -> None:
    rows = panel(units, count, positives=positives)
    missing = what_is_missing(rows, TASK, rules=SMALL_RULES)
    if missing:
        with pytest.raises(NotEnoughEvidence):
            trained(rows, TASK, rules=SMALL_RULES)
        return
    assert positives == "some"
    assert units * count >= MODEL_ROWS


@pytest.mark.parametrize("kind", KINDS[1:])
def test_predictors_that_say_nothing_make_no_model_or_one_that_can_be_told(kind: str) -> None:
    rows = panel(8, 29, kind=kind)
    if kind in ("constant", "gone"):
        with pytest.raises(NotEnoughEvidence):
            trained(rows, TASK, rules=SMALL_RULES)
        return
    text = card(
        trained(rows, TASK, rules=SMALL_RULES), title="Risk", asks="Will it?", use="Looking.", limits=(), origin={}
    )
    assert "nan" not in text


def test_a_training_of_little_data_is_told_with_its_pictures(training: Training) -> None:
    text = card(training, title="Risk", asks="Will it?", use="Looking.", limits=(), origin={})
    assert "nan" not in text
    assert report(training)["chosen"] in CANDIDATES
    rows = training.unseen.rename({"label": "came_true"}).head(3).with_columns(x0=0.0, x1=1.0)
    for picture in (training_picture(training), folds_picture(training), contributions_picture(training.model, rows)):
        assert picture.startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def training() -> Training:
    return trained(panel(8, 29), TASK, rules=SMALL_RULES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("units", "count"), [(0, 0), (1, 1), (3, 1), (1, 7), (12, 7)])
def test_any_rows_are_scored(training: Training, kind: str, units: int, count: int) -> None:
    rows = panel(units, count, kind=kind)
    words = [Predictor(name, f"{name} {{:.1f}}") for name in PREDICTORS]
    found = with_impact(scored(rows, training.model, words, name="risk", medium=0.1, high=0.3), users="users_7d")
    assert found.height == units * count
    assert found["risk_score"].is_between(0, 1).all()


@pytest.mark.parametrize("first_days", [1, 7, 27, 28, 29, 75])
def test_a_training_window_is_long_enough_or_refused(first_days: int) -> None:
    last = FIRST + timedelta(days=first_days - 1)
    if first_days < 28:
        with pytest.raises(NotEnoughEvidence):
            training_window(FIRST, last)
    else:
        assert training_window(FIRST, last).day_count >= 28


WATCHES = [
    *every((1, 3, 8, 12), KINDS, ("some",), (0, 7)),
    *every((8, 12), ("varied", "half gone"), ("none", "all"), (1, 7)),
]


@pytest.mark.parametrize(("units", "kind", "positives", "lived"), WATCHES)
def test_a_day_of_a_small_product_is_watched_or_says_that_evidence_is_lacking(
    training: Training, units: int, kind: str, positives: str, lived: int
) -> None:
    past = panel(units, 28, kind=kind, positives=positives)
    window = Window(FIRST, FIRST + timedelta(days=27))
    found = baseline(past, training.model, unit="feature", window=window, false_alarms_per_week=0.01, smallest=0.1)
    day = FIRST + timedelta(days=27 + lived)
    rows = panel(units, 28 + lived, kind=kind, positives=positives)
    windows = watched(rows, training.model, day, horizon_days=2, trained_through=window.last - timedelta(days=4))
    drift = day_drift(windows, found, unit="feature", acted_on=["f0"])
    watch = day_watch(windows, drift, found, [], unit="feature", capacity=0.05, threshold=0.3, matters_from=0.03)
    assert watch["state"] in ("steady", "moved", "suspended", "unknown")
    assert run_report(watch, drift, found)["data_drift"]
    shown = shown_predictors(drift)
    told = head(state=watch["state"], reason=watch["reason"], judged=assessed_columns(drift, shown))
    assert plain_page(told, "").count("within chance") + plain_page(told, "").count("<td>moved</td>") == len(shown)
    if not shown:
        assert set(watch["moved"]) <= {OUTCOME}
        assert "<p" in page_without_evidence(told)
    ranges = {row["predictor"]: (row["grid"][0], row["grid"][-1]) for row in found.iter_rows(named=True) if row["grid"]}
    assert clipped_columns(windows.now, {name: ranges[name] for name in shown}).columns == shown
    if units * 7 < LEAST_ROWS:
        assert watch["state"] == "unknown"


def test_a_day_without_any_row_is_watched_as_unknown(training: Training) -> None:
    past = panel(3, 28)
    found = baseline(
        past,
        training.model,
        unit="feature",
        window=Window(FIRST, days(28)[-1]),
        false_alarms_per_week=0.01,
        smallest=0.1,
    )
    windows = watched(past.clear(), training.model, days(40)[-1], horizon_days=2, trained_through=FIRST)
    drift = day_drift(windows, found, unit="feature")
    assert shown_predictors(drift) == []
    watch = day_watch(windows, drift, found, [], unit="feature", capacity=0.05, threshold=0.3, matters_from=0.03)
    assert watch["state"] == "unknown"
    picture = pl.DataFrame([{"pr_auc": None, **watch, "model": "feature_risk"}])
    assert watch_picture(picture).startswith(b"\x89PNG")
    assert watch_picture(picture.clear()).startswith(b"\x89PNG")


@pytest.mark.parametrize(("units", "count"), [(1, 1), (1, 7), (3, 7), (8, 29)])
@pytest.mark.parametrize("positives", ["some", "none", "all"])
def test_a_backtest_of_any_size_is_told(units: int, count: int, positives: str) -> None:
    rows = panel(units, count, positives=positives)
    unseen = rows.select("event_date", "feature", "label").with_columns(
        *(pl.lit(0.1).alias(name) for name in (*CANDIDATES, "ewma", "persistence")), chosen=pl.lit("xgboost"), score=pl.lit(0.1),
        is_flagged=pl.lit(None, dtype=pl.Boolean),
    )  # fmt: skip
    assert len(backtest(unseen, unit="feature", capacity=0.05)) == 6
    assert caught_decays(unseen, []) == []


@pytest.mark.parametrize(("units", "count"), [(1, 1), (1, 14), (3, 14), (12, 1), (12, 14)])
def test_what_an_action_achieved_is_told_or_not_known(units: int, count: int) -> None:
    rows = panel(units, count).select("event_date", "feature").with_columns(
        **dict.fromkeys(("failed_events", "crashed_events", "slow_events", "bad_ratings"), 0),
        **dict.fromkeys(("usage_count", "timed_events", "ratings"), 100), users=10,
        **dict.fromkeys((name for each in OBJECTIVES for name in spread_columns(each) if name.endswith("_sum")), 0.0),
        **dict.fromkeys((name for each in OBJECTIVES for name in spread_columns(each) if name.endswith("_users")), 10),
    )  # fmt: skip
    for objective in ("errors", "latency", None):
        found = outcome(rows, feature="f0", day=days(count)[count // 2], objective=objective, acted_on=["f0"])
        assert found.verdict in ("no difference shown", "not enough evidence")
        assert found.reason


@pytest.mark.parametrize("count", [0, 1, 7])
def test_pictures_of_few_days_and_of_none_are_drawn(count: int) -> None:
    names = ("mau", "wau", "dau", "stickiness", "conversion_rate")
    kpis = panel(1, count).select("event_date", segment=pl.lit("all")).with_columns(
        pl.lit(None, dtype=pl.Float64).alias(name) for name in names
    )  # fmt: skip
    assert kpi_picture(kpis).startswith(b"\x89PNG")
    health = panel(1, count).select("event_date", "feature", state=pl.lit("unknown"), excess_bad_events=0.0)
    assert health_picture(health).startswith(b"\x89PNG")
