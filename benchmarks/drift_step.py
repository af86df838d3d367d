"""The cost of one day of the drift layer on the lake of this process's environment: verdicts, their pages, the runs of both.

`--prepare` builds the lake, trains the models and makes the baselines. Without it the newest day is compared three
times, the first time with nothing imported yet. See `benchmarks.drift`.
"""

import argparse
import time
from datetime import date, timedelta

from benchmarks.decided_days import build
from benchmarks.graph import materialize, platform
from benchmarks.measuring import tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepare", action="store_true", help="build the lake and the baselines, and measure nothing")
    chosen = parser.parse_args()
    from intelligence.catalog.layers import TRAINED
    from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT

    simulated = platform().product.sources[0].simulate
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
    platform().drift_pages.written(say=lambda _: None)


def verdicts(day: date) -> None:
    """Find the rows of both drift tables and of drift.model_watch for the day, without Dagster and without checks."""
    from intelligence.core.tables import Days
    from intelligence.drift.watch import day_drift
    from resources.services.drift import WATCHED_BY_MODEL

    service, panels, days = platform().drift, platform().panels, Days(day, day + timedelta(days=1))
    for drift in WATCHED_BY_MODEL.values():
        watch = service.watch_of(drift, days)
        assert not isinstance(watch, str), watch
        day_drift(service.windows_of(watch, drift, day), watch.baseline, unit=panels.model_spec_of(drift).task.unit)
    service.watch_rows(days)


if __name__ == "__main__":
    main()
