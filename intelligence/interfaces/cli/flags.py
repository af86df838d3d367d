"""The commands `intelligence flags`: what is known of the file of feature flags, and a person's word after it was lost."""

from typing import Annotated

import typer

app = typer.Typer(help="The file of feature flags: what is known of it, and a person's word after it was lost.")


@app.command("show")
def show() -> None:
    """Say whether the file of flags is whole, and which flags a person has locked."""
    from intelligence.interfaces.cli import commands

    flags, trouble = commands._announcer().flag_target(), commands._announcer().flag_trouble()
    for lock in flags.record.locks():
        commands._say(f"Flag {lock.flag} is locked ({lock.reason}): `intelligence release {lock.flag}`.")
    commands._say(trouble or f"{flags.file.path}: nothing was lost of it.")
    if trouble:
        raise typer.Exit(1)


@app.command("restore")
def restore(why: Annotated[str, typer.Option(help="Reason, for the history.")] = "") -> None:
    """Bring the file of flags back as the platform saw it last, after it was lost."""
    from intelligence.interfaces.cli import commands

    flags = commands._announcer().flag_target()
    seen = flags.file.restored(actor=commands._person(), reason=why or "restored")
    commands._say(f"{flags.file.path} is again what it was on {seen}.")
    commands._deliver()


@app.command("accept")
def accept(why: Annotated[str, typer.Option(help="Reason, for the history.")] = "") -> None:
    """Take the file of flags as it is for right, or that there is none, after it was lost."""
    from intelligence.interfaces.cli import commands

    flags = commands._announcer().flag_target()
    flags.file.accepted(actor=commands._person(), reason=why or "accepted")
    commands._say(
        f"{flags.file.path} is taken as it is. What was done at its flags before stays as `intelligence actions` lists it."
    )
