"""The commands of `intelligence`: each calls a service and prints the result."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.markup import escape
from rich.text import Text

from intelligence.core.errors import ModelError, PlatformError
from intelligence.core.foreign import harmless
from intelligence.core.machine_readable import plain
from intelligence.interfaces.cli import (
    answers,
    briefs,
    experiments,
    flags,
    forecasts,
    online,
    people,
    rollouts,
    sharing,
    signals,
    terminal,
    usage,
)
from intelligence.interfaces.cli.console import TerminalConsole, show_crash, terminal_console
from intelligence.interfaces.cli.invocation import Invocation
from intelligence.interfaces.cli.options import ACTIONS, EVERY_DAY, MODELS, AsJson
from intelligence.interfaces.cli.progress import progress_on
from resources.lake.without_pandas import without_pandas

if TYPE_CHECKING:
    import dagster as dg

    from intelligence.catalog.changes import Outcome
    from intelligence.catalog.summary import Summary
    from intelligence.core.progress import Listener
    from intelligence.risk.versions import Move
    from resources.lake.door import Lake
    from resources.messages.announcer import Announcer
    from resources.models.registry import Registry
    from resources.platform import Platform

    Work = Callable[[Callable[[Platform], dg.Definitions], Platform, dg.DagsterInstance, Listener], Outcome]

DAY = "%Y-%m-%d"
ROOT = Path(__file__).resolve().parents[3]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

app = typer.Typer(
    help="Product intelligence: which features are degrading, why, what comes next and what to do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
console = terminal_console(columns=os.environ.get("COLUMNS"))
errors = terminal_console(stderr=True, columns=os.environ.get("COLUMNS"))


# The options with which the user set these environment variables.
_used: dict[str, str] = {}


class Example(StrEnum):
    """The products that come with the repository."""

    classroom = "classroom"
    small = "small"
    flights = "flights"


EXAMPLES = {
    Example.classroom: ("product.yaml", "data"),
    Example.small: ("examples/small/product.yaml", "data/small"),
    Example.flights: ("examples/flights/product.yaml", "data/flights"),
}


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
    example: Annotated[Example | None, typer.Option(help="A product that comes with the repository.")] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Set what holds for every command."""
    del version
    if example:
        file, folder = EXAMPLES[example]
        os.environ["INTELLIGENCE_PRODUCT"] = str(ROOT / file)
        os.environ.setdefault("INTELLIGENCE_DATA", str(ROOT / folder))
    if product:
        os.environ["INTELLIGENCE_PRODUCT"] = str(product.resolve())
    if data:
        os.environ["INTELLIGENCE_DATA"] = str(data.resolve())
    if traceback:
        os.environ["INTELLIGENCE_TRACEBACK"] = "1"
    _used.clear()
    _used.update(
        {
            "INTELLIGENCE_PRODUCT": "--product" if product else "--example" if example else "",
            "INTELLIGENCE_DATA": "--data" if data else "--example" if example else "",
        }
    )
    _invocation.cache_clear()
    _invocation()


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence demo --days 30")
def demo(
    days: Annotated[int | None, typer.Option(help="Days to simulate, instead of the product's own number.")] = None,
) -> None:
    """Run an example from raw telemetry to feature health, and say what came of it."""
    if days is not None:
        os.environ["INTELLIGENCE_SIMULATED_DAYS"] = str(days)
    outcome = _brought_up_to_date()
    _print_outcome(outcome)
    console.print(terminal.next_steps(_invocation(), _product_file()), soft_wrap=True)
    _leave(outcome)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence ingest")
def ingest(as_json: AsJson = False) -> None:
    """Take in new files from every source and bring all tables up to date."""
    _report(_brought_up_to_date(), as_json=as_json)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence status --json | jq .trouble")
@without_pandas()
def status(
    everything: Annotated[bool, typer.Option("--all", help="List everything, however long.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what needs attention, what was done, what comes next, and what the lake holds."""
    lake = _lake()
    if as_json:
        _print_json(_summary(lake) if lake.exists() else {"empty": True})
        return
    if not lake.exists():
        _say(
            f"The lake is empty. `intelligence ingest` takes in what {_product_file()} names; `make demo` shows an example."
        )
        return
    _print_summary(lake, most=None if everything else terminal.SHOWN_AT_MOST)
    _demand_whole_flags()


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
    product, lake = product_at(now.product_file), _lake()
    if as_json or propose:
        sources = list(previewed_sources(product))
        whole = previewed_product(product, sources, lake, now.landing)
        if propose:
            print(harmless(whole.proposal, lines=True))
        else:
            _print_json({"product": product.name, "sources": sources, "product_warnings": whole.warnings})
        raise typer.Exit(int(any(each.is_wrong for each in sources)))
    console.print(
        f"[green]✓[/] {escape(now.product_file.name)}: {escape(product.name)}, {len(product.sources)} source(s), "
        f"{len(product.features)} feature(s) declared"
    )
    sources = []
    for previewed in previewed_sources(product):
        sources.append(previewed)
        console.print(terminal.preview_text(previewed, _invocation()), soft_wrap=True)
    for warning in previewed_product(product, sources, lake, now.landing).warnings:
        console.print(Text(f"! {_invocation().spelled_out(warning)}", "yellow"), soft_wrap=True)
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

    lake = _lake()
    report = redriven(lake, product_at(settings().product_file), source=source, now=_now())
    console.print(
        f"{report.taken:,} rows taken again: {report.accepted:,} accepted, {report.duplicates:,} duplicates, "
        f"{report.still_rejected:,} still rejected."
    )
    for error in report.refused:
        _print_error(error)
    if report.accepted:
        outcome = _brought_up_to_date()
        _print_outcome(outcome)
        _leave(outcome)


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence models")
def models(as_json: AsJson = False) -> None:
    """List the versions of each risk model with their measures, and who made which one champion."""
    from intelligence.interfaces.cli.models import models_parts

    registry = _registry()
    if as_json:
        _print_json(
            {
                model: {"versions": registry.versions(model), "history": registry.history(model)}
                for model in _model_names()
            }
        )
        return
    for model in _model_names():
        registry.noticed(model)
        for part in models_parts(model, registry.versions(model), registry.history(model)):
            console.print(part)
            console.print()


@app.command(
    rich_help_panel=MODELS, epilog="Example: intelligence promote feature_risk 3 --why 'calibrated better in review'"
)
def promote(
    model: Annotated[str, typer.Argument(help="feature_risk or user_churn.")],
    version: Annotated[str, typer.Argument(help="Version to make champion; `intelligence models` lists them.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Make a version champion and score the newest day with it."""
    _known(model)
    move = _registry().promoted(model, version, actor=_person(), cause="promoted by hand", reason=why)
    _say(f"Version {move.to_version} is the champion of {model}; before it was {move.from_version or 'none'}.")
    _report_overruled(move)
    _score_anew()


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence revert feature_risk --why 'too many alarms'")
def revert(
    model: Annotated[str, typer.Argument(help="feature_risk or user_churn.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Bring back the champion before the present one and score the newest day with it."""
    _known(model)
    move = _registry().reverted(model, actor=_person(), reason=why)
    _say(f"Version {move.to_version} is the champion of {model} again; version {move.from_version} was.")
    _report_overruled(move)
    _score_anew()


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence train --why 'new season'")
def train(why: Annotated[str, typer.Option(help="Reason, for the registry.")] = "asked for by a person") -> None:
    """Train and judge all models now, and score the newest day."""
    from assets.graph.runner import trained_anew

    _report_of(
        lambda definitions, platform, instance, listener: trained_anew(
            definitions(platform),
            platform,
            instance,
            today=platform.due.today_of_product(),
            cause=why,
            listener=listener,
        )
    )


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence explain checkout")
def explain(
    what: Annotated[str, typer.Argument(help="A feature, or the beginning of a decision's id.")],
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of a decision: why, why not more, what came of it, and the rows that it rests on."""
    from intelligence.interfaces.cli.decisions import explanation_parts

    story = _platform().explanations.story_of(what)
    if as_json:
        _print_json(story)
        return
    for part in explanation_parts(story):
        console.print(part)
        console.print()


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence why error_rate --feature checkout")
def why(
    metric: Annotated[
        str,
        typer.Argument(help="error_rate, crash_rate, slow_rate, bad_rating_rate, conversion_rate or events_per_user."),
    ],
    feature: Annotated[str, typer.Option(help="Only events of this feature.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=[DAY], help="Last day; else the newest one.")] = None,
    days: Annotated[int, typer.Option(help="Number of days that end with it.")] = 1,
    before: Annotated[
        datetime | None, typer.Option(formats=[DAY], help="Last day of the week to compare with.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say where the change of a metric lies: platform, release, region, segment, feature or flag arm."""
    from intelligence.interfaces.cli.causes import movement_parts, movement_record

    asked = {name: each.date() if each else None for name, each in (("day", day), ("before", before))}
    found = _platform().causes.why(metric, feature=feature, days=days, **asked)
    if as_json:
        _print_json(movement_record(found))
        return
    for part in movement_parts(found):
        console.print(part)
        console.print()


app.add_typer(forecasts.app, name="forecast", rich_help_panel=EVERY_DAY)


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence annotate 'price raised' --day 2026-11-02")
def annotate(
    text: Annotated[str, typer.Argument(help="What happened, in a sentence.")],
    day: Annotated[datetime | None, typer.Option(formats=[DAY], help="Day; else the newest one.")] = None,
    feature: Annotated[str | None, typer.Option(help="Feature that it is about; else the whole product.")] = None,
    by: Annotated[str, typer.Option(help="Who says so; else you.")] = "",
) -> None:
    """Note what happened on a day: every chart of a series shows it."""
    noted = _platform().annotations.noted(text, day=day.date() if day else None, feature=feature, by=by or _person())
    _say(harmless(f"Noted for {noted.day}{f' and {noted.feature}' if noted.feature else ''}: {noted.text}"))


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence annotations --days 14 --feature checkout")
def annotations(
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How many days up to the newest one, and after it.")] = 28,
    feature: Annotated[str | None, typer.Option(help="Only what concerns this feature.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what happened: releases, incidents, experiments, actions, trainings, holidays and notes."""
    from intelligence.interfaces.cli.annotations import annotations_table

    found = _platform().annotations.around(days, feature=feature)
    if as_json:
        _print_json(found)
    elif found:
        console.print(annotations_table(found))
    else:
        _say("Nothing is known to have happened. `intelligence annotate 'what happened'` notes something.")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence actions --limit 5")
def actions(
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = terminal.SHOWN_AT_MOST,
    as_json: AsJson = False,
) -> None:
    """List actions with where they stand, what is paused, and flags that a person has locked."""
    from intelligence.interfaces.cli.decisions import actions_table

    shown = _platform().actions.shown_actions(limit=limit)
    if as_json:
        _print_json(shown)
        raise typer.Exit(int(shown.trouble is not None))
    console.print(actions_table(shown.rows) if shown.rows else "No action was ever asked for.")
    for note in shown.notes:
        _say(note)
    if shown.trouble:
        errors.print(_spelled(shown.trouble), soft_wrap=True)
        raise typer.Exit(1)


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence approve 1a2b3c --why 'seen in the dashboard'")
def approve(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id; `intelligence actions` lists them.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Let a waiting action be carried out, and deliver it."""
    entry = _announcer().outbox().approved(action, actor=_person(), reason=why or "approved")
    _say(f"{entry.action.title} may be done.")
    _deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence reject 1a2b3c --why 'known, mended tomorrow'")
def reject(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Refuse a waiting action; it will never be carried out."""
    entry = _announcer().outbox().rejected(action, actor=_person(), reason=why or "rejected")
    _say(f"{entry.action.title} will not be done.")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence undo 1a2b3c")
def undo(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Take an action back: a flag returns to what it was before."""
    _announcer().outbox().undo_wanted(action, actor=_person(), reason=why or "undone")
    _deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence settle 1a2b3c --happened")
def settle(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you found at the target.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Say what became of an action of which nobody could tell."""
    entry = (
        _announcer().outbox().settled(action, happened=happened, actor=_person(), reason=why or "looked at the target")
    )
    _say(f"{entry.action.title} stands at {entry.standing}.")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence pause feature:checkout --why 'sale'")
def pause(
    scope: Annotated[str, typer.Argument(help="everything, feature:<name> or kind:<kind>.")] = "everything",
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Stop actions before the next one is delivered: all, those on a feature, or those of a kind."""
    new = _announcer().outbox().paused(scope, actor=_person(), reason=why or "paused")
    _say(f"{scope} is paused{'' if new else ' already'}. `intelligence resume {scope}` ends it.")
    if unseen := _platform().actions.unseen_feature(scope):
        _say(f"No feature {unseen} was seen yet: the pause holds for one that comes. Is the name right?")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence resume everything")
def resume(
    scope: Annotated[str, typer.Argument(help="everything, feature:<name> or kind:<kind>.")] = "everything",
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """End a pause; what waited is delivered."""
    was = _announcer().outbox().resumed(scope, actor=_person(), reason=why or "resumed")
    _say(f"{scope} goes on." if was else f"{scope} was not paused.")
    _deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence release checkout")
def release(
    flag: Annotated[str, typer.Argument(help="Key of the flag.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Let the platform change a flag again that a person had changed."""
    was = _announcer().flags([])[1].released(flag, actor=_person(), reason=why or "released")
    _say(f"The platform may change {flag} again." if was else f"{flag} was not locked.")


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence backup /mnt/backups/2026-11-29")
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the copy, best on another disk.")],
) -> None:
    """Copy everything that the platform wrote, while it runs: lake, actions, flags, models, runs, product.yaml."""
    from resources.config.settings import settings
    from resources.services.backup import backed_up

    made = backed_up(settings(), _announcer().flag_target().file, folder.resolve(), at=datetime.now(UTC))
    _say(
        f"{made.files:,} files, {made.bytes / 1e6:,.1f} MB, are in {folder}. `intelligence restore {folder}` puts them back."
    )
    if made.elsewhere:
        _say(f"What {', '.join(made.elsewhere)} names lies elsewhere and needs a backup of its own.")


@app.command(rich_help_panel=EVERY_DAY, epilog="Example: intelligence restore /mnt/backups/2026-11-29")
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `intelligence backup` made.")],
) -> None:
    """Put a backup back where nothing stands, and pause every action until a person lets it go on."""
    from resources.config.settings import settings
    from resources.services.backup import restored

    at = restored(settings(), folder.resolve(), actor=_person())
    _say(f"Everything is as it was on {at:%Y-%m-%d %H:%M} UTC, and paused: what was sent since is not known.")
    _say("`intelligence actions` lists what was sent until then; `intelligence resume everything` lets it go on.")


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
        serve(dashboard_port=dashboard_port, api_port=api_port, **ports, say=_say, tell=_print_server_line)
    )


def _print_server_line(name: str, line: str) -> None:
    """Print a line of a server without its colours, since it may quote text of any origin."""
    console.print(Text(f"{name:8} {COLOURS.sub('', line)}"), soft_wrap=True)


@cache
def _invocation() -> Invocation:
    """Return how this program is called here; `options` calls it first, before anything changes the working directory."""
    from resources.config.settings import product_and_data

    product, data = product_and_data()
    example = next((name for name, (file, _) in EXAMPLES.items() if ROOT / file == product), None)
    options = (
        [] if example is Example.classroom else ["--example", example] if example else ["--product", _shown(product)]
    )
    if data != ROOT / EXAMPLES[example or Example.classroom][1]:
        options += ["--data", _shown(data)]
    names = {"INTELLIGENCE_PRODUCT": "--product", "INTELLIGENCE_DATA": "--data"}
    settings = {
        variable: _used.get(variable) or (variable if os.environ.get(variable) else f"{option} or {variable}")
        for variable, option in names.items()
    }
    return Invocation(_program(), tuple(options), settings)


def _program() -> str:
    found, script = shutil.which("intelligence"), Path(sys.executable).with_name("intelligence")
    return _shown(script) if script.exists() and not (found and script.samefile(found)) else "intelligence"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _product_file() -> str:
    from resources.config.settings import settings
    from resources.intake.delivery import display_name

    return display_name(settings().product_file)


def _spelled(text: str) -> Text:
    return Text(_invocation().spelled_out(text))


def _say(text: str) -> None:
    """Print a sentence on one line, so that a command in it can be copied."""
    console.print(_spelled(text), soft_wrap=True)


def _print_error(error: PlatformError, to: TerminalConsole = console) -> None:
    to.print(terminal.error_text(error, _invocation()), soft_wrap=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _platform() -> "Platform":
    from resources.config.settings import settings
    from resources.platform import Platform

    return Platform.of(settings())


def _lake() -> "Lake":
    return _platform().lake


def _registry() -> "Registry":
    return _platform().registry


def _announcer() -> "Announcer":
    return _platform().announcer


def _deliver() -> None:
    report = _platform().actions.delivered()
    for result in report.results:
        _say(f"{result.action_id[:12]} stands at {result.standing}: {result.reason}")
    if report.held_up:
        _say(f"Delivery waits: {report.held_up}.")


def _model_names() -> list[str]:
    from resources.services.panels import ALL_MODELS

    return list(ALL_MODELS)


def _known(model: str) -> None:
    if model not in _model_names():
        raise ModelError(model, "there is no such model.", hint=f"Choose {' or '.join(_model_names())}.")


def _person() -> str:
    import getpass

    return getpass.getuser()


def _report_overruled(move: "Move") -> None:
    """Print a warning where the promotion gate did not approve the champion, and notify the others once."""
    from intelligence.risk.versions import verdict_overruled

    said = verdict_overruled(move)
    if said:
        _say(said)
        _platform().retraining.notified_of_overruled()


def _score_anew() -> None:
    from assets.graph.runner import rescored

    _report_of(
        lambda definitions, platform, instance, listener: rescored(
            definitions(platform), platform, instance, listener=listener
        )
    )


def _report(outcome: "Outcome", *, as_json: bool = False) -> None:
    """Print the outcome of a run, and exit with 1 where a person must correct something."""
    if as_json:
        _print_json(outcome)
    else:
        _print_outcome(outcome)
    _leave(outcome)


def _report_of(work: "Work") -> None:
    _report(_done(work))


def _done(work: "Work") -> "Outcome":
    """Return the outcome of a run of the asset graph, whose progress is shown on standard error."""
    from intelligence.catalog.changes import changes, contents

    try:
        with errors.status("loading the asset graph"):
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
        with run_store_failures_reported(now), progress_on(errors) as listener:
            outcome = work(definitions, platform, instance, listener)
    except KeyboardInterrupt:
        _stopped()
    if outcome.interrupted:
        _stopped()
    outcome.changed = [*outcome.changed, *changes(before, contents(lake.frame), days=outcome.days)]
    return outcome


def _stopped() -> NoReturn:
    """Print that a person stopped the work, and exit with the code of a program that Ctrl-C ended."""
    errors.print(_spelled("Stopped. What was done is kept; `intelligence ingest` goes on from there."), soft_wrap=True)
    raise typer.Exit(130)


def _found_up_to_date() -> "Outcome | None":
    """Return the outcome where nothing is to be done, found without loading Dagster; None where a run has to be made."""
    from intelligence.catalog.changes import NOTHING, Outcome
    from resources.config.settings import settings
    from resources.processes.run_databases import every_run_has_ended

    with without_pandas(), errors.status("looking for new files"):
        platform = _platform()
        if not every_run_has_ended(settings()) or not platform.up_to_date.holds(today=platform.due.today_of_product()):
            return None
        retraining = platform.retraining
        return Outcome(told=[*retraining.notified_of_drift(), *retraining.notified_of_overruled()], changed=[NOTHING])


def _brought_up_to_date() -> "Outcome":
    from resources.config.settings import settings
    from resources.intake.arrivals import let_settle
    from resources.intake.product_file import product_at

    let_settle(product_at(settings().product_file), say=errors.print)
    found = _found_up_to_date()
    if found:
        return found
    from assets.graph.runner import brought_up_to_date

    return _done(
        lambda definitions, platform, instance, listener: brought_up_to_date(
            definitions, platform, instance, today=platform.due.today_of_product(), listener=listener
        )
    )


def _print_outcome(outcome: "Outcome") -> None:
    for change in outcome.changed:
        _say(change)
    console.print()
    _warn_of_unmatched_globs()
    for error in terminal.refusals(outcome.refused):
        _print_error(error)
    for name, why in outcome.left:
        _say(f"{name} was left: {why}. Run `intelligence ingest` again when it is whole.")
    if outcome.failed_checks:
        console.print(terminal.failed_checks_table(outcome.failed_checks))
        console.print()
    if outcome.error:
        _print_error(PlatformError("Stopped", outcome.error, hint="Mend it and run `intelligence ingest` again."))
    _print_summary(_lake())


def _warn_of_unmatched_globs() -> None:
    from resources.config.settings import settings
    from resources.intake.preview import unmatched_globs
    from resources.intake.product_file import product_at

    for source in product_at(settings().product_file).all_sources:
        for glob in unmatched_globs(source):
            console.print(terminal.unmatched_text(source.name, glob, _product_file()), soft_wrap=True)


def _leave(outcome: "Outcome") -> None:
    _demand_whole_flags()
    if outcome.error or outcome.refused:
        raise typer.Exit(1)


def _demand_whole_flags() -> None:
    """Exit with an error where the flag file was lost or cannot be read, so that it is reported before it is needed."""
    trouble = _announcer().flag_trouble()
    if trouble:
        errors.print(_spelled(trouble), soft_wrap=True)
        raise typer.Exit(1)


def _summary(lake: "Lake") -> "Summary":
    from intelligence.catalog.summary import summary
    from resources.config.settings import settings
    from resources.intake.product_file import product_at

    with lake.one_snapshot():
        return summary(lake.frame, product_at(settings().product_file))


def _print_json(value: object) -> None:
    """Print the value as JSON on one line of plain ASCII, for another program."""
    print(json.dumps(plain(value)))


@without_pandas()
def _print_summary(lake: "Lake", *, most: int | None = terminal.SHOWN_AT_MOST) -> None:
    from intelligence.telemetry.beginnings import set_aside_sentences

    with lake.one_snapshot():
        set_aside, found = lake.set_aside(), _summary(lake)
    for sentence in set_aside_sentences(set_aside):
        console.print(Text(sentence, style="yellow"), soft_wrap=True)
        console.print()
    for part in terminal.summary_parts(found, most=most):
        console.print(_spelled(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))
        console.print()


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
        _print_error(failure, errors)
        sys.exit(1)


if __name__ == "__main__":
    main()
