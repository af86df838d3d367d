"""The command line that calls this program for the present product and data, so that commands in hints can be copied."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

_VARIABLE = re.compile(r"\bINTELLIGENCE_[A-Z_]+\b")
_COMMAND = re.compile(r"`intelligence ([a-z][^`]*)`")


@dataclass(frozen=True, slots=True)
class Invocation:
    """The program as it is called here, and the options of every command.

    Attributes:
        program: Path or name of the program.
        options: Options that precede every command.
        settings: By environment variable, how it is set here, such as `--data` for INTELLIGENCE_DATA.
    """

    program: str = "intelligence"
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def command(self, words: str) -> str:
        """Return the whole command line for `words`, quoted for a shell.

        >>> Invocation(".venv/bin/intelligence", ("--data", "my data")).command("redrive --source app")
        ".venv/bin/intelligence --data 'my data' redrive --source app"
        """
        return f"{shlex.join((self.program, *self.options))} {words}"

    def spelled_out(self, text: str) -> str:
        """Return `text` with each `intelligence …` in backticks as it must be called here, and each variable as it is set here.

        >>> Invocation(options=("--example", "small")).spelled_out("Try `intelligence check`.")
        'Try `intelligence --example small check`.'
        >>> Invocation(settings={"INTELLIGENCE_DATA": "--data"}).spelled_out("Name a folder with INTELLIGENCE_DATA.")
        'Name a folder with --data.'
        """
        named = _VARIABLE.sub(lambda found: self.settings.get(found[0], found[0]), text)
        return _COMMAND.sub(lambda found: f"`{self.command(found[1])}`", named)
