"""Marks on the charts of series: vertical rules with short labels at the days on which something happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from intelligence.core.foreign import harmless

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RULE_COLOUR: Final = "#8a5a00"
LONGEST_LABEL: Final = 26


@dataclass(frozen=True, slots=True)
class Mark:
    """A day on which something happened.

    Attributes:
        day: The day.
        label: What happened, in few words.
        text: What happened, whole; empty where the label says it all.
        page: The page of a reader with the evidence, such as `decisions`; empty where there is none.
        asked: What that page is asked for, by name.
    """

    day: date
    label: str
    text: str = ""
    page: str = ""
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def sentence(self) -> str:
        """Return what happened when, in a sentence.

        >>> Mark(date(2026, 5, 4), "telemetry partial", "telemetry partial: no event in 12 hours").sentence
        '2026-05-04: telemetry partial: no event in 12 hours.'
        """
        said = " ".join((self.text or self.label).split())
        return f"{self.day}: {said}" if said.endswith((".", "!", "?")) else f"{self.day}: {said}."

    @property
    def short(self) -> str:
        """Return the label on one line, cut to what fits on a chart.

        >>> Mark(date(2026, 5, 4), "incident: the telemetry of the day is partial").short
        'incident: the telemetry o…'
        """
        text = " ".join(harmless(self.label).split())
        return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def draw_marks(axes: "Axes", marks: Sequence[Mark], *, labels: bool = True) -> None:
    """Draw a rule for each mark that lies in the range of the axis, with its label at the top, each on a line of its own.

    Args:
        axes: Axes whose horizontal axis is one of days, with its limits set.
        marks: The marks.
        labels: Whether labels are written too.
    """
    from matplotlib.dates import date2num

    left, right = axes.get_xlim()
    shown = [each for each in sorted(marks, key=lambda each: each.day) if left <= _number(date2num, each.day) <= right]
    for place, each in enumerate(shown):
        day = _number(date2num, each.day)
        axes.axvline(day, color=RULE_COLOUR, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)
        if not labels:
            continue
        is_late = day > left + 0.72 * (right - left)
        axes.annotate(
            each.short,
            (day, 0.98),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if is_late else 3, -9 * place),
            textcoords="offset points",
            ha="right" if is_late else "left",
            va="top",
            fontsize=6.5,
            color=RULE_COLOUR,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
        )


def _number(date2num: object, day: date) -> float:
    return float(date2num(day))  # type: ignore[operator] # matplotlib has not annotated it
