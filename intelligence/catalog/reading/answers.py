"""Answers of language models: how good they are, of whom and since when, and what a good one costs."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from intelligence.answers.cards import CARDS, HELD_OUT_REFUSALS, SEEN_REFUSALS
from intelligence.answers.intervals import Counts, Interval, corrected, difference, wilson
from intelligence.answers.wording import MEASURE_WORDS
from intelligence.briefs.answers import worse_answer_sentences
from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import between, counted, percent, period_of
from intelligence.core.sql import sql
from intelligence.warehouse.answer_scores import BY_NAME

QUERIES: Final[Mapping[str, str]] = {
    "changes": sql("catalog/reading/answer_changes.sql"),
    "quality": sql("catalog/reading/answer_quality.sql"),
    "course": sql("catalog/reading/answer_course.sql"),
    "costs": sql("catalog/reading/answer_costs.sql"),
    "raters": sql("catalog/reading/answer_raters.sql"),
}
_SUMS: Final = ("total", "hits", "users", "hit_square_sum", "cross_sum", "total_square_sum")
# A difference between segments is told from so many users of each on.
LEAST_USERS: Final = 10
_INTERVAL: Final = "with its 95 % interval by Wilson, in which the answers of one user count as one another's"


def answers_page(as_of: AsOf, read: Mapping[str, pl.DataFrame], *, feature: str = "") -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        feature: The feature that is asked for; empty for all.
    """
    quality = read["quality"]
    if quality.is_empty():
        of = f" of {feature}" if feature else ""
        return Page(
            as_of, (f"No answer of a language model{of} was taken in yet: see `answer_sources` in product.yaml.",)
        )
    versions = _rates(quality.filter(measure="bad"), ("feature", "model_version", "prompt_version"))
    scores = _rates(quality.filter(pl.col("measure").is_in([*BY_NAME])), ("feature", "measure"))
    segments = _rates(quality.filter(pl.col("measure").is_in(["bad", "good_rating", "rated"])), ("measure", "segment"))
    # The other queries sum over these days.
    period = period_of(read["course"])
    return Page(
        as_of,
        (*(worse_answer_sentences(read["changes"]) or ("No version changed the quality of answers beyond chance.",)),
         versions_finding(versions), segments_finding(segments), *erased_findings(read["costs"])),
        {
            "changes": Part(
                changes_finding(read["changes"]),
                read["changes"],
                _period_of_changes(read["changes"]),
                "The first 14 days of a version beside the 14 days of the feature before it. What came at the same time may be the"
                " reason as well: grade D.",
                "answers.version_changes",
            ),
            "versions": Part(
                versions_finding(versions),
                versions,
                period,
                f"Share of scored answers that show any harm, {_INTERVAL}.",
                "answers.quality_day",
            ),
            "course": Part(
                f"Bad answers of {counted(read['course']['feature'].n_unique(), 'feature')} day by day",
                read["course"],
                period,
                "Share of the day's scored answers that show any harm.",
                "answers.quality_day",
            ),
            "scores": Part(
                scores_finding(scores),
                scores,
                period,
                f"Share of answers that a score flags, of those to which it applies, {_INTERVAL}. `true_rate` takes the errors out that the"
                " score makes on simulated answers (Rogan and Gladen), not on yours; empty where they were not counted or do not fit the"
                f" flags. Of refusals of a real model that people labelled, `refusal` finds {percent(SEEN_REFUSALS.sensitivity)} where its"
                f" words were chosen with them in view and {percent(HELD_OUT_REFUSALS.sensitivity)} where they were not.",
                "answers.quality_day",
            ),
            "segments": Part(
                segments_finding(segments), segments, period, f"Shares by segment, {_INTERVAL}.", "answers.quality_day"
            ),
            "raters": Part(
                raters_finding(read["raters"]),
                read["raters"],
                period,
                "Answers that several people rated, and those of them of which all say that they are good, or all that they are not.",
                "warehouse.fact_answers",
            ),
            "costs": Part(
                costs_finding(read["costs"]),
                read["costs"],
                period,
                "Cost of all scored answers over the number of good ones: bad answers are paid for, too.",
                "answers.answer_day",
            ),
        },
    )  # fmt: skip


def _period_of_changes(changes: pl.DataFrame) -> str:
    days = pl.concat([changes["since"], changes["event_date"]])
    return period_of(days.to_frame("event_date"))


def changes_finding(changes: pl.DataFrame) -> str:
    """Return after how many versions a measure of answers went the wrong way.

    Args:
        changes: What `catalog/reading/answer_changes.sql` returns.
    """
    versions = (
        changes.filter(verdict="worse").select("feature", "changed", "version").n_unique() if changes.height else 0
    )
    after = counted(versions, "new version") if versions else "no new version"
    return f"After {after} a measure of answers went the wrong way beyond chance"


def versions_finding(versions: pl.DataFrame) -> str:
    """Return which feature's answers are bad most often.

    Args:
        versions: Rates of bad answers by feature and versions.
    """
    known = versions.drop_nulls("low").sort("rate", descending=True)
    if known.is_empty():
        return "No answers are scored: they have no texts."
    worst = known.row(0, named=True)
    return (
        f"{worst['feature']} ({worst['model_version']}, {worst['prompt_version']}) has the largest share of bad answers:"
        f" {percent(worst['rate'])} of {worst['total']:,} ({between(worst['low'], worst['high'])})"
    )


def scores_finding(scores: pl.DataFrame) -> str:
    """Return which fault is most frequent.

    Args:
        scores: Rates by feature and score.
    """
    if scores.is_empty():
        return "No score applies to any answer."
    worst = scores.sort("rate", descending=True).row(0, named=True)
    of = f"{percent(worst['rate'])} of {worst['total']:,} answers of {worst['feature']}"
    return f"Most frequent: {MEASURE_WORDS[worst['measure']]} in {of}"


def segments_finding(segments: pl.DataFrame) -> str:
    """Return how the two largest segments differ in good ratings and in bad answers; those of a few users are not compared.

    Args:
        segments: Rates by measure and segment.
    """
    said = []
    for measure in ("good_rating", "bad"):
        is_enough = pl.col("users") >= LEAST_USERS
        two = segments.filter(pl.col("measure") == measure, is_enough).sort("total", descending=True).head(2)
        if two.height < 2:
            continue
        one, other = (Counts(*(row[name] for name in _SUMS)) for row in two.iter_rows(named=True))
        found: Interval = difference(other, one)
        names = two["segment"].to_list()
        said.append(
            f"{MEASURE_WORDS[measure]}: {names[0]} {percent(one.rate)}, {names[1]} {percent(other.rate)}"
            f" (difference {100 * found.low:+.1f} to {100 * found.high:+.1f} points)"
        )
    rated = segments.filter(measure="rated").sort("rate", descending=True)
    if rated.height > 1:
        shares = ", ".join(f"{row['segment']} {percent(row['rate'])}" for row in rated.head(3).iter_rows(named=True))
        said.append(f"who rates: {shares}")
    if not said and segments["segment"].n_unique() > 1:
        return f"No two segments have {LEAST_USERS} users to compare"
    return "; ".join(said) or "All answers are of one segment"


def raters_finding(raters: pl.DataFrame) -> str:
    """Return how often raters agree.

    Args:
        raters: What `catalog/reading/answer_raters.sql` returns.
    """
    answers, agreed = int(raters["answers"].sum()), int(raters["agreed"].sum())
    if not answers:
        return "No answer was rated by several people"
    return f"Of {counted(answers, 'answer')} that several people rated, they agree on {percent(agreed / answers)}"


def erased_findings(costs: pl.DataFrame) -> tuple[str, ...]:
    """Return how many answers of the days are not scored because their texts were erased; empty where none is.

    Args:
        costs: What `catalog/reading/answer_costs.sql` returns.
    """
    erased, answers = int(costs["erased_answers"].sum()), int(costs["answers"].sum())
    if not erased:
        return ()
    return (
        f"{counted(erased, 'answer')} of {answers:,} had their texts erased before their days were built again: they are not scored, and"
        " rates of these days are those of the others.",
    )


def costs_finding(costs: pl.DataFrame) -> str:
    """Return which feature's good answers cost most.

    Args:
        costs: What `catalog/reading/answer_costs.sql` returns.
    """
    known = costs.drop_nulls("cost_per_good_answer").sort("cost_per_good_answer", descending=True)
    if known.is_empty():
        return "No costs are told"
    dearest = known.row(0, named=True)
    return f"A good answer costs most in {dearest['feature']} ({dearest['prompt_version']}): {dearest['cost_per_good_answer']:.6f}"


def _rates(quality: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Return the rate with its interval of each group, and for a score with a card the rate without the score's error."""
    sums = quality.group_by(by, maintain_order=True).agg(pl.col("event_date").max(), pl.col(*_SUMS).sum())
    rows = []
    for row in sums.iter_rows(named=True):
        counts = Counts(*(row[name] for name in _SUMS))
        found, card = wilson(counts), CARDS.get(row.get("measure", ""))
        true = corrected(counts, card) if card else None
        rows.append(
            {
                **row,
                "rate": counts.rate,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "true_rate": true.rate if true else None,
                "true_low": true.low if true else None,
                "true_high": true.high if true else None,
            }
        )
    numbers = ("rate", "low", "high", "true_rate", "true_low", "true_high")
    return pl.DataFrame(rows, schema={**sums.schema, **dict.fromkeys(numbers, pl.Float64())})
