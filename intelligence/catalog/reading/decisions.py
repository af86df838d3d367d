"""Decisions: the ledger of what was decided and done, why, why not, and what came of it."""

import json
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import counted, latest, named, period_of
from intelligence.core.sql import sql

QUERIES: Final[Mapping[str, str]] = {
    "decisions": sql("catalog/reading/decisions.sql"),
    "monitored": sql("catalog/reading/monitored.sql"),
    "actions": sql("catalog/reading/actions.sql"),
}
# Kinds of decisions from the weakest to the strongest.
STRENGTH: Final = ("monitor", "ticket", "alert", "hold", "throttle", "rollback")


def decisions_page(as_of: AsOf, read: Mapping[str, pl.DataFrame], policy: pl.DataFrame, *, feature: str = "") -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        policy: What each kind of action may do by itself: `kind`, `level` and further columns.
        feature: The feature that is asked for; empty for all.
    """
    decided, done = read["decisions"], read["actions"]
    of = f" on {feature}" if feature else ""
    if decided.is_empty() and read["monitored"].is_empty() and done.is_empty():
        return Page(
            as_of,
            (
                "Nothing was decided yet. Decisions are made for the newest day that is over, once its features are assessed.",
            ),
            {"policy": policy_part(policy)},
        )
    newest = decided.filter(pl.col("event_date") == pl.col("event_date").max())
    sentences = [decided_finding(read["monitored"], newest) if not feature else _of_feature(decided, feature)]
    sentences.append(done_finding(done, of=of))
    silent = policy.filter(pl.col("level") == "shadow")
    if silent.height == policy.height:
        sentences.append("Every kind of action is in shadow: decisions are written down and nothing is sent.")
    return Page(
        as_of,
        tuple(sentences),
        {
            "decisions": Part(
                f"{counted(decided.filter(pl.col('action') != 'monitor').height, 'decision')} other than to watch{of}",
                decided.with_columns(why_not_more=why_not_more_of(decided)),
                period_of(decided),
                "Worth is users spared harm for a day less the cost of the action; confidence is that of the evidence, in [0, 1].",
                "decisions.feature_decisions",
            ),
            "actions": Part(
                done_finding(done, of=of),
                done,
                period_of(done, "day"),
                "Effects are measured in the telemetry after the action, beside features that were not touched, with a 95 % interval.",
                "actions.action_log, actions.outcomes",
            ),
            "policy": policy_part(policy),
        },
    )


def policy_part(policy: pl.DataFrame) -> Part:
    """Return what each kind of action may do by itself.

    Args:
        policy: `kind`, `level` and further columns.
    """
    free = policy.filter(pl.col("level") == "auto")["kind"].to_list()
    said = f"May act by itself: {named(free)}." if free else "Nothing acts without a person."
    return Part(
        said,
        policy,
        "as of product.yaml",
        "shadow: written down only; advise: a message; approve: waits for a person; auto: acts.",
        "product.yaml",
    )


def decided_finding(monitored: pl.DataFrame, newest: pl.DataFrame) -> str:
    """Return what the newest decisions are.

    Args:
        monitored: What `catalog/reading/monitored.sql` returns.
        newest: Decisions of the newest day other than `monitor`.
    """
    watched = int(monitored["features"].sum()) if monitored.height else 0
    shown = newest.filter(pl.col("action") != "monitor") if newest.height else newest
    if shown.is_empty():
        day = latest(monitored["event_date"]) if monitored.height else None
        return (
            f"Nothing is to be done on {day}: {counted(watched, 'feature is', 'features are')} watched."
            if day
            else "Nothing was decided yet."
        )
    told = [
        f"{row['action'].replace('_', ' ')} {row['feature']} ({row['level'] or 'no level'})"
        for row in shown.iter_rows(named=True)
    ]
    rest = f"; {counted(watched, 'feature is', 'features are')} watched and left alone" if watched else ""
    return f"{counted(shown.height, 'decision')} on {latest(shown['event_date'])}: {named(told)}{rest}."


def done_finding(done: pl.DataFrame, *, of: str = "") -> str:
    """Return how many actions were done, and what came of them.

    Args:
        done: What `catalog/reading/actions.sql` returns.
        of: Further words about which actions.
    """
    if done.is_empty():
        return f"No action was asked for{of} in this time."
    standing = done["standing"].value_counts(sort=True)
    counts = ", ".join(f"{number:,} {name}" for name, number in standing.iter_rows())
    judged = done["verdict"].drop_nulls().value_counts(sort=True)
    outcome = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in judged.iter_rows())
    return f"{counted(done.height, 'action')}{of}: {counts}; what came of them: {outcome or 'not measured yet'}."


def why_not_more_of(decided: pl.DataFrame) -> pl.Series:
    """Return for each decision why the next stronger action was not taken; empty where there is none.

    Args:
        decided: Decisions with `action` and `why_not`.
    """
    said = [why_not_more(row["action"], row["why_not"]) for row in decided.iter_rows(named=True)]
    return pl.Series("why_not_more", said, dtype=pl.String)


def why_not_more(action: str, why_not: str) -> str:
    """Return why the next stronger action was not taken; empty where there is no stronger one.

    Args:
        action: Kind of the action that was decided.
        why_not: Reasons by kind of action, as JSON.

    >>> why_not_more("alert", '{"throttle": "too few users", "ticket": "worth less"}')
    'throttle: too few users'
    """
    reasons: Mapping[str, str] = json.loads(why_not)
    stronger = (
        [kind for kind in STRENGTH[STRENGTH.index(action) + 1 :] if kind in reasons] if action in STRENGTH else []
    )
    return f"{stronger[0]}: {reasons[stronger[0]]}" if stronger else ""


def candidates_of(decision: Mapping[str, Any]) -> pl.DataFrame:
    """Return what each candidate of a decision was worth, and why it was not taken.

    Args:
        decision: A row with `candidates`, `why_not` and `action`.
    """
    reasons: Mapping[str, str] = json.loads(decision["why_not"] or "{}")
    rows = [
        {
            "candidate": each["kind"],
            "worth": each.get("score"),
            "confidence": each.get("confidence"),
            "benefit": each.get("benefit"),
            "cost": each.get("cost"),
            "why_not": "taken" if each["kind"] == decision["action"] else reasons.get(each["kind"], ""),
        }
        for each in json.loads(decision["candidates"] or "[]")
    ]
    numbers = ("worth", "confidence", "benefit", "cost")
    return pl.DataFrame(
        rows, schema={"candidate": pl.String, **dict.fromkeys(numbers, pl.Float64), "why_not": pl.String}
    )


def _of_feature(decided: pl.DataFrame, feature: str) -> str:
    if decided.is_empty():
        return f"Nothing was decided about {feature} in this time."
    row = decided.row(0, named=True)
    return f"On {row['event_date']}: {row['reasons']}"
