"""What all commands share: how the program was called, what it works on, and how it prints."""

import json
import os
import shutil
import sys
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from intelligence.core.errors import PlatformError
from intelligence.core.machine_readable import plain
from intelligence.interfaces.cli.console import TerminalConsole, terminal_console
from intelligence.interfaces.cli.invocation import Invocation

if TYPE_CHECKING:
    from resources.lake.door import Lake
    from resources.messages.announcer import Announcer
    from resources.models.registry import Registry
    from resources.platform import Platform

DAY = "%Y-%m-%d"
ROOT = Path(__file__).resolve().parents[3]
console = terminal_console(columns=os.environ.get("COLUMNS"))
errors = terminal_console(stderr=True, columns=os.environ.get("COLUMNS"))
# The options with which the user set these environment variables.
used: dict[str, str] = {}


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


@cache
def invocation() -> Invocation:
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
        variable: used.get(variable) or (variable if os.environ.get(variable) else f"{option} or {variable}")
        for variable, option in names.items()
    }
    return Invocation(_program(), tuple(options), settings)


def _program() -> str:
    found, script = shutil.which("intelligence"), Path(sys.executable).with_name("intelligence")
    return _shown(script) if script.exists() and not (found and script.samefile(found)) else "intelligence"


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def product_file() -> str:
    """Return the name of the product file, as it is shown."""
    from resources.config.settings import settings
    from resources.intake.delivery import display_name

    return display_name(settings().product_file)


def spelled(text: str) -> Text:
    """Return a text whose commands are spelled out as this program is called."""
    return Text(invocation().spelled_out(text))


def say(text: str) -> None:
    """Print a sentence on one line, so that a command in it can be copied."""
    console.print(spelled(text), soft_wrap=True)


def print_error(error: PlatformError, to: TerminalConsole = console) -> None:
    """Print an error with its next step.

    Args:
        error: The error.
        to: Where it is printed.
    """
    from intelligence.interfaces.cli.terminal import error_text

    to.print(error_text(error, invocation()), soft_wrap=True)


def print_json(value: object) -> None:
    """Print the value as JSON on one line of plain ASCII, for another program."""
    print(json.dumps(plain(value)))


def now() -> datetime:
    """Return the present, UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def platform() -> "Platform":
    """Return the platform of the settings."""
    from resources.config.settings import settings
    from resources.platform import Platform

    return Platform.of(settings())


def lake() -> "Lake":
    """Return the lake of the platform."""
    return platform().lake


def registry() -> "Registry":
    """Return the registry of models."""
    return platform().registry


def announcer() -> "Announcer":
    """Return what asks for actions and delivers them."""
    return platform().announcer


def person() -> str:
    """Return the name of the person who calls."""
    import getpass

    return getpass.getuser()


def deliver() -> None:
    """Deliver the actions that may be carried out, and print where they stand."""
    report = platform().actions.delivered()
    for result in report.results:
        say(f"{result.action_id[:12]} stands at {result.standing}: {result.reason}")
    if report.held_up:
        say(f"Delivery waits: {report.held_up}.")
