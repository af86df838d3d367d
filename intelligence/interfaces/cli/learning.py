"""Commands about models: which there are, which one is champion, and training."""

from typing import TYPE_CHECKING, Annotated

import typer

from intelligence.core.errors import ModelError
from intelligence.interfaces.cli import running, session
from intelligence.interfaces.cli.options import MODELS, AsJson

if TYPE_CHECKING:
    from intelligence.risk.versions import Move

app = typer.Typer()


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence models")
def models(as_json: AsJson = False) -> None:
    """List the versions of each risk model with their measures, and who made which one champion."""
    from intelligence.interfaces.cli.models import models_parts

    registry = session.registry()
    if as_json:
        session.print_json(
            {
                model: {"versions": registry.versions(model), "history": registry.history(model)}
                for model in _model_names()
            }
        )
        return
    for model in _model_names():
        registry.noticed(model)
        for part in models_parts(model, registry.versions(model), registry.history(model)):
            session.console.print(part)
            session.console.print()


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
    move = session.registry().promoted(model, version, actor=session.person(), cause="promoted by hand", reason=why)
    session.say(f"Version {move.to_version} is the champion of {model}; before it was {move.from_version or 'none'}.")
    _report_overruled(move)
    _score_anew()


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence revert feature_risk --why 'too many alarms'")
def revert(
    model: Annotated[str, typer.Argument(help="feature_risk or user_churn.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Bring back the champion before the present one and score the newest day with it."""
    _known(model)
    move = session.registry().reverted(model, actor=session.person(), reason=why)
    session.say(f"Version {move.to_version} is the champion of {model} again; version {move.from_version} was.")
    _report_overruled(move)
    _score_anew()


@app.command(rich_help_panel=MODELS, epilog="Example: intelligence train --why 'new season'")
def train(why: Annotated[str, typer.Option(help="Reason, for the registry.")] = "asked for by a person") -> None:
    """Train and judge all models now, and score the newest day."""
    from assets.graph.runner import trained_anew

    running.report_of(
        lambda definitions, platform, instance, listener: trained_anew(
            definitions(platform),
            platform,
            instance,
            today=platform.due.today_of_product(),
            cause=why,
            listener=listener,
        )
    )


def _model_names() -> list[str]:
    from resources.services.panels import ALL_MODELS

    return list(ALL_MODELS)


def _known(model: str) -> None:
    if model not in _model_names():
        raise ModelError(model, "there is no such model.", hint=f"Choose {' or '.join(_model_names())}.")


def _report_overruled(move: "Move") -> None:
    """Print a warning where the promotion gate did not approve the champion, and notify the others once."""
    from intelligence.risk.versions import verdict_overruled

    said = verdict_overruled(move)
    if said:
        session.say(said)
        session.platform().retraining.notified_of_overruled()


def _score_anew() -> None:
    from assets.graph.runner import rescored

    running.report_of(
        lambda definitions, platform, instance, listener: rescored(
            definitions(platform), platform, instance, listener=listener
        )
    )
