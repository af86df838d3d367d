"""What is asked of a panel, and whether the panel can be asked that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from intelligence.core.errors import PanelError
from intelligence.risk.candidates import RIVALS

RESERVED: Final = ("fold", "label", *RIVALS)  # columns that a training adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a panel.

    `horizon` is how far the label looks ahead, in units of the time column: days for dates, however far apart they lie.
    `directions` says for some predictors that a higher value can only raise (1) or lower (-1) the risk; `floors` names
    columns that rank by themselves and must be beaten.
    """

    unit: str
    time: str
    label: str
    predictors: tuple[str, ...]
    horizon: int
    directions: Mapping[str, int] = field(default_factory=dict)
    floors: Mapping[str, str] = field(default_factory=dict)


def known_rows(panel: pl.DataFrame, question: Question) -> pl.DataFrame:
    """Return the rows with a known label in order of time and unit; raises PanelError where the panel is malformed."""
    if panel.is_empty():
        return panel
    _check(question)
    names = [question.unit, question.time, question.label, *question.predictors, *question.floors.values()]
    missing = sorted(set(names) - set(panel.columns))
    if missing:
        raise _malformed(f"it has no column {', '.join(missing)}.", "Name its columns in the question.")
    unfit = [name for name in question.predictors if set(name) & set("[]<")]
    if unfit:
        raise _malformed(f"a file of trees cannot hold the name {', '.join(unfit)}.", "Rename it without [, ] and <.")
    types = panel.schema
    numbers = [question.label, *question.predictors, *question.floors.values()]
    texts = [name for name in numbers if not (types[name].is_numeric() or types[name] in (pl.Boolean, pl.Null))]
    if texts:
        raise _malformed(f"{', '.join(texts)} hold no numbers but {types[texts[0]]}.", "Give numbers or Booleans.")
    if not (types[question.time] == pl.Date or types[question.time].is_integer()):
        raise _malformed(
            f"its time {question.time} is {types[question.time]}.",
            "Give a date or a whole number, and the horizon in days or in units of that number.",
        )
    rows = panel.filter(pl.col(question.label).is_not_null())
    if not rows[question.label].cast(pl.Float64).is_in([0.0, 1.0]).all():
        raise _malformed(f"its label {question.label} has values other than 0 and 1.", "Give true, false or null.")
    keys = rows.select(question.time, question.unit)
    if sum(keys.null_count().row(0)):
        raise _malformed(f"{question.time} or {question.unit} is null in some rows.", "Leave those rows out.")
    if keys.is_duplicated().any():
        raise _malformed(f"several rows share {question.time} and {question.unit}.", "Give one row per unit and time.")
    return rows.sort(question.time, question.unit)


def _malformed(problem: str, hint: str) -> PanelError:
    return PanelError("panel", problem, hint=hint)


def _check(question: Question) -> None:
    """Raise PanelError where the question contradicts itself; above all where its answer would be known beforehand."""
    predictors, directions = question.predictors, question.directions
    outcome = (question.unit, question.time, *question.floors)
    problems = {
        f"its label {question.label} is among its predictors": question.label in predictors,
        f"its horizon {question.horizon} is no whole number from 0": not (
            isinstance(question.horizon, int) and question.horizon >= 0
        ),
        "a predictor is there twice": len(set(predictors)) < len(predictors),
        "a direction is of no predictor": bool(set(directions) - set(predictors)),
        "a direction is neither 1 nor 0 nor -1": bool(set(directions.values()) - {-1, 0, 1}),
        f"its unit, time and floors ({', '.join(outcome)}) need names of their own, other than {', '.join(RESERVED)}": bool(
            set(outcome) & set(RESERVED)
        )
        or len(set(outcome)) < len(outcome),
    }
    for problem, is_so in problems.items():
        if is_so:
            raise PanelError("question", f"{problem}.", hint="Mend the Question.")
