"""Runs of the asset graph from the command line: what came of them, and what is to be corrected."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.text import Text

from intelligence.core.errors import PlatformError
from intelligence.interfaces.cli import session, terminal
from intelligence.interfaces.cli.progress import progress_on
from resources.lake.without_pandas import without_pandas

if TYPE_CHECKING:
    import dagster as dg

    from intelligence.catalog.changes import Outcome
    from intelligence.catalog.summary import Summary
    from intelligence.core.progress import Listener
    from resources.lake.door import Lake
    from resources.platform import Platform

    Work = Callable[[Callable[[Platform], dg.Definitions], Platform, dg.DagsterInstance, Listener], Outcome]


def report(outcome: "Outcome", *, as_json: bool = False) -> None:
    """Print the outcome of a run, and exit with 1 where a person must correct something.

    Args:
        outcome: The outcome.
        as_json: Whether it is printed as JSON.
    """
    if as_json:
        session.print_json(outcome)
    else:
        print_outcome(outcome)
    leave(outcome)


def report_of(work: "Work") -> None:
    """Do work on the asset graph, print its outcome, and exit with 1 where a person must correct something.

    Args:
        work: The work.
    """
    report(_done(work))


def _done(work: "Work") -> "Outcome":
    """Return the outcome of a run of the asset graph, whose progress is shown on standard error."""
    from intelligence.catalog.changes import changes, contents

    try:
        with session.errors.status("loading the asset graph"):
            from assets.definitions import definitions
            from resources.config.settings import settings
            from resources.platform import Platform
            from resources.processes.priority import give_way
            from resources.processes.runs import instance_for, run_store_failures_reported

            give_way()
            now = settings()
            platform = Platform.of(now)
            instance, lake = instance_for(now), platform.lake
        before = contents(lake.frame) if lake.exists() else None
        with run_store_failures_reported(now), progress_on(session.errors) as listener:
            outcome = work(definitions, platform, instance, listener)
    except KeyboardInterrupt:
        _stopped()
    if outcome.interrupted:
        _stopped()
    outcome.changed = [*outcome.changed, *changes(before, contents(lake.frame), days=outcome.days)]
    return outcome


def _stopped() -> NoReturn:
    """Print that a person stopped the work, and exit with the code of a program that Ctrl-C ended."""
    session.errors.print(
        session.spelled("Stopped. What was done is kept; `intelligence ingest` goes on from there."), soft_wrap=True
    )
    raise typer.Exit(130)


def _found_up_to_date() -> "Outcome | None":
    """Return the outcome where nothing is to be done, found without loading Dagster; None where a run has to be made."""
    from intelligence.catalog.changes import NOTHING, Outcome
    from resources.config.settings import settings
    from resources.processes.run_databases import every_run_has_ended

    with without_pandas(), session.errors.status("looking for new files"):
        platform = session.platform()
        if not every_run_has_ended(settings()) or not platform.up_to_date.holds(today=platform.due.today_of_product()):
            return None
        retraining = platform.retraining
        return Outcome(told=[*retraining.notified_of_drift(), *retraining.notified_of_overruled()], changed=[NOTHING])


def brought_up_to_date() -> "Outcome":
    """Take in new files, bring all tables up to date, and return the outcome; Dagster is loaded where something is to be done."""
    from resources.config.settings import settings
    from resources.intake.arrivals import let_settle
    from resources.intake.product_file import product_at

    let_settle(product_at(settings().product_file), say=session.errors.print)
    found = _found_up_to_date()
    if found:
        return found
    from assets.graph.runner import brought_up_to_date

    return _done(
        lambda definitions, platform, instance, listener: brought_up_to_date(
            definitions, platform, instance, today=platform.due.today_of_product(), listener=listener
        )
    )


def print_outcome(outcome: "Outcome") -> None:
    """Print what came of a run, and the summary of the lake.

    Args:
        outcome: The outcome.
    """
    for change in outcome.changed:
        session.say(change)
    session.console.print()
    _warn_of_unmatched_globs()
    for error in terminal.refusals(outcome.refused):
        session.print_error(error)
    for name, why in outcome.left:
        session.say(f"{name} was left: {why}. Run `intelligence ingest` again when it is whole.")
    if outcome.failed_checks:
        session.console.print(terminal.failed_checks_table(outcome.failed_checks))
        session.console.print()
    if outcome.error:
        session.print_error(
            PlatformError("Stopped", outcome.error, hint="Mend it and run `intelligence ingest` again.")
        )
    print_summary(session.lake())


def _warn_of_unmatched_globs() -> None:
    from resources.config.settings import settings
    from resources.intake.preview import unmatched_globs
    from resources.intake.product_file import product_at

    for source in product_at(settings().product_file).all_sources:
        for glob in unmatched_globs(source):
            session.console.print(terminal.unmatched_text(source.name, glob, session.product_file()), soft_wrap=True)


def leave(outcome: "Outcome") -> None:
    """Exit with 1 where a person must correct something.

    Args:
        outcome: The outcome of a run.
    """
    demand_whole_flags()
    if outcome.error or outcome.refused:
        raise typer.Exit(1)


def demand_whole_flags() -> None:
    """Exit with an error where the flag file was lost or cannot be read, so that it is reported before it is needed."""
    trouble = session.announcer().flag_trouble()
    if trouble:
        session.errors.print(session.spelled(trouble), soft_wrap=True)
        raise typer.Exit(1)


def summary(lake: "Lake") -> "Summary":
    """Return the summary of a lake.

    Args:
        lake: The lake.
    """
    from intelligence.catalog.summary import summary
    from resources.config.settings import settings
    from resources.intake.product_file import product_at

    with lake.one_snapshot():
        return summary(lake.frame, product_at(settings().product_file))


@without_pandas()
def print_summary(lake: "Lake", *, most: int | None = terminal.SHOWN_AT_MOST) -> None:
    """Print the summary of a lake.

    Args:
        lake: The lake.
        most: How many entries of a list; None for all.
    """
    from intelligence.telemetry.beginnings import set_aside_sentences

    with lake.one_snapshot():
        set_aside, found = lake.set_aside(), summary(lake)
    for sentence in set_aside_sentences(set_aside):
        session.console.print(Text(sentence, style="yellow"), soft_wrap=True)
        session.console.print()
    for part in terminal.summary_parts(found, most=most):
        session.console.print(session.spelled(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))
        session.console.print()
