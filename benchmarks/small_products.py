"""Small products through the whole platform: each step gives an answer or says that evidence is lacking, and none fails.

Each product is written as a file of its history, taken in, previewed, trained, and extended by two more days. A step
that fails is printed with the last lines of its output. `--all` takes every size; without it a selection of unusual
ones.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product as every
from pathlib import Path

from benchmarks.measuring import arguments, demand, tell, temporary

FIRST = date(2026, 3, 2)
MORE_DAYS = 2


@dataclass(frozen=True, slots=True)
class Small:
    """The size of a product, and what its events do not have."""

    features: int
    days: int
    users: int
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        lacks = f" without {', '.join(self.without)}" if self.without else ""
        return f"{self.features} features, {self.days} days, {self.users} users{lacks}"


BARE = ("platform", "app_version", "rating", "latency_ms")
ODD = (
    Small(1, 1, 5, BARE),
    Small(1, 7, 5),
    Small(3, 29, 40, BARE),
    Small(8, 75, 120),
    Small(8, 75, 500, BARE),
    Small(12, 75, 300, ("app_version",)),
    Small(1, 75, 60, BARE),
)
ALL = tuple(
    Small(features, days, users, without)
    for features, days, users, without in every((1, 3, 8, 12), (1, 7, 29, 75), (5, 60, 500), ((), BARE))
)


def events(small: Small, day: date, draw: random.Random) -> Iterator[str]:
    """Yield the lines of a day; half of the features fail for some days now and then."""
    columns = [name for name in ("platform", "app_version", "rating", "latency_ms") if name not in small.without]
    number = (day - FIRST).days
    for use in range(max(6, small.users) * 2):
        feature = draw.randrange(small.features)
        ill = feature % 2 == 0 and (number + 5 * feature) % 17 in range(11, 15)
        rate = 0.25 if ill else 0.01 * (1 + 4 * ((number + 5 * feature) % 17 in range(8, 11)))
        values = {
            "platform": draw.choice(("ios", "web")),
            "app_version": f"1.{number // 20}.0",
            "rating": draw.choice(("", "", "4", "5", "2")),
            "latency_ms": str(draw.randrange(40, 900)),
        }
        at = datetime(day.year, day.month, day.day, draw.randrange(24), draw.randrange(60), draw.randrange(60))
        told = [values[name] for name in columns]
        failed = str(int(draw.random() < rate))
        yield ",".join(
            [f"{day}-{use}", str(at), f"u{draw.randrange(small.users)}", f"f{feature}", "use", failed, *told]
        )


def delivered(folder: Path, small: Small, days: range, draw: random.Random) -> None:
    """Write one file with the events of these days of the product."""
    columns = [name for name in ("platform", "app_version", "rating", "latency_ms") if name not in small.without]
    header = ",".join(["event_id", "event_time", "user_id", "feature", "event_type", "error_count", *columns])
    lines = [line for number in days for line in events(small, FIRST + timedelta(days=number), draw)]
    (folder / f"from-{days.start}.csv").write_text("\n".join([header, *lines, ""]))


def stopped(small: Small, folder: Path) -> list[str]:
    """Return what stopped, step by step; nothing where every step ended well."""
    draw = random.Random(str(small))
    incoming = folder / "in"
    incoming.mkdir(parents=True)
    (folder / "product.yaml").write_text(
        f"name: Small\nstart: {FIRST}\nend: {FIRST + timedelta(days=small.days + MORE_DAYS - 1)}\n"
        f"sources:\n  - name: app\n    files: {incoming}/*.csv\n"
    )
    delivered(incoming, small, range(small.days), draw)
    found = [_said(folder, "check"), _said(folder, "ingest"), _said(folder, "status"), _said(folder, "train")]
    for number in range(small.days, small.days + MORE_DAYS):
        delivered(incoming, small, range(number, number + 1), draw)
        found += [_said(folder, "ingest"), _said(folder, "status")]
    found += [_said(folder, "explain", "f0"), _said(folder, "models")]
    return [told for told in found if told]


def _said(folder: Path, *command: str) -> str:
    """Return the last lines of a command that failed, and nothing of one that did not."""
    program = [sys.executable, "-m", "intelligence.interfaces.cli.commands", "--product", str(folder / "product.yaml")]
    done = subprocess.run(
        [*program, "--data", str(folder / "data"), *command], capture_output=True, text=True, check=False
    )
    text = f"{done.stdout}{done.stderr}"
    if done.returncode in (0, 1) and "Traceback" not in text and "Error" not in text:
        return ""
    return f"{' '.join(command)} ended with {done.returncode}: {text[-1500:]}"


def main() -> None:
    """Print each product with what stopped."""
    parser: argparse.ArgumentParser = arguments(__doc__)
    parser.add_argument("--all", action="store_true", help="take every size")
    parser.add_argument("--only", type=int, help="take one of them, by its number")
    chosen = parser.parse_args()
    sizes = ALL if chosen.all else ODD
    failed = 0
    for number, small in enumerate(sizes):
        if chosen.only not in (None, number):
            continue
        tell(f"{number}: {small}")
        with temporary("small", chosen.folder) as here:
            found = stopped(small, Path(here))
        failed += bool(found)
        print(f"{small}: {'; '.join(found) or 'every step ended well'}", flush=True)
    demand(not failed, f"{failed} products stopped")


if __name__ == "__main__":
    main()
