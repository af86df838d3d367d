"""Experiments at a terminal: what should become of each variant, with its effect and what is wrong, and plans of new ones."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import polars as pl
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from intelligence.catalog.reading.trials import traits_sentence, uplift_sentence
from intelligence.core.foreign import harmless
from intelligence.experiments.tables import WORDS
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import AsJson
from intelligence.interfaces.cli.table import add, table

if TYPE_CHECKING:
    from intelligence.experiments.for_whom import ForWhom
    from intelligence.experiments.history import Planned

STYLES: Final = {"ship": "green", "roll_back": "red", "review": "yellow"}
app = typer.Typer(help="Experiments: how long a new one has to run, and what became of those that run.")


def experiments_table(found: pl.DataFrame, truths: Mapping[str, str]) -> RenderableType:
    """Return the newest verdict on each variant, with its effect on the goal and, where it was planted, with the truth.

    Args:
        found: What `catalog/summary/experiments.sql` returns.
        truths: What the simulator planted, by experiment; empty for any other product.
    """
    planted = ("planted",) if truths else ()
    shown = table(
        "Experiments",
        "experiment",
        "day",
        "verdict",
        "effect on the goal",
        "grade",
        "why",
        *planted,
        texts=("why", *planted),
    )
    for row in found.iter_rows(named=True):
        undeclared = "" if row["is_declared"] else " (not declared)"
        add(
            shown,
            f"{row['experiment']} · {row['variant']}{undeclared}",
            str(row["event_date"]),
            Text(f"{WORDS[row['verdict']]}{_until(row)}", STYLES.get(row["verdict"], "")),
            _effect(row),
            row["grade"],
            "; ".join((row["reason"], *(each for each in row["problems"] if each not in row["reason"]))),
            *((truths.get(row["experiment"], ""),) if planted else ()),
        )
    return Group(shown)


def plan_parts(found: "Planned") -> Iterator[RenderableType]:
    """Yield what was asked, the plan of every design with and without a covariate, and why there is none with one."""
    asked, last = found.question, found.window.end - timedelta(days=1)
    yield Text(
        harmless(
            f"{asked.metric.name} is {found.value:.4g} for the {found.units:,} users of {asked.feature or 'the product'} from "
            f"{found.window.start} to {last}; {found.units_per_day:,.1f} new ones per day"
        )
    )
    days = sorted({day for plans in found.plans.values() for plan in plans for day in plan.smallest_effects})
    numbers = ("units", "days", *(f"smallest effect, {day} days" for day in days))
    title = f"To find a change of {asked.relative:+.1%} with {asked.share:.0%} in the variant"
    shown = table(title, "design", "covariate", *numbers, numbers=numbers)
    for design, plans in found.plans.items():
        for plan in plans:
            add(
                shown,
                design.replace("_", " "),
                "with" if plan.is_adjusted else "without",
                f"{plan.units:,}",
                "never" if plan.days is None else f"{plan.days:,}",
                *(f"±{plan.smallest_effects[day]:.1%}" if day in plan.smallest_effects else "" for day in days),
            )
    yield shown
    if found.no_covariate:
        yield Text(harmless(found.no_covariate))


def plan_record(found: "Planned") -> dict[str, Any]:
    """Return the plans for another program."""
    asked = found.question
    return {
        "metric": asked.metric.name,
        "feature": asked.feature,
        "value": found.value,
        "relative": asked.relative,
        "share": asked.share,
        "first_day": found.window.start,
        "last_day": found.window.end - timedelta(days=1),
        "users": found.units,
        "new_per_day": found.units_per_day,
        "no_covariate": found.no_covariate or None,
        "plans": [
            {
                "design": design,
                "with_covariate": plan.is_adjusted,
                "effect": plan.effect,
                "units": plan.units,
                "days": plan.days,
                "smallest_effects": plan.smallest_effects,
                "inflation": plan.inflation,
            }
            for design, plans in found.plans.items()
            for plan in plans
        ],
    }


def _until(row: Mapping[str, Any]) -> str:
    return f" until {row['until']}" if row["until"] else ""


def _effect(row: Mapping[str, Any]) -> str:
    if row["relative"] is None:
        return "none shown"
    if row["relative_low"] is None or row["relative_high"] is None:
        return f"{row['metric']} {row['relative']:+.1%}, no interval at this look"
    return f"{row['metric']} {row['relative']:+.1%} ({row['relative_low']:+.1%} to {row['relative_high']:+.1%})"


@app.command("plan", epilog="Example: intelligence experiment plan conversion_rate --effect 3 --days 14")
def plan(
    metric: Annotated[str, typer.Argument(help="Metric that decides, such as conversion_rate.")],
    feature: Annotated[str, typer.Option(help="Only users of this feature.")] = "",
    effect: Annotated[float, typer.Option(help="Change that is to be found, in per cent of the metric's value.")] = 5,
    share: Annotated[float, typer.Option(help="Per cent of the units that get the variant.")] = 50,
    days: Annotated[int, typer.Option(help="Length of the experiment, and of the past that is read.")] = 28,
    as_json: AsJson = False,
) -> None:
    """Say how many users and days an experiment needs, and which effect it can find.

    Users of the newest days stand for the units of the experiment: as many days as it lasts, with as many before them for the
    covariate. New units per day are the users active in these days, each counted on the first of them, per day.
    """
    found = session.platform().experiments.plan(
        metric, feature=feature or None, relative=effect / 100, share=share / 100, days=days
    )
    if as_json:
        session.print_json(plan_record(found))
        return
    for part in plan_parts(found):
        session.console.print(part)
        session.console.print()


@app.command("uplift", epilog="Example: intelligence experiment uplift new_checkout --metric conversion_rate")
def for_whom(
    name: Annotated[str, typer.Argument(help="The experiment.")],
    metric: Annotated[str, typer.Option(help="Metric whose change is looked at; else the first goal.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say for whom the variants of an experiment work, or that there is not enough evidence that they work differently.

    What was known of the units before their exposure orders them by their predicted effect. Effects on groups are shown only where a
    test says that effects differ; they are hypotheses for the next experiment.
    """
    found = session.platform().experiments.for_whom(name, metric=metric or None)
    if as_json:
        session.print_json([uplift_record(each) for each in found])
        return
    for part in uplift_parts(found):
        session.console.print(part)
        session.console.print()


def uplift_parts(found: "Sequence[ForWhom]") -> Iterator[RenderableType]:
    """Yield for each variant a sentence, and where effects differ a table of groups and of who fares best."""
    for each in found:
        yield Text(harmless(uplift_sentence(each)))
        if each.table.is_empty():
            continue
        numbers = ("units", "effect", "95 % interval", "on the rest", "its interval")
        title = f"Effect of {each.variant} on {each.metric.name}, by the order of the units"
        shown = table(title, "first", *numbers, numbers=numbers)
        for row in each.table.iter_rows(named=True):
            ends = (
                f"{row[low]:+.3g} to {row[high]:+.3g}" for low, high in (("low", "high"), ("rest_low", "rest_high"))
            )
            first, rest = ends
            add(
                shown,
                f"{row['share']:.0%}",
                f"{row['units']:,}",
                f"{row['effect']:+.3g}",
                first,
                f"{row['rest']:+.3g}",
                rest,
            )
        yield shown
        yield Text(harmless(f"Who fares best: {traits_sentence(each.profile)}."))


def uplift_record(found: "ForWhom") -> dict[str, Any]:
    """Return for whom a variant works, for another program."""
    return {
        "experiment": found.experiment,
        "variant": found.variant,
        "control": found.control,
        "metric": found.metric.name,
        "day": found.day,
        "units": found.units,
        "average": found.average,
        "p": found.p,
        "refused": found.refused or None,
        "groups": found.table,
        "qini": found.qini,
        "random": found.random,
        "who": found.profile,
    }


@app.command("list", epilog="Example: intelligence experiment list --json")
def listed(as_json: AsJson = False) -> None:
    """List the newest verdict on each variant, with its effect on the goal and what is wrong."""
    from intelligence.interfaces.cli import running

    lake = session.lake()
    summary = running.summary(lake) if lake.exists() else None
    if as_json:
        session.print_json(summary.experiments if summary else [])
    elif summary is None or summary.experiments.is_empty():
        session.say("No experiment was seen yet: events carry its name in `experiment` and the arm in `variant`.")
    else:
        session.console.print(experiments_table(summary.experiments, summary.planted_causes))
