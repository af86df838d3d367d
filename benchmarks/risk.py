"""The cost of the risk step: panel, labels, folds, all candidate models, report, gate, registration and scores, with imports.

It is measured at 120 features x 90 days and at 1,000 x 365, and for scoring a million users with reasons. The metrics
are drawn at random, with decays planted as the simulator plants them: errors rise for days before the state changes.
"""

import argparse
from pathlib import Path

from benchmarks.measuring import Measurement, arguments, demand, measured, median, tell, temporary

SIZES = ((120, 90), (1_000, 365))
MOST_SECONDS = 20.0
MOST_SCORING_SECONDS = 30.0
USERS = 1_000_000


def measure(what: list[str], folder: Path, repeats: int) -> Measurement:
    """Return the median of what the step took, each time with an empty registry."""
    runs = []
    for _ in range(repeats):
        with temporary("risk", folder) as here:
            runs.append(measured("benchmarks.risk_step", *what, "--folder", here))
    return median(runs)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--small", action="store_true", help="leave out 1,000 features x 365 days")
    chosen: argparse.Namespace = parser.parse_args()
    taken = {}
    for features, days in SIZES[: 1 if chosen.small else 2]:
        tell(f"training on {features} features x {days} days")
        once = 1 if features > SIZES[0][0] else chosen.repeats
        found = taken[features] = measure([str(features), str(days)], chosen.folder, once)
        per_row = found.cpu_s / (features * days) * 1e6
        print(f"{features:>5} features x {days:>3} days  {found}  {per_row:6.0f} µs CPU a row", flush=True)
    tell(f"scoring {USERS:,} users")
    scoring = measure(["--users", str(USERS)], chosen.folder, chosen.repeats)
    print(f"scores of {USERS:,} users  {scoring}", flush=True)
    first = taken[SIZES[0][0]]
    demand(first.wall_s <= MOST_SECONDS, f"{first.wall_s:.1f} s at {SIZES[0]} is more than {MOST_SECONDS}")
    demand(scoring.wall_s <= MOST_SCORING_SECONDS, f"{scoring.wall_s:.1f} s for {USERS:,} users")


if __name__ == "__main__":
    main()
