"""The risk models at a terminal: their forecasts, and how well they did in the evaluation."""

from collections.abc import Iterator
from typing import Final

import polars as pl
from rich.console import Group, RenderableType
from rich.text import Text

from intelligence.catalog.summary import RiskSummary
from intelligence.interfaces.cli.table import add, table

BUCKET_STYLES: Final = {"high": "red", "medium": "yellow", "low": "green"}


def risk_parts(risk: RiskSummary) -> Iterator[RenderableType]:
    """Yield the forecasts of the models."""
    if risk.verdict:
        yield Text(f"No feature is scored for what comes next: {risk.verdict}", "yellow")
    else:
        yield top_table(risk)
    if risk.leaving.height:
        yield leaving_table(risk.leaving)


def backtest_parts(risk: RiskSummary) -> Iterator[RenderableType]:
    """Yield the out-of-time evaluation of the model."""
    if risk.backtest:
        yield backtest_table(risk)
    if risk.decays:
        yield decays_table(risk)


def top_table(risk: RiskSummary) -> RenderableType:
    """Return the features most likely to degrade."""
    shown = table(
        f"Most likely to degrade after {risk.day}, by version {risk.top['model_version'][0]} of the risk model",
        *("feature", "risk", "interval", "users a day", "why"),
        numbers=("risk", "users a day"),
        texts=("why",),
    )
    for row in risk.top.iter_rows(named=True):
        score = Text(f"{row['risk_score']:.1%}", BUCKET_STYLES[row["risk_bucket"]])
        interval = f"{row['risk_low']:.1%} to {row['risk_high']:.1%}"
        add(shown, row["feature"], score, interval, f"{row['impact_score']:.0f}", row["why"])
    return shown


def leaving_table(leaving: pl.DataFrame) -> RenderableType:
    """Return the number of users by risk of leaving, from columns bucket, users, mean_score and reason."""
    shown = table(
        "Users about to leave",
        *("risk", "users", "on average", "commonest reason"),
        numbers=("users", "on average"),
        texts=("commonest reason",),
    )
    for row in leaving.iter_rows(named=True):
        bucket = Text(row["bucket"], BUCKET_STYLES[row["bucket"]])
        add(shown, bucket, f"{row['users']:,}", f"{row['mean_score']:.0%}", row["reason"] or "")
    return shown


def backtest_table(risk: RiskSummary) -> RenderableType:
    """Return the out-of-time measures of the model, the other candidate models and the baselines, and how it was chosen."""
    from intelligence.risk.wording import NAMES

    first, last = risk.judged_days or (None, None)
    shown = table(
        f"On unseen time, {first} to {last}, looking at the same share of features each day",
        *("ranking", "PR-AUC", "onsets caught", "days ahead", "false alarms a day"),
        numbers=("PR-AUC", "onsets caught", "days ahead", "false alarms a day"),
    )
    for line in risk.backtest:
        name = Text(NAMES[line.name], "bold" if line.is_chosen else "")
        caught = "" if line.recall is None else f"{line.recall:.0%}"
        lead = "" if line.lead_days is None else f"{line.lead_days:.1f}"
        false_alarms = "" if line.false_alarms_a_day is None else f"{line.false_alarms_a_day:.1f}"
        add(shown, name, f"{line.pr_auc:.3f}", caught, lead, false_alarms)
    return Group(shown, Text(risk.choice, "bold")) if risk.choice else shown


def decays_table(risk: RiskSummary) -> RenderableType:
    """Return the planted slow decays in the evaluation period with the day on which the model flagged each."""
    shown = table(
        "Planted slow decays on unseen time",
        *("feature", "breach on", "flagged on", "days ahead", "best rank before"),
        numbers=("days ahead", "best rank before"),
    )
    for decay in risk.decays:
        seen = Text(str(decay.flagged_on), "green") if decay.flagged_on else Text("never", "red")
        ahead = "" if decay.days_ahead is None else str(decay.days_ahead)
        rank = "" if decay.best_rank is None else str(decay.best_rank)
        add(shown, str(decay.truth.feature), str(decay.truth.starts_on), seen, ahead, rank)
    early = [decay.days_ahead for decay in risk.decays if decay.days_ahead and decay.days_ahead > 0]
    flagged = f"{len(early)} of {len(risk.decays)} were flagged before the breach"
    lead = f", {sum(early) / len(early):.1f} days ahead on average" if early else ""
    return Group(shown, Text(f"{flagged}{lead}.", "bold"))
