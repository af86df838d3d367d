"""What one day of the drift layer costs on the lake of this process's environment: verdicts, their pages, the runs of both.

`--prepare` builds the lake, trains the models and makes the baselines; without it the newest day is watched three times,
the first with nothing imported yet. See `benchmarks.drift`.
"""

import argparse
import time
from datetime import date, timedelta

from benchmarks.decided_days import build
from benchmarks.graph import materialize
from benchmarks.measuring import tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="build the lake and the baselines, and measure nothing")
    chosen = parser.parse_args()
    from assets.house import PRODUCT
    from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
    from intelligence.layers import TRAINED

    simulated = PRODUCT.sources[0].simulate
    assert simulated is not None
    plan = simulated.plan()
    day = (plan.last_day, plan.last_day)
    if chosen.prepare:
        build((plan.first_day, plan.last_day))
        tell("training")
        materialize([table for pair in TRAINED.values() for table in pair])
        materialize([BASELINE_STATS])
        return
    steps = {
        "verdicts": lambda: verdicts(plan.last_day),
        "run of verdicts": lambda: materialize((FEATURE_DRIFT, USER_DRIFT, MODEL_WATCH), day),
        "pages": pages,
        "run of pages": lambda: materialize((DRIFT_PAGES,)),
    }
    for turn in ("first", "second", "third"):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            took = f"{time.perf_counter() - wall:6.2f} s wall  {time.process_time() - cpu:6.2f} s CPU"
            print(f"{name:<16} {turn:<7} {took}", flush=True)


def pages() -> None:
    """Make the pages of the newest verdicts on both models, without Dagster and without checks."""
    from assets.definitions import SETTINGS
    from assets.pages import made_pages
    from resources.drift_reports import DriftReports
    from resources.lake import Lake
    from resources.registry import Registry

    reports = DriftReports.of(SETTINGS)
    made_pages(Lake.of(SETTINGS), Registry.of(SETTINGS), reports, product="Drifting", say=lambda _: None)


def verdicts(day: date) -> None:
    """Find the rows of both drift tables and of drift.model_watch for the day, without Dagster and without checks."""
    from assets.definitions import SETTINGS
    from assets.panels import subject_of
    from assets.watching import WATCHED_BY_MODEL, watch_of, watch_rows, windows_of
    from intelligence.drift.watch import day_drift
    from intelligence.tables import Days
    from resources.lake import Lake
    from resources.registry import Registry

    lake, registry, days = Lake.of(SETTINGS), Registry.of(SETTINGS), Days(day, day + timedelta(days=1))
    for drift in WATCHED_BY_MODEL.values():
        watch = watch_of(lake, registry, drift, days)
        assert not isinstance(watch, str), watch
        day_drift(windows_of(watch, drift, day), watch.baseline, unit=subject_of(drift).question.unit)
    watch_rows(lake, registry, days)


if __name__ == "__main__":
    main()
