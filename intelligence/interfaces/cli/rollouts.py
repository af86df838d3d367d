"""The commands `intelligence rollout`: start, stop and show the guarded rollouts of flags."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from intelligence.core.errors import ActionError
from intelligence.interfaces.cli import session
from intelligence.interfaces.cli.options import AsJson
from intelligence.interfaces.cli.table import add, table

app = typer.Typer(help="Guarded rollouts: a flag is raised step by step, and harm rolls it back.", no_args_is_help=True)


@app.command("start", epilog="Example: intelligence rollout start new-editor --steps 5,25,50,100")
def start(
    flag: Annotated[str, typer.Argument(help="Key of the flag; its feature names it as `flag_key`.")],
    steps: Annotated[
        str | None, typer.Option(help="Per cent of all users, rising to 100; else those of product.yaml.")
    ] = None,
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Raise a flag step by step, as soon as and only if each step shows no harm; starting again goes on from where it is."""
    platform = session.platform()
    given = None if steps is None else steps_in(flag, steps)
    rollout = platform.rollouts.started(flag, given, actor=session.person(), reason=why or "started")
    level = platform.product.decisions.advance.level
    session.say(
        f"{flag} is raised to {', '.join(f'{step:g} %' for step in rollout.steps)} of all users, each step for at least"
        f" {rollout.dwell_days} days. The first step is decided with the newest day, at the level {level}."
    )


@app.command("status", epilog="Example: intelligence rollout status --json")
def status(as_json: AsJson = False) -> None:
    """Show where each running rollout stands, and what was decided about it last."""
    rows = session.platform().rollouts.shown()
    if as_json:
        session.print_json(rows)
    elif rows:
        session.console.print(rollouts_table(rows))
    else:
        session.say("No rollout is running. `intelligence rollout start FLAG` starts one.")


@app.command("stop", epilog="Example: intelligence rollout stop new-editor --why 'a bug was reported'")
def stop(
    flag: Annotated[str, typer.Argument(help="Key of the flag.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Stop a rollout: the flag stays as it is, and steps that wait are refused."""
    share = session.platform().rollouts.stopped(flag, actor=session.person(), reason=why or "stopped")
    left = "as its targeting says" if share is None else f"on for {share:.4g} of all users"
    session.say(f"The rollout of {flag} is stopped; the flag stays {left}.")


def steps_in(flag: str, text: str) -> list[float]:
    """Return the steps in per cent that the text lists.

    Args:
        flag: Key of the flag, for the message.
        text: Numbers with commas between them.

    Raises:
        ActionError: The text is no list of numbers.

    >>> steps_in("quiz", "5, 25,50,100")
    [5.0, 25.0, 50.0, 100.0]
    """
    try:
        return [float(part.strip().removesuffix("%")) for part in text.split(",")]
    except ValueError:
        raise ActionError(
            f"rollout of {flag}", f"`{text}` is no list of steps.", hint="Write them as --steps 5,25,50,100."
        ) from None


def rollouts_table(rows: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return the running rollouts as a table."""
    shown = table("Rollouts", "flag", "steps", "at", "since", "decision", "as", "why", texts=("why",))
    for row in rows:
        add(
            shown,
            row["flag"],
            ", ".join(f"{step:g}" for step in row["steps"]),
            "not known" if row["exposure"] is None else f"{row['exposure']:.1%}",
            str(row["since"] or ""),
            row["action"] or "none yet",
            row["level"] or "",
            row["reason"] or "",
        )
    return shown
