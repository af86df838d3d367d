"""Experiments to come and experiments looked into: how long a new one has to run, and for whom a variant works."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part, days_in_words
from intelligence.catalog.reading.wording import counted, percent, refusal_sentence
from intelligence.core.errors import PlatformError

if TYPE_CHECKING:
    from intelligence.experiments.for_whom import ForWhom
    from intelligence.experiments.history import Planned
    from intelligence.experiments.uplift import Estimate
    from intelligence.metrics.registry import Metric

ASK_PLAN: Final = (
    "Choose a metric: the product's own history then says how many users and days an experiment on it needs, and which"
    " effect it can find."
)
NO_EXPERIMENT: Final = "No experiment was seen yet, so that there is nobody for whom one works."
# What is told in a sentence: the effect on this share of the units, those with the best predicted effect.
TOLD_SHARE: Final = 0.3
MOST_TRAITS: Final = 3


def plan_page(as_of: AsOf, found: "Planned") -> Page:
    """Return what an experiment needs.

    Args:
        as_of: What it was read from.
        found: The plans.
    """
    asked, last = found.question, found.window.end - timedelta(days=1)
    rows = plan_rows(found)
    of = asked.feature or "the product"
    told = [
        plan_sentence(found),
        f"It rests on the {counted(found.units, 'user')} of {of} from {found.window.start} to {last}, for whom"
        f" {asked.metric.name} is {found.value:.4g}; {found.units_per_day:,.1f} new ones came per day.",
    ]
    if found.no_covariate:
        told.append(f"There is no plan with a covariate: {found.no_covariate}")
    return Page(
        as_of,
        tuple(told),
        {
            "plans": Part(
                smallest_sentence(found),
                rows,
                days_in_words(found.window.start, last),
                "Units of control and variant together, and days until they came, for a power of 80 % at a chance of 5 % of finding"
                " what is not there. The covariate is the same quantity before the exposure (CUPED). The smallest effect is a share of"
                " the metric's value.",
                "metrics.user_day" + (", warehouse.fact_events" if asked.feature else ""),
            )
        },
        {"metric": asked.metric.name},
    )


def plan_rows(found: "Planned") -> pl.DataFrame:
    """Return a row for each design, number of days and use of a covariate, with the smallest effect that is found then.

    Args:
        found: The plans.
    """
    rows = [
        {
            "design": design.replace("_", " "),
            "covariate": "with" if plan.is_adjusted else "without",
            "units": plan.units,
            "days": plan.days,
            "after_days": days,
            "smallest_effect": plan.smallest_effects.get(days),
        }
        for design, plans in found.plans.items()
        for plan in plans
        for days in sorted({each for every in found.plans.values() for one in every for each in one.smallest_effects})
    ]
    schema: dict[str, Any] = {"design": pl.String, "covariate": pl.String, "units": pl.Int64, "days": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, "after_days": pl.Int64, "smallest_effect": pl.Float64})


def plan_sentence(found: "Planned") -> str:
    """Return how many units and days it takes to find the effect, with and without a covariate.

    Args:
        found: The plans.
    """
    asked = found.question
    plain, adjusted = found.plans["group_sequential"][0], found.plans["group_sequential"][1:]
    said = f"To find a change of {asked.relative:+.1%} in {asked.metric.name}, with {asked.share:.0%} in the variant and a look each day,"
    needs = f"{counted(plain.units, 'user')} and {_days(plain.days)} are needed"
    if not adjusted:
        return f"{said} {needs}."
    return f"{said} {needs}; with the time before as covariate {adjusted[0].units:,} and {_days(adjusted[0].days)}."


def smallest_sentence(found: "Planned") -> str:
    """Return the smallest effect that is found by the end of the plan, with and without a covariate.

    Args:
        found: The plans.
    """
    days, name = found.question.days, found.question.metric.name
    plain, adjusted = found.plans["group_sequential"][0], found.plans["group_sequential"][1:]
    smallest = plain.smallest_effects.get(days)
    if smallest is None:
        return f"In {counted(days, 'day')} too few users come for any effect on {name} to be found."
    said = f"In {counted(days, 'day')} the smallest effect on {name} that is found is ±{smallest:.1%}"
    more = adjusted[0].smallest_effects.get(days) if adjusted else None
    return f"{said} (±{more:.1%} with the covariate)." if more is not None else f"{said}."


def _days(days: int | None) -> str:
    return "more days than ever come" if days is None else counted(days, "day")


def refused_page(as_of: AsOf, why: PlatformError | None, ask: str) -> Page:
    """Return the page of a question that was not asked, or that has no answer.

    Args:
        as_of: What it was read from.
        why: Why there is no answer; None where nothing was asked.
        ask: What can be asked.
    """
    return Page(as_of, (ask if why is None else refusal_sentence(why),))


def uplift_page(as_of: AsOf, found: "Sequence[ForWhom]") -> Page:
    """Return for whom the variants of an experiment work, or that it is not shown that they differ.

    Args:
        as_of: What it was read from.
        found: One for each variant, at least one.
    """
    first = found[0]
    known = [each for each in found if each.average is not None]
    groups, who = _groups(known), _who(known)
    source = "experiments.fact_exposures, metrics.user_day" + (
        ", warehouse.fact_events" if first.metric.column.startswith("feature_") else ""
    )
    ratio = (
        " Of a ratio, the effect on a unit is what it adds to the change of the ratio, so that those who do more count more."
        if first.metric.denominator
        else ""
    )
    said = [uplift_sentence(each) for each in found]
    parts = {
        "average": Part(
            f"On all units {first.metric.name} changes by "
            + "; ".join(f"{_estimate(each.average, each.metric)} in {each.variant}" for each in known if each.average)
            if known
            else "No effect is computed.",
            _averages(known),
            f"as of {first.day}",
            f"Mean effect on {first.metric.name} with its 95 % interval, adjusted by what was known before the exposure, at a"
            " single look.",
            source,
        ),
        "groups": Part(
            "Effects on groups are shown only where a test says that effects differ."
            if groups.is_empty()
            else groups_sentence(next(each for each in known if not each.refused)),
            groups,
            f"as of {first.day}",
            "Effects on units in the order of their predicted effect, by models that never saw them, with 95 % intervals that are not"
            f" adjusted for the number of groups: hypotheses for the next experiment.{ratio}",
            source,
        ),
        "who": Part(
            "Nothing is said of who fares best." if who.is_empty() else f"Who fares best: {traits_sentence(who)}",
            who,
            f"as of {first.day}",
            f"The {percent(TOLD_SHARE, digits=0)} of the units with the best predicted effect beside the rest: share of a level, or"
            " mean of a number, before the exposure.",
            source,
        ),
    }
    return Page(as_of, tuple(said), parts, {"experiment": first.experiment, "metric": first.metric.name})


def uplift_sentence(found: "ForWhom") -> str:
    """Return for whom a variant works, or why that is not known.

    Args:
        found: What is known of the variant.
    """
    where = f"{found.experiment}, {found.variant}"
    if found.average is None:
        return f"{'Not enough evidence' if found.is_evidence else 'Not computed'} for whom it works ({where}): {found.refused}"
    average = f"On all {counted(found.units, 'unit')} it changes {found.metric.name} by {_estimate(found.average, found.metric)}."
    if found.refused:
        return f"Not enough evidence that it works differently for some than for others ({where}): {found.refused} {average}"
    p = "p < 0.001" if (found.p or 0.0) < 0.001 else f"p = {found.p:.2g}"
    return f"It works differently for some than for others ({where}; {p}). {groups_sentence(found)} {average}"


def groups_sentence(found: "ForWhom") -> str:
    """Return the effect on those who are predicted to fare best, and on the rest.

    Args:
        found: What is known of a variant of which groups are shown.
    """
    row = found.table.filter(pl.col("share") == TOLD_SHARE).row(0, named=True)
    best, rest = (
        _with_interval(row[middle], row[low], row[high], found.metric)
        for middle, low, high in (("effect", "low", "high"), ("rest", "rest_low", "rest_high"))
    )
    return (
        f"{found.metric.name} changes by {best} for the {percent(TOLD_SHARE, digits=0)} who are predicted to fare best, and by {rest}"
        " for the rest."
    )


def traits_sentence(who: pl.DataFrame) -> str:
    """Return what sets those who fare best apart, the largest differences first.

    Args:
        who: Rows of `covariate`, `level`, `first` and `rest`.
    """
    told = []
    for row in who.unique("covariate", keep="first", maintain_order=True).head(MOST_TRAITS).iter_rows(named=True):
        name = row["covariate"].removeprefix("pre_").replace("_", " ")
        if row["level"] is not None:
            told.append(
                f"{name} {row['level']} for {percent(row['first'], digits=0)} (rest {percent(row['rest'], digits=0)})"
            )
            continue
        before = " before" if row["covariate"].startswith("pre_") else ""
        told.append(f"{row['first']:,.3g} {name}{before} (rest {row['rest']:,.3g})")
    return "; ".join(told)


def _averages(known: "Sequence[ForWhom]") -> pl.DataFrame:
    rows = [
        (
            each.variant,
            each.metric.name,
            each.units,
            each.average.value,
            each.average.low,
            each.average.high,
            each.p,
            each.refused,
        )
        for each in known
        if each.average is not None
    ]
    names = ("variant", "metric", "units", "effect", "low", "high", "p_differing", "refused")
    kinds = (pl.String, pl.String, pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.Float64, pl.String)
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def _groups(known: "Sequence[ForWhom]") -> pl.DataFrame:
    """Return the effect on the first of the units and on the rest, a row for each."""
    several = len({each.variant for each in known}) > 1
    rows = [
        (
            each.variant,
            f"{f'{each.variant}: ' if several else ''}{word} {percent(share, digits=0)}",
            units if is_first else each.units - units,
            *(row[name] for name in names),
        )
        for each in known
        for row in each.table.iter_rows(named=True)
        for units in [row["units"]]
        for word, share, names, is_first in (
            ("first", row["share"], ("effect", "low", "high"), True),
            ("other", 1 - row["share"], ("rest", "rest_low", "rest_high"), False),
        )
    ]
    schema = {"variant": pl.String, "units_in_order": pl.String, "units": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, **dict.fromkeys(("effect", "low", "high"), pl.Float64)}, orient="row")


def _who(known: "Sequence[ForWhom]") -> pl.DataFrame:
    parts = [
        each.profile.select(pl.lit(each.variant).alias("variant"), pl.all()) for each in known if each.profile.height
    ]
    return pl.concat(parts) if parts else pl.DataFrame()


def _estimate(found: "Estimate", metric: "Metric") -> str:
    return _with_interval(found.value, found.low, found.high, metric)


def _with_interval(value: float, low: float, high: float, metric: "Metric") -> str:
    if metric.unit.startswith("share"):
        return f"{100 * value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"{value:+,.3g} ({low:+,.3g} to {high:+,.3g})"
