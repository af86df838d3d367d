"""After a run people read what it changed, and other programs read the same as JSON."""

import json
from datetime import date, datetime
from enum import Enum

import polars as pl

from intelligence.catalog.changes import Contents, changes
from intelligence.core.machine_readable import plain
from intelligence.telemetry.gaps import Gap

VERDICTS = pl.DataFrame(
    [("feature_risk", "promote", "it is the first", date(2026, 5, 9), 4)],
    {"model": pl.String, "decision": pl.String, "reason": pl.String, "as_of": pl.Date, "lake_snapshot": pl.Int64},
    orient="row",
)
NOTHING = dict.fromkeys(("files", "rows_in", "accepted", "duplicates", "rejected"), 0)
SOME = {"files": 2, "rows_in": 1_200, "accepted": 1_000, "duplicates": 150, "rejected": 50}


def test_what_came_and_what_was_built_and_trained_is_said() -> None:
    before, after = Contents(NOTHING, VERDICTS.clear()), Contents(SOME, VERDICTS)
    assert changes(before, after, days=[date(2026, 5, 4), date(2026, 5, 6)]) == [
        "Taken in: 2 deliveries, 1,200 rows: 1,000 accepted, 150 duplicates, 50 rejected.",
        "Built: 2 days, 2026-05-04 to 2026-05-06.",
        "Trained feature_risk through 2026-05-09: promote; it is the first.",
    ]
    assert changes(None, after, days=[]) == changes(before, after, days=[])


def test_a_run_that_changed_nothing_says_so() -> None:
    same = Contents(SOME, VERDICTS)
    assert changes(same, same, days=[]) == ["Nothing has changed: there is no new file, and every day is up to date."]
    assert changes(same, same, days=[date(2026, 5, 4)]) == ["Built: 1 day, 2026-05-04."]


class Colour(Enum):
    RED = "red"


def test_every_kind_of_value_is_plain_json() -> None:
    value = {
        "gap": Gap("source", "app", "says", "next"),
        "frame": pl.DataFrame({"day": [date(2026, 5, 4)], "rate": [float("nan")]}),
        "at": datetime(2026, 5, 4, 12),
        "colour": Colour.RED,
        "set": frozenset({1}),
        "other": object,
        3: [True, None, 1.5, float("inf")],
    }
    read = json.loads(json.dumps(plain(value)))
    assert read["gap"]["name"] == "app"
    assert read["frame"] == [{"day": "2026-05-04", "rate": None}]
    assert (read["at"], read["colour"], read["set"], read["3"]) == (
        "2026-05-04T12:00:00",
        "red",
        [1],
        [True, None, 1.5, None],
    )
