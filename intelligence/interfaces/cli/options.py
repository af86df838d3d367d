"""What several commands share: the panels of the help, and the option for other programs."""

from typing import Annotated, Final

import typer

EVERY_DAY: Final = "Every day"
ACTIONS: Final = "Decisions and actions"
MODELS: Final = "Models"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]
