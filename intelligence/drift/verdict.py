"""The drift verdict of a day: which predictors have moved, and whether the telemetry allows a verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from intelligence.drift.baseline import EXPECTATION, OUTCOME
from intelligence.drift.distance import ROUNDING, Scale
from intelligence.drift.null_distribution import WINDOW_DAYS
from intelligence.drift.tables import FEATURE_DRIFT
from intelligence.risk.model import Floats, values_of

State = Literal["steady", "moved", "suspended", "unknown"]

LEAST_ROWS: Final = 50
# A column that had values and is now empty or constant is a fault of the pipeline and not drift.
GONE_RATE: Final = 0.9
USED_TO_BE_MISSING_RATE: Final = 0.5

DRIFT_SCHEMA: Final = FEATURE_DRIFT.schema(without=("event_date", "model_version"))


def window_of(day: date, *, ends_days_before: int = 0) -> tuple[date, date]:
    """Return the first and the last day of a window of seven days.

    Args:
        day: Day on which the verdict is given.
        ends_days_before: Number of days between the end of the window and `day`.
    """
    last = day - timedelta(days=ends_days_before)
    return last - timedelta(days=WINDOW_DAYS - 1), last


def drift_rows(
    now: pl.DataFrame, known: pl.DataFrame, baseline: pl.DataFrame, *, unit: str, acted_on: Collection[str] = ()
) -> pl.DataFrame:
    """Return one row for each predictor, for the score and for the outcome: its distance from the baseline and its limit.

    Args:
        now: Rows of the trailing seven days with their scores, one per unit and day.
        known: Rows of the newest seven days whose outcome is known and that the champion had not seen; may be empty.
        baseline: The champion's baseline, from `baseline()`.
        unit: Column that identifies the feature or user.
        acted_on: Units on which the platform itself acted in these days. A column that has moved with them but not
            without them is marked `is_own_doing`.
    """
    lines = baseline.filter(pl.col("role") != "expectation").to_dicts()
    is_untouched = ~pl.col(unit).is_in(list(acted_on))
    here = _columns(now, known, lines)
    there = _columns(now.filter(is_untouched), known.filter(is_untouched), lines) if acted_on else here
    rows = []
    for line in lines:
        row = _row(line, here[line["predictor"]])
        if acted_on and row["is_moved"]:
            row["is_own_doing"] = not _row(line, there[line["predictor"]])["is_moved"]
        rows.append(row)
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA)


def _columns(now: pl.DataFrame, known: pl.DataFrame, lines: Sequence[Mapping[str, Any]]) -> dict[str, Floats]:
    names = [line["predictor"] for line in lines if line["predictor"] != OUTCOME]
    found = dict(zip(names, values_of(now, names).T, strict=True))
    return {**found, OUTCOME: values_of(known, [OUTCOME])[:, 0]}


def _row(line: Mapping[str, Any], values: Floats) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    missing_now = 1 - len(present) / len(values) if len(values) else None
    row: dict[str, Any] = {
        "predictor": line["predictor"],
        "role": line["role"],
        "importance": line["importance"],
        "limit": line["limit"],
        "is_moved": False,
        "is_own_doing": False,
        "mean_baseline": line["mean"],
        "mean_now": float(present.mean()) if len(present) else None,
        "missing_rate_baseline": line["missing_rate"],
        "missing_rate_now": missing_now,
        "fault": _fault(line, values, present),
    }
    row["percent_change"] = _percent_change(line, row["mean_now"])
    if line["is_judged"] and len(present) >= LEAST_ROWS and row["fault"] is None:
        measure: Literal["distribution", "mean"] = "mean" if line["role"] == "outcome" else "distribution"
        shares = np.array(line["shares"])
        scale = Scale(np.array(line["grid"]), float(line["spread"]), measure)
        row["distance"] = float(scale.distances(scale.counts(values), shares))
        row["is_moved"] = row["distance"] > line["limit"]
    return row


def _percent_change(line: Mapping[str, Any], now: float | None) -> float | None:
    """Return the change of the mean in percent; None where values lie on both sides of zero, so that it has no meaning."""
    before, p05 = line["mean"], line["p05"]
    if now is None or before is None or p05 is None or p05 < 0 or before <= 0:
        return None
    return float(100 * (now - before) / before)


def _fault(line: Mapping[str, Any], values: Floats, present: Floats) -> str | None:
    if line["role"] != "predictor" or len(values) < LEAST_ROWS:
        return None
    missing = 1 - len(present) / len(values)
    was_missing = line["missing_rate"]
    if missing >= GONE_RATE and isinstance(was_missing, float) and was_missing <= USED_TO_BE_MISSING_RATE:
        return f"{line['predictor']} holds no value in {missing:.0%} of the rows"
    if (
        line["is_judged"]
        and len(present) >= LEAST_ROWS
        and present.min() == present.max()
        and not _is_common(line, present[0])
    ):
        return f"{line['predictor']} is {present[0]:.4g} in every row"
    return None


def _is_common(line: Mapping[str, Any], value: float) -> bool:
    """Return whether more than a fifth of the baseline has this value, as in counts that are mostly zero."""
    grid, shares = np.array(line["grid"]), np.diff(np.array(line["shares"]), prepend=0.0)
    place = int(np.searchsorted(grid, value))
    return place < len(grid) and bool(np.isclose(grid[place], value)) and shares[place] > 0.2


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """The verdict of a day on one champion.

    Attributes:
        state: steady, moved, suspended or unknown.
        reason: Why, in words.
        moved: Columns beyond their limit, without those of `own_doing`.
        that_matter: Those of `moved` that matter to the model.
        own_doing: Columns that have moved only because of the platform's own actions.
    """

    state: State
    reason: str
    moved: tuple[str, ...] = ()
    that_matter: tuple[str, ...] = ()
    own_doing: tuple[str, ...] = ()


def day_verdict(
    rows: pl.DataFrame,
    faulty_days: Sequence[tuple[date, str]],
    *,
    expected: float | None,
    bound: float | None,
    matters_from: float,
) -> DayVerdict:
    """Return the verdict of a day.

    It is suspended where a day of the window is faulty or a column has become empty or constant, because the pipeline is
    then at fault and the data says nothing about the product. The score, the outcome and the expected PR-AUC always matter.

    Args:
        rows: The rows of the day from `drift_rows`.
        faulty_days: Days of the window whose telemetry is faulty, each with the reason, oldest first.
        expected: Expected PR-AUC of the window; None where it is unknown.
        bound: Least expected PR-AUC that counts as normal; None where the baseline has none.
        matters_from: Share of the total importance, in [0, 1], from which on a predictor matters.
    """
    if faulty_days:
        day, why = faulty_days[-1]
        return DayVerdict("suspended", f"The telemetry of {day} is not whole, so nothing is judged: {why}")
    faults = rows["fault"].drop_nulls().to_list()
    if faults:
        return DayVerdict("suspended", f"The pipeline is at fault, so nothing is judged: {'; '.join(faults[:3])}.")
    assessed = rows.filter(pl.col("distance").is_not_null())
    if assessed.is_empty():
        return DayVerdict(
            "unknown", f"Not enough evidence: no column has the {LEAST_ROWS} values that a comparison needs."
        )
    own = rows.filter("is_moved", "is_own_doing")["predictor"].to_list()
    moved = rows.filter(pl.col("is_moved") & ~pl.col("is_own_doing")).sort(
        "importance", descending=True, nulls_last=False
    )
    matter = moved.filter((pl.col("role") != "predictor") | (pl.col("importance") >= matters_from))[
        "predictor"
    ].to_list()
    if expected is not None and bound is not None and expected < bound * (1 - ROUNDING):
        matter = [*matter, EXPECTATION]
    every = [*moved["predictor"].to_list(), *([EXPECTATION] if EXPECTATION in matter else [])]
    if not every:
        because = f" What moved, {', '.join(own)}, moved by the platform's own actions." if own else ""
        return DayVerdict("steady", f"Nothing has moved beyond chance.{because}", own_doing=tuple(own))
    return DayVerdict("moved", _moves_in_words(rows, every), tuple(every), tuple(matter), tuple(own))


def _moves_in_words(rows: pl.DataFrame, names: Sequence[str]) -> str:
    by_name = {row["predictor"]: row for row in rows.iter_rows(named=True)}
    moves = []
    for name in names[:4]:
        row = by_name.get(name)
        if row is None:
            moves.append("the champion expects less of itself than on any week it was trained on")
        elif name == OUTCOME:
            moves.append(f"outcomes lie {row['mean_now']:+.3f} from the scores")
        else:
            change = f" ({row['percent_change']:+.0f} % on average)" if row["percent_change"] is not None else ""
            moves.append(f"{name} by {row['distance']:.2f}, limit {row['limit']:.2f}{change}")
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"Moved: {'; '.join(moves)}{more}."
