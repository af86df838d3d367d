"""The forecast of a day: every series with its intervals, the coverage that was measured, and what to know of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from intelligence.forecasts.backtest import BANDS, EVERY, Backtest, backtested
from intelligence.forecasts.cleaning import SERIES, History, Name
from intelligence.forecasts.scales import Floats

MODELS: Final = {False: "damped_trend", True: "seasonal_naive"}
# Windows of users, the shorter before the longer one: whoever is active in the shorter one is so in the longer one.
WINDOWS: Final = ("dau", "wau", "mau")
# The columns of an interval, from low to high.
QUANTILES: Final = ("low_95", "low_80", "value", "high_80", "high_95")
# An 80 % interval that reaches beyond so many times all that was ever seen says nothing.
SAYS_NOTHING: Final = 10
BEYOND: Final = f"80 % interval would reach beyond {SAYS_NOTHING} times all that was ever seen."
_LOW_80, _HIGH_80 = QUANTILES.index("low_80"), QUANTILES.index("high_80")
# A shift of the level is told for this many days.
TOLD_DAYS: Final = 56


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of one series.

    Attributes:
        history: What it was made from.
        quantiles: The columns of QUANTILES, one row per day ahead, as far as they say anything.
        row: Its row in the arrays of the back-test.
    """

    history: History
    quantiles: Floats
    row: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """All forecasts made at the end of a day.

    Attributes:
        day: The day.
        forecasts: One for each series with enough evidence.
        lacking: The series without.
        backtest: What the back-test found; None where no series has enough evidence.
    """

    day: date
    forecasts: tuple[Forecast, ...]
    lacking: tuple[History, ...]
    backtest: Backtest | None


def outlook(histories: Sequence[History], day: date, *, ahead: int) -> Outlook:
    """Return the forecasts of all series from the end of a day.

    Args:
        histories: The histories, all of which end with the day.
        day: The day.
        ahead: How many days are forecast.
    """
    told = tuple(each for each in histories if each.lacks is None)
    lacking = tuple(each for each in histories if each.lacks is not None)
    if not told:
        return Outlook(day, (), lacking, None)
    found = backtested(
        _panel([each.numbers for each in told]),
        [SERIES[each.name.series][1] for each in told],
        ahead=ahead,
        cases=_panel([each.chances for each in told]),
    )
    quantiles = {each.name: _quantiles(found, each, row, min(ahead, len(each.values))) for row, each in enumerate(told)}
    for name in quantiles:
        if name.series in WINDOWS[1:]:
            _hold_shorter_windows(quantiles, name)
    forecasts, silent = [], []
    for row, each in enumerate(told):
        days = _telling_days(quantiles[each.name], each)
        if days:
            forecasts.append(Forecast(each, quantiles[each.name][:days], row))
        else:
            silent.append(replace(each, lacks=f"its {BEYOND}"))
    return Outlook(day, tuple(forecasts), (*lacking, *silent), found)


def _telling_days(quantiles: Floats, history: History) -> int:
    """Return for how many days ahead the 80 % interval stays within what anybody would believe."""
    if history.scale.kind not in ("count", "amount"):
        return len(quantiles)
    seen = np.nanmax(np.abs(history.values))
    # Where nothing was counted yet, one is not much; of an amount that was always 0 nobody knows what is much.
    limit = SAYS_NOTHING * (max(seen, 1.0) if history.scale.kind == "count" else seen)
    if seen == 0 and history.scale.kind == "amount":
        return len(quantiles)
    beyond = np.abs(quantiles[:, [_LOW_80, _HIGH_80]]).max(axis=1) > limit
    return int(beyond.argmax()) if beyond.any() else len(quantiles)


def forecast_rows(histories: Sequence[History], day: date, *, ahead: int) -> list[dict[str, Any]]:
    """Return the rows of `forecasts.forecasts` of a day.

    Args:
        histories: The histories, all of which end with the day.
        day: The day.
        ahead: How many days are forecast.
    """
    found = outlook(histories, day, ahead=ahead)
    rows = [
        {**_key(each.name, day, 0), "origins": 0, "note": f"Not enough evidence: {each.lacks}"}
        for each in found.lacking
    ]
    if found.backtest:
        for each in found.forecasts:
            rows += _rows(each, found.backtest, day, asked=min(ahead, len(each.history.values)))
    return rows


def _panel(series: Sequence[Floats]) -> Floats:
    """Return the series one below the other, aligned at their last day."""
    panel = np.full((len(series), max(map(len, series))), np.nan)
    for row, each in enumerate(series):
        panel[row, -len(each) :] = each
    return panel


def _quantiles(found: Backtest, history: History, row: int, ahead: int) -> Floats:
    """Return the columns of QUANTILES on the scale of the values, one row for each day ahead."""
    near, far = ((found.intervals.low[level, row], found.intervals.high[level, row]) for level in (0, 1))
    on_scale = np.stack([far[0], near[0], found.centre[row], near[1], far[1]], axis=1)
    return history.scale.back(on_scale[:ahead])


def _hold_shorter_windows(quantiles: Mapping[Name, Floats], name: Name) -> None:
    """Raise the forecast of a window of users to that of the next shorter one, where it is lower."""
    shorter = Name(WINDOWS[WINDOWS.index(name.series) - 1], name.segment, name.feature)
    if shorter in quantiles:
        own, other = quantiles[name], quantiles[shorter]
        days = min(len(own), len(other))
        np.maximum(own[:days], other[:days], out=own[:days])


def _key(name: Name, day: date, ahead: int) -> dict[str, Any]:
    return {
        "event_date": day,
        "series": name.series,
        "segment": name.segment,
        "feature": name.feature,
        "horizon_days": ahead,
        "forecast_date": day + timedelta(days=ahead),
    }


def _rows(each: Forecast, found: Backtest, day: date, *, asked: int) -> list[dict[str, Any]]:
    note, rows = _note(each, found, day), []
    if len(each.quantiles) < asked:
        note = f"{note} From {len(each.quantiles) + 1} days ahead on its {BEYOND}".lstrip()
    for band, (first, last) in enumerate(BANDS):
        measured = _measured(found, each.row, band)
        for ahead in range(first, min(last, len(each.quantiles)) + 1):
            values = dict(zip(QUANTILES, map(float, each.quantiles[ahead - 1]), strict=True))
            rows.append(
                {
                    **_key(each.history.name, day, ahead),
                    **values,
                    **measured,
                    "model": MODELS[bool(found.is_naive[each.row, band])],
                    "note": note or None,
                }
            )
    return rows


def _measured(found: Backtest, row: int, band: int) -> dict[str, Any]:
    """Return the columns that say what the back-test measured of a series in a band of days ahead."""
    columns: dict[str, Any] = {"origins": 0}
    for level, name in enumerate(("80", "95")):
        own, pooled = found.coverage[level][band][row], found.pooled[level][band]
        columns[f"pooled_{name}"] = pooled.share if pooled else None
        if own:
            columns["origins"] = own.origins
            columns |= {
                f"coverage_{name}": own.share,
                f"coverage_{name}_low": own.low,
                f"coverage_{name}_high": own.high,
            }
    error, floor = found.errors[row, band], found.naive_errors[row, band]
    columns["error"] = float(error / floor) if np.isfinite(error) and floor > 0 else None
    return columns


def _note(each: Forecast, found: Backtest, day: date) -> str:
    """Return what to know of a forecast, in sentences; empty where there is nothing."""
    history, said = each.history, []
    naive = [
        band for band, (first, _) in enumerate(BANDS) if first <= len(each.quantiles) and found.is_naive[each.row, band]
    ]
    if naive:
        all_over = len(naive) == sum(first <= len(each.quantiles) for first, _ in BANDS)
        where = (
            "" if all_over else f" {' and '.join(f'{BANDS[band][0]}-{BANDS[band][1]}' for band in naive)} days ahead"
        )
        said.append(
            f"It repeats the last week{where}: in the back-test the errors of the damped trend were no smaller."
        )
    known = history.values[np.isfinite(history.values)]
    if known.size and known.min() == known.max():
        said.append("It never changed so far.")
    ago = found.smoothed.origins[-1] - int(found.smoothed.shifts[each.row])
    if found.smoothed.shifts[each.row] >= 0 and ago <= TOLD_DAYS:
        said.append(f"Its level shifted by {day - timedelta(days=ago)}: what came later counts.")
    if history.faulty:
        said.append(f"{history.faulty} {'day' if history.faulty == 1 else 'days'} with faulty telemetry left out.")
    reached = sum(1 for _ in found.origins)
    tested = max((last for band, (_, last) in enumerate(BANDS) if found.coverage[0][band][each.row]), default=0)
    if len(each.quantiles) > tested:
        said.append(
            f"Beyond {min(tested, reached * EVERY)} days ahead nothing was measured: the history is too short for it."
            if tested
            else "No interval was held against what came yet: the history is too short for it."
        )
    return " ".join(said)
