"""The commands of `intelligence`: each calls a service and prints the result."""

import os
import re
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from intelligence.core.foreign import harmless
from intelligence.interfaces.cli import (
    acting,
    answers,
    briefs,
    experiments,
    flags,
    forecasts,
    learning,
    online,
    people,
    rollouts,
    running,
    session,
    sharing,
    signals,
    terminal,
    usage,
)
from intelligence.interfaces.cli.console import show_crash
from intelligence.interfaces.cli.options import ACTIONS, EVERY_DAY, AsJson
from resources.lake.without_pandas import without_pandas

COLOURS = re.compile(r"\x1b\[[0-9;]*m")

app = typer.Typer(
    help="Product intelligence: which features are degrading, why, what comes next and what to do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(requested: bool) -> None:
    if requested:
        print(f"intelligence {metadata.version('product-intelligence-platform')}")
        raise typer.Exit


@app.callback()
def options(
    product: Annotated[
        Path | None, typer.Option(help="Product file; else INTELLIGENCE_PRODUCT or product.yaml.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for all that is written; else INTELLIGENCE_DATA or data.")
    ] = None,
    example: Annotated[session.Example | None, typer.Option(help="A product that comes with the repository.")] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Set what holds for every command."""
    del version
    if example:
        file, folder = session.EXAMPLES[example]
        os.environ["INTELLIGENCE_PRODUCT"] = str(session.ROOT / file)
        os.environ.setdefault("INTELLIGENCE_DATA", str(session.ROOT / folder))
    if product:
        os.environ["INTELLIGENCE_PRODUCT"] = str(product.resolve())
    if data:
        os.environ["INTELLIGENCE_DATA"] = str(data.resolve())
    if traceback:
        os.environ["INTELLIGENCE_TRACEBACK"] = "1"
    session.used.clear()
    session.used.update(
        {
            "INTELLIGENCE_PRODUCT": "--product" if product else "--example" if example else "",
            "INTELLIGENCE_DATA": "--data" if data else "--example" if example else "",
        }
    )
    session.invocation.cache_clear()
    session.invocation()


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence demo --days 30")
def demo(
    days: Annotated[int | None, typer.Option(help="Days to simulate, instead of the product's own number.")] = None,
) -> None:
    """Run an example from raw telemetry to feature health, and say what came of it."""
    if days is not None:
        os.environ["INTELLIGENCE_SIMULATED_DAYS"] = str(days)
    outcome = running.brought_up_to_date()
    running.print_outcome(outcome)
    session.console.print(terminal.next_steps(session.invocation(), session.product_file()), soft_wrap=True)
    running.leave(outcome)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence ingest")
def ingest(as_json: AsJson = False) -> None:
    """Take in new files from every source and bring all tables up to date."""
    running.report(running.brought_up_to_date(), as_json=as_json)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence status --json | jq .trouble")
@without_pandas()
def status(
    everything: Annotated[bool, typer.Option("--all", help="List everything, however long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what needs attention, what was done, what comes next, and what the lake holds."""
    lake = session.lake()
    if as_json:
        session.print_json(running.summary(lake) if lake.exists() else {"empty": True})
        return
    if not lake.exists():
        session.say(
            f"The lake is empty. `intelligence ingest` takes in what {session.product_file()} names; `make demo` shows an example."
        )
        return
    running.print_summary(lake, most=None if everything else terminal.SHOWN_AT_MOST)
    running.demand_whole_flags()


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence --product shop/product.yaml check")
@without_pandas()
def check(
    propose: Annotated[
        bool, typer.Option("--propose", help="Propose promises from the data, for product.yaml.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate product.yaml and a sample of each source, and say in plain words what is wrong and how to fix it."""
    from resources.config.settings import settings
    from resources.intake.preview import previewed_product, previewed_sources
    from resources.intake.product_file import product_at

    now = settings()
    product, lake = product_at(now.product_file), session.lake()
    if as_json or propose:
        sources = list(previewed_sources(product))
        whole = previewed_product(product, sources, lake, now.landing)
        if propose:
            print(harmless(whole.proposal, lines=True))
        else:
            session.print_json({"product": product.name, "sources": sources, "product_warnings": whole.warnings})
        raise typer.Exit(int(any(each.is_wrong for each in sources)))
    session.console.print(
        f"[green]✓[/] {escape(now.product_file.name)}: {escape(product.name)}, {len(product.sources)} source(s), "
        f"{len(product.features)} feature(s) declared"
    )
    sources = []
    for previewed in previewed_sources(product):
        sources.append(previewed)
        session.console.print(terminal.preview_text(previewed, session.invocation()), soft_wrap=True)
    for warning in previewed_product(product, sources, lake, now.landing).warnings:
        session.console.print(Text(f"! {session.invocation().spelled_out(warning)}", "yellow"), soft_wrap=True)
    if any(each.is_wrong for each in sources):
        raise typer.Exit(1)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence redrive --source app")
def redrive(
    source: Annotated[str | None, typer.Option(help="Only rows of this source.")] = None,
) -> None:
    """Try the rows in quarantine again, after their mapping was mended, and rebuild the days that gain events."""
    from resources.config.settings import settings
    from resources.intake.product_file import product_at
    from resources.intake.redrive import redriven

    lake = session.lake()
    report = redriven(lake, product_at(settings().product_file), source=source, now=session.now())
    session.console.print(
        f"{report.taken:,} rows taken again: {report.accepted:,} accepted, {report.duplicates:,} duplicates, "
        f"{report.still_rejected:,} still rejected."
    )
    if report.without_content:
        session.console.print(
            f"{report.without_content:,} more are unreadable lines, or rows whose content is not kept: deliver them again."
        )
    for error in report.refused:
        session.print_error(error)
    if report.accepted:
        outcome = running.brought_up_to_date()
        running.print_outcome(outcome)
        running.leave(outcome)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence why error_rate --feature checkout")
def why(
    metric: Annotated[
        str,
        typer.Argument(help="error_rate, crash_rate, slow_rate, bad_rating_rate, conversion_rate or events_per_user."),
    ],
    feature: Annotated[str, typer.Option(help="Only events of this feature.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=[session.DAY], help="Last day; else the newest one.")] = None,
    days: Annotated[int, typer.Option(help="Number of days that end with it.")] = 1,
    before: Annotated[
        datetime | None, typer.Option(formats=[session.DAY], help="Last day of the week to compare with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where the change of a metric lies: platform, release, region, segment, feature or flag arm."""
    from intelligence.interfaces.cli.causes import movement_parts, movement_record

    asked = {name: each.date() if each else None for name, each in (("day", day), ("before", before))}
    found = session.platform().causes.why(metric, feature=feature, days=days, **asked)
    if as_json:
        session.print_json(movement_record(found))
        return
    for part in movement_parts(found):
        session.console.print(part)
        session.console.print()


app.add_typer(forecasts.app, name="forecast", rich_help_panel=EVERY_DAY)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence annotate 'price raised' --day 2026-11-02")
def annotate(
    text: Annotated[str, typer.Argument(help="What happened, in a sentence.")],
    day: Annotated[datetime | None, typer.Option(formats=[session.DAY], help="Day; else the newest one.")] = None,
    feature: Annotated[str | None, typer.Option(help="Feature that it is about; else the whole product.")] = None,
    by: Annotated[str, typer.Option(help="Who says so; else you.")] = "",
) -> None:
    """Note what happened on a day: every chart of a series shows it."""
    noted = session.platform().annotations.noted(
        text, day=day.date() if day else None, feature=feature, by=by or session.person()
    )
    session.say(harmless(f"Noted for {noted.day}{f' and {noted.feature}' if noted.feature else ''}: {noted.text}"))


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence annotations --days 14 --feature checkout")
def annotations(
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How many days up to the newest one, and after it.")] = 28,
    feature: Annotated[str | None, typer.Option(help="Only what concerns this feature.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what happened: releases, incidents, experiments, actions, trainings, holidays and notes."""
    from intelligence.interfaces.cli.annotations import annotations_table

    found = session.platform().annotations.around(days, feature=feature)
    if as_json:
        session.print_json(found)
    elif found:
        session.console.print(annotations_table(found))
    else:
        session.say("Nothing is known to have happened. `intelligence annotate 'what happened'` notes something.")


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence backup /mnt/backups/2026-11-29")
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the copy, best on another disk.")],
) -> None:
    """Copy everything that the platform wrote, while it runs: lake, actions, flags, models, runs, product.yaml."""
    from resources.config.settings import settings
    from resources.services.backup import backed_up

    made = backed_up(settings(), session.announcer().flag_target().file, folder.resolve(), at=datetime.now(UTC))
    session.say(
        f"{made.files:,} files, {made.bytes / 1e6:,.1f} MB, are in {folder}. `intelligence restore {folder}` puts them back."
    )
    if made.elsewhere:
        session.say(f"What {', '.join(made.elsewhere)} names lies elsewhere and needs a backup of its own.")


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence restore /mnt/backups/2026-11-29")
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `intelligence backup` made.")],
) -> None:
    """Put a backup back where nothing stands, and pause every action until a person lets it go on."""
    from resources.config.settings import settings
    from resources.services.backup import restored

    at = restored(settings(), folder.resolve(), actor=session.person())
    session.say(f"Everything is as it was on {at:%Y-%m-%d %H:%M} UTC, and paused: what was sent since is not known.")
    session.say(
        "`intelligence actions` lists what was sent until then; `intelligence resume everything` lets it go on."
    )


app.add_typer(learning.app)
app.add_typer(acting.app)
app.add_typer(rollouts.app, name="rollout", rich_help_panel=ACTIONS)
app.add_typer(flags.app, name="flags", rich_help_panel=ACTIONS)
app.add_typer(experiments.app, name="experiment", rich_help_panel=EVERY_DAY)
app.add_typer(signals.app, name="signals", rich_help_panel=EVERY_DAY)
app.add_typer(online.app, name="online", rich_help_panel=EVERY_DAY)
app.add_typer(briefs.app)
app.add_typer(people.app)
app.add_typer(answers.app)
app.add_typer(usage.app)
app.add_typer(sharing.app)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence up --port 3001")
def up(
    dashboard_port: Annotated[int, typer.Option(help="Port of the dashboard.")] = 8501,
    api_port: Annotated[int, typer.Option(help="Port of the read API.")] = 8502,
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
    reports_port: Annotated[int, typer.Option(help="Port of the Evidently pages.")] = 8090,
    twins_port: Annotated[int, typer.Option(help="Port of the page of messages kept on this machine.")] = 3100,
) -> None:
    """Serve the dashboard, the read API, the Dagster UI, its daemon, the MLflow UI and the Evidently pages on this machine until Ctrl-C."""
    from resources.processes.servers import serve

    ports = {"port": port, "mlflow_port": mlflow_port, "reports_port": reports_port, "twins_port": twins_port}
    raise typer.Exit(
        serve(dashboard_port=dashboard_port, api_port=api_port, **ports, say=session.say, tell=_print_server_line)
    )


def _print_server_line(name: str, line: str) -> None:
    """Print a line of a server without its colours, since it may quote text of any origin."""
    session.console.print(Text(f"{name:8} {COLOURS.sub('', line)}"), soft_wrap=True)


def main() -> None:
    """Run the command line; an error that a person can act on is printed without a traceback."""
    sys.excepthook = show_crash
    try:
        app()
    except Exception as error:
        from resources.config.store_failures import store_failure

        failure = store_failure(error)
        if failure is None or os.environ.get("INTELLIGENCE_TRACEBACK"):
            raise
        session.print_error(failure, session.errors)
        sys.exit(1)


if __name__ == "__main__":
    main()
