"""Commands about decisions and actions: their reasons, approvals, and what is to stop or go on."""

from typing import Annotated

import typer

from intelligence.interfaces.cli import session, terminal
from intelligence.interfaces.cli.options import ACTIONS, AsJson

app = typer.Typer()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence explain checkout")
def explain(
    what: Annotated[str, typer.Argument(help="A feature, or the beginning of a decision's id.")],
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of a decision: why, why not more, what came of it, and the rows that it rests on."""
    from intelligence.interfaces.cli.decisions import explanation_parts

    story = session.platform().explanations.story_of(what)
    if as_json:
        session.print_json(story)
        return
    for part in explanation_parts(story):
        session.console.print(part)
        session.console.print()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence actions --limit 5")
def actions(
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = terminal.SHOWN_AT_MOST,
    as_json: AsJson = False,
) -> None:
    """List actions with where they stand, what is paused, and flags that a person has locked."""
    from intelligence.interfaces.cli.decisions import actions_table

    shown = session.platform().actions.shown_actions(limit=limit)
    if as_json:
        session.print_json(shown)
        raise typer.Exit(int(shown.trouble is not None))
    session.console.print(actions_table(shown.rows) if shown.rows else "No action was ever asked for.")
    for note in shown.notes:
        session.say(note)
    if shown.trouble:
        session.errors.print(session.spelled(shown.trouble), soft_wrap=True)
        raise typer.Exit(1)


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence approve 1a2b3c --why 'seen in the dashboard'")
def approve(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id; `intelligence actions` lists them.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Let a waiting action be carried out, and deliver it."""
    entry = session.announcer().outbox().approved(action, actor=session.person(), reason=why or "approved")
    session.say(f"{entry.action.title} may be done.")
    session.deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence reject 1a2b3c --why 'known, mended tomorrow'")
def reject(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Refuse a waiting action; it will never be carried out."""
    entry = session.announcer().outbox().rejected(action, actor=session.person(), reason=why or "rejected")
    session.say(f"{entry.action.title} will not be done.")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence undo 1a2b3c")
def undo(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Take an action back: a flag returns to what it was before."""
    session.announcer().outbox().undo_wanted(action, actor=session.person(), reason=why or "undone")
    session.deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence settle 1a2b3c --happened")
def settle(
    action: Annotated[str, typer.Argument(help="Beginning of the action's id.")],
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you found at the target.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Say what became of an action of which nobody could tell."""
    entry = (
        session.announcer()
        .outbox()
        .settled(action, happened=happened, actor=session.person(), reason=why or "looked at the target")
    )
    session.say(f"{entry.action.title} stands at {entry.standing}.")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence pause feature:checkout --why 'sale'")
def pause(
    scope: Annotated[str, typer.Argument(help="everything, feature:<name> or kind:<kind>.")] = "everything",
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Stop actions before the next one is delivered: all, those on a feature, or those of a kind."""
    new = session.announcer().outbox().paused(scope, actor=session.person(), reason=why or "paused")
    session.say(f"{scope} is paused{'' if new else ' already'}. `intelligence resume {scope}` ends it.")
    if unseen := session.platform().actions.unseen_feature(scope):
        session.say(f"No feature {unseen} was seen yet: the pause holds for one that comes. Is the name right?")


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence resume everything")
def resume(
    scope: Annotated[str, typer.Argument(help="everything, feature:<name> or kind:<kind>.")] = "everything",
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """End a pause; what waited is delivered."""
    was = session.announcer().outbox().resumed(scope, actor=session.person(), reason=why or "resumed")
    session.say(f"{scope} goes on." if was else f"{scope} was not paused.")
    session.deliver()


@app.command(rich_help_panel=ACTIONS, epilog="Example: intelligence release checkout")
def release(
    flag: Annotated[str, typer.Argument(help="Key of the flag.")],
    why: Annotated[str, typer.Option(help="Reason, for the history.")] = "",
) -> None:
    """Let the platform change a flag again that a person had changed."""
    was = session.announcer().flags([])[1].released(flag, actor=session.person(), reason=why or "released")
    session.say(f"The platform may change {flag} again." if was else f"{flag} was not locked.")
