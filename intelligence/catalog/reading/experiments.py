"""Experiments: what should become of each variant, and the effects that it rests on."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import counted, named, period_of
from intelligence.catalog.summary import EXPERIMENTS
from intelligence.core.sql import sql
from intelligence.experiments.tables import WORDS

QUERIES: Final[Mapping[str, str]] = {
    "verdicts": EXPERIMENTS,
    "results": sql("catalog/reading/experiment_results.sql"),
    "course": sql("catalog/reading/experiment_course.sql"),
}
_ABSENT: Final = (
    "No experiment was seen yet: events carry its name in `experiment` and the arm in `variant`. `intelligence experiment plan`"
    " says how long one has to run."
)


def experiments_page(as_of: AsOf, read: Mapping[str, pl.DataFrame], *, experiment: str = "") -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        experiment: The experiment whose course is asked for; the newest one where it is empty.
    """
    verdicts, results = read["verdicts"], read["results"]
    if verdicts.is_empty():
        return Page(as_of, (_ABSENT,))
    shown = experiment or str(verdicts["experiment"][0])
    mine, course = results.filter(experiment=shown), read["course"]
    broken = verdicts.filter(pl.col("problems").list.len() > 0)
    told = [verdicts_finding(verdicts)]
    if broken.height:
        problems = (f"{row['experiment']}: {row['problems'][0]}" for row in broken.head(3).iter_rows(named=True))
        told.append(f"Problems: {'; '.join(problems)}.")
    goals = results.filter(role="goal")
    return Page(
        as_of,
        tuple(told),
        {
            "verdicts": Part(
                verdicts_finding(verdicts),
                verdicts.with_columns(verdict=pl.col("verdict").replace_strict(WORDS, default=pl.col("verdict"))),
                period_of(verdicts),
                "Newest verdict of each variant, with the effect on its first goal and the 95 % interval of that effect.",
                "experiments.experiment_verdicts",
            ),
            "goals": Part(
                goals_finding(goals),
                goals,
                "newest day of each experiment",
                "Relative effect on the goals with its confidence interval; intervals that touch 0 decide nothing.",
                "experiments.experiment_results",
            ),
            "metrics": Part(
                f"{shown}: {counted(mine.height, 'metric')} on its newest day",
                mine,
                period_of(mine),
                "Relative effects with their confidence intervals; a guardrail may not be worse than its margin.",
                "experiments.experiment_results",
            ),
            "course": Part(
                course_finding(shown, course),
                course,
                period_of(course),
                "Effect so far with its confidence interval; the wider band holds however often one looks.",
                "experiments.experiment_results",
            ),
        },
        {"experiment": shown},
    )


def verdicts_finding(verdicts: pl.DataFrame) -> str:
    """Return how many variants have which verdict.

    Args:
        verdicts: What `catalog/summary/experiments.sql` returns.
    """
    by = {
        verdict: verdicts.filter(verdict=verdict)["experiment"].unique(maintain_order=True).to_list()
        for verdict in WORDS
        if verdicts.filter(verdict=verdict).height
    }
    told = [f"{WORDS[verdict]}: {named(names)}" for verdict, names in by.items()]
    return f"{counted(verdicts['experiment'].n_unique(), 'experiment')}; {'; '.join(told)}."


def goals_finding(goals: pl.DataFrame) -> str:
    """Return which effects on goals stand out beyond chance.

    Args:
        goals: Results on goals.
    """
    sure = goals.filter((pl.col("relative_low") > 0) | (pl.col("relative_high") < 0))
    if goals.is_empty():
        return "No goal has a result yet."
    if sure.is_empty():
        return f"None of {counted(goals.height, 'effect')} on a goal stands out beyond chance."
    told = [
        f"{row['experiment']} {row['relative']:+.1%} on {row['metric']} ({row['relative_low']:+.1%} to {row['relative_high']:+.1%})"
        for row in sure.iter_rows(named=True)
    ]
    return f"{sure.height:,} of {counted(goals.height, 'effect')} on goals stand out beyond chance: {named(told)}."


def course_finding(experiment: str, course: pl.DataFrame) -> str:
    """Return what became of an experiment's effect over time.

    Args:
        experiment: Its name.
        course: What `catalog/reading/experiment_course.sql` returns.
    """
    if course.is_empty():
        return f"{experiment} has no results day by day."
    row = course.row(-1, named=True)
    if row["effect"] is None:
        return f"{experiment} shows no effect on {row['metric']} on {row['event_date']}: {row['note'] or 'its health blocks the results'}."
    if row["watched_low"] is None:
        return f"{experiment}: {row['metric']} {row['effect']:+.3g} on {row['event_date']}; the interval for looking often is not known."
    crossed = row["watched_low"] > 0 or row["watched_high"] < 0
    said = "holds however often one looks" if crossed else "does not hold yet if one looks every day"
    ends = f"{row['low']:+.3g} to {row['high']:+.3g}"
    return f"{experiment}: {row['metric']} {row['effect']:+.3g} ({ends}) on {row['event_date']}, which {said}."
