"""What one day of the drift layer costs on a lake of this process's environment; see `benchmarks.drift_day`.

The lake is built, the models trained and the baselines made first; then the newest day is watched, without its pages and
with them, once with nothing imported yet and then again.
"""

import argparse
import json
import time
from pathlib import Path

from benchmarks.decided_days import build
from benchmarks.graph import materialize
from benchmarks.measuring import tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("told", type=Path, help="JSON file to write")
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
    taken: dict[str, list[float]] = {"watch": [], "pages": []}
    for _ in range(3):
        for name, tables, days in (
            ("watch", (FEATURE_DRIFT, USER_DRIFT, MODEL_WATCH), day),
            ("pages", (DRIFT_PAGES,), None),
        ):
            begun = time.perf_counter()
            materialize(tables, days)
            taken[name].append(time.perf_counter() - begun)
    chosen.told.write_text(json.dumps(taken), encoding="utf-8")


if __name__ == "__main__":
    main()
