"""Annotations at a terminal: what happened, day by day."""

from collections.abc import Sequence

from rich.console import RenderableType

from intelligence.catalog.annotations import Annotation
from intelligence.interfaces.cli.table import add, table


def annotations_table(found: Sequence[Annotation]) -> RenderableType:
    """Return what happened, the newest day last."""
    shown = table("", "day", "kind", "feature", "what", texts=("what",))
    for each in found:
        by = f" ({each.by})" if each.by else ""
        add(shown, str(each.day), each.kind, each.feature or "", f"{each.text}{by}")
    return shown
