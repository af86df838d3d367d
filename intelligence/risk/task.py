"""The prediction task on a panel, and whether the panel is fit for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from intelligence.core.errors import PanelError
from intelligence.risk.candidates import ALL_CANDIDATES

RESERVED: Final = ("fold", "label", *ALL_CANDIDATES)  # columns that a training adds to the panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The prediction task on a panel.

    Attributes:
        unit: Column that identifies the unit, such as a feature or a user.
        time: Column with the time, a date or a whole number.
        label: Column with the outcome: true or false, null while it is unknown.
        predictors: Columns to learn from.
        horizon: How far the label looks ahead, in units of the time column: days for dates, even where days are missing.
        directions: For some predictors, whether a higher value can only raise (1) or only lower (-1) the risk.
        floors: Columns that serve as baseline rankings to compare with, by the name of the floor.
    """

    unit: str
    time: str
    label: str
    predictors: tuple[str, ...]
    horizon: int
    directions: Mapping[str, int] = field(default_factory=dict)
    floors: Mapping[str, str] = field(default_factory=dict)


def known_rows(panel: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Return the rows with a known label, sorted by time and unit.

    Args:
        panel: One row per unit and time, with the columns that the task names; may be empty.
        task: Names the columns, the horizon and the floors.

    Raises:
        PanelError: The panel lacks a column or has unusable values (both by `_malformed`), or the task contradicts itself.
    """
    if panel.is_empty():
        return panel
    _check(task)
    names = [task.unit, task.time, task.label, *task.predictors, *task.floors.values()]
    missing = sorted(set(names) - set(panel.columns))
    if missing:
        raise _malformed(f"it has no column {', '.join(missing)}.", "Name its columns in the Task.")
    unfit = [name for name in task.predictors if set(name) & set("[]<")]
    if unfit:
        raise _malformed(f"a file of trees cannot hold the name {', '.join(unfit)}.", "Rename it without [, ] and <.")
    types = panel.schema
    numbers = [task.label, *task.predictors, *task.floors.values()]
    texts = [name for name in numbers if not (types[name].is_numeric() or types[name] in (pl.Boolean, pl.Null))]
    if texts:
        raise _malformed(f"{', '.join(texts)} hold no numbers but {types[texts[0]]}.", "Give numbers or Booleans.")
    if not (types[task.time] == pl.Date or types[task.time].is_integer()):
        raise _malformed(
            f"its time {task.time} is {types[task.time]}.",
            "Give a date or a whole number, and the horizon in days or in units of that number.",
        )
    rows = panel.filter(pl.col(task.label).is_not_null())
    if not rows[task.label].cast(pl.Float64).is_in([0.0, 1.0]).all():
        raise _malformed(f"its label {task.label} has values other than 0 and 1.", "Give true, false or null.")
    keys = rows.select(task.time, task.unit)
    if sum(keys.null_count().row(0)):
        raise _malformed(f"{task.time} or {task.unit} is null in some rows.", "Leave those rows out.")
    if keys.is_duplicated().any():
        raise _malformed(f"several rows share {task.time} and {task.unit}.", "Give one row per unit and time.")
    return rows.sort(task.time, task.unit)


def _malformed(problem: str, hint: str) -> PanelError:
    return PanelError("panel", problem, hint=hint)


def _check(task: Task) -> None:
    """Raise PanelError where the task contradicts itself, above all where the label would be one of the predictors."""
    predictors, directions = task.predictors, task.directions
    outcome = (task.unit, task.time, *task.floors)
    problems = {
        f"its label {task.label} is among its predictors": task.label in predictors,
        f"its horizon {task.horizon} is no whole number from 0": not (
            isinstance(task.horizon, int) and task.horizon >= 0
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
            raise PanelError("task", f"{problem}.", hint="Correct the Task.")
