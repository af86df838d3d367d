"""What people read of the risk models at a terminal."""

import io
from datetime import UTC, date, datetime, timedelta

import polars as pl
from rich.console import Console

from intelligence.catalog.summary import RiskSummary
from intelligence.core.truths import PlantedTruth
from intelligence.interfaces.cli.models import models_parts
from intelligence.interfaces.cli.risk import backtest_parts, risk_parts
from intelligence.risk.backtest import BacktestLine, CaughtDecay
from intelligence.risk.versions import Move, VersionRow

DAY = date(2026, 8, 1)
TOP = pl.DataFrame(
    {
        "event_date": [DAY],
        "feature": ["<b>quiz[red]</b>"],
        "risk_score": [0.42],
        "risk_low": [0.2],
        "risk_high": [0.6],
        "risk_bucket": ["high"],
        "impact_score": [120.4],
        "model_version": [3],
        "why": ["errors today at 1.1x what is promised"],
    }
)
LEAVING = pl.DataFrame({"bucket": ["high"], "users": [1207], "mean_score": [0.847], "reason": [None]})
LINES = (
    BacktestLine("xgboost", True, 0.62, 0.8, 5.1, 4.6),
    BacktestLine("logistic_regression", False, 0.5, None, None, 4.8),
    BacktestLine("random", False, 0.01, 0.3, 3.9, 5.9),
)


def printed(*parts: object) -> str:
    console = Console(file=io.StringIO(), width=140)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def risk(**changed: object) -> RiskSummary:
    known = {
        "day": DAY, "top": TOP, "leaving": LEAVING, "verdict": None, "backtest": LINES, "decays": (), "judged_days": (DAY, DAY),
    }  # fmt: skip
    return RiskSummary(**{**known, **changed})


def test_the_riskiest_features_are_told_with_interval_impact_and_reason() -> None:
    text = printed(*risk_parts(risk()))
    assert "Most likely to degrade after 2026-08-01, by version 3 of the risk model" in text
    assert "<b>quiz[red]</b>" in text
    assert "42.0%  20.0% to 60.0%" in text
    assert "errors today at 1.1x what is promised" in text
    assert "1,207" in text


def test_what_the_model_was_chosen_by_is_told_as_the_training_told_it() -> None:
    words = "Boosted trees chosen by log loss on unseen time (log loss 0.100, calibration error 0.010): nothing else is near."
    assert words in " ".join(printed(*backtest_parts(risk(choice=words))).split())
    assert "chosen" not in printed(*backtest_parts(risk()))


def test_what_rests_on_a_capacity_that_is_not_given_is_left_empty() -> None:
    bare = BacktestLine("xgboost", True, 0.6, None, None, None)
    assert "0.600" in printed(*backtest_parts(risk(backtest=(bare,))))


def test_without_scores_the_verdict_says_why() -> None:
    text = printed(
        *risk_parts(risk(top=TOP.clear(), leaving=LEAVING.clear(), verdict="reject: it ranks worse", backtest=()))
    )
    assert text.strip() == "No feature is scored for what comes next: reject: it ranks worse"


def test_decays_flagged_in_time_are_counted() -> None:
    truth = PlantedTruth("slow_decay", "quiz", DAY, DAY, DAY - timedelta(days=9), "decays", 2.0)
    decays = (CaughtDecay(truth, DAY - timedelta(days=6), 1), CaughtDecay(truth, None, 9), CaughtDecay(truth, DAY, 2))
    text = printed(*backtest_parts(risk(decays=decays)))
    assert "1 of 3 were flagged before the breach, 6.0 days ahead on average." in text
    assert "never" in text


def test_versions_and_the_history_of_champions_are_listed_the_latest_first() -> None:
    at = datetime(2026, 8, 1, 3, tzinfo=UTC)
    row = VersionRow("2", ("champion",), at, "xgboost", {"pr_auc": 0.61}, "2026-07-25", "not_enough_evidence", "run")
    moves = [
        Move(1, at, "feature_risk", None, "1", "the gate", "no model was trained yet", "It ranks better."),
        Move(
            *(2, at + timedelta(hours=1), "feature_risk", "1", "2", "ada", "promoted by hand", "clearer [reasons]"),
            overruled="not_enough_evidence",
        ),
    ]
    text = printed(*models_parts("feature_risk", [row], moves))
    assert "boosted trees" in text
    assert "0.610" in text
    assert "not enough evidence" in text
    assert text.index("ada") < text.index("the gate")
    assert "clearer [reasons]" in text
    assert "against the verdict not enough evidence" in " ".join(text.replace("│", " ").split())


def test_a_model_without_versions_says_so() -> None:
    assert printed(*models_parts("user_churn", [], [])).strip() == "user_churn: no version yet."
