"""The commands `intelligence flags`: what is known of the file of feature flags, and a person's word after it was lost."""

from typing import Annotated

import typer

from intelligence.interfaces.cli import session

app = typer.Typer(help="The file of feature flags: what is known of it, and a person's word after it was lost.")


@app.command("show")
def show() -> None:
    """Say whether the file of flags is whole, and which flags a person has locked."""
    flags, trouble = session.announcer().flag_target(), session.announcer().flag_trouble()
    for lock in flags.record.locks():
        session.say(f"Flag {lock.flag} is locked ({lock.reason}): `intelligence release {lock.flag}`.")
    session.say(trouble or f"{flags.file.path}: nothing was lost of it.")
    if trouble:
        raise typer.Exit(1)


@app.command("restore")
def restore(why: Annotated[str, typer.Option(help="Reason, for the history.")] = "") -> None:
    """Bring the file of flags back as the platform saw it last, after it was lost."""
    flags = session.announcer().flag_target()
    seen = flags.file.restored(actor=session.person(), reason=why or "restored")
    session.say(f"{flags.file.path} is again what it was on {seen}.")
    session.deliver()


@app.command("accept")
def accept(why: Annotated[str, typer.Option(help="Reason, for the history.")] = "") -> None:
    """Take the file of flags as it is for right, or that there is none, after it was lost."""
    flags = session.announcer().flag_target()
    flags.file.accepted(actor=session.person(), reason=why or "accepted")
    session.say(
        f"{flags.file.path} is taken as it is. What was done at its flags before stays as `intelligence actions` lists it."
    )
