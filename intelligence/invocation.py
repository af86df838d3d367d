"""How this program is called for the present product and data, so that a command in a hint can be copied and pasted."""

import re
import shlex
from dataclasses import dataclass

_COMMAND = re.compile(r"`intelligence ([a-z][^`]*)`")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The program as it is called here and the options that hold for every command."""

    program: str = "intelligence"
    options: tuple[str, ...] = ()

    def command(self, words: str) -> str:
        """Return the whole command line for `words`, quoted for a shell.

        >>> Invocation(".venv/bin/intelligence", ("--data", "my data")).command("redrive --source app")
        ".venv/bin/intelligence --data 'my data' redrive --source app"
        """
        return f"{shlex.join((self.program, *self.options))} {words}"

    def spelled_out(self, text: str) -> str:
        """Return `text` with each `intelligence …` in backticks as it is to be called here.

        >>> Invocation(options=("--example", "small")).spelled_out("Try `intelligence check`.")
        'Try `intelligence --example small check`.'
        """
        return _COMMAND.sub(lambda found: f"`{self.command(found[1])}`", text)
