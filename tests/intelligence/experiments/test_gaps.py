"""An experiment that has begun and has no verdict says what is missing."""

from datetime import date

import polars as pl
import pytest

from intelligence.experiments.gaps import experiment_gaps
from intelligence.experiments.settings import Experiment

LAST_DAY = date(2026, 6, 1)


def seen(*rows: tuple[str, int, bool]) -> pl.DataFrame:
    found = [
        {"experiment": name, "variants": variants, "units": 500, "has_verdict": had} for name, variants, had in rows
    ]
    schema = {"experiment": pl.String, "variants": pl.Int64, "units": pl.Int64, "has_verdict": pl.Boolean}
    return pl.DataFrame(found, schema=schema)


@pytest.mark.parametrize(
    ("rows", "declared", "words"),
    [
        ([], Experiment(name="checkout", start=date(2026, 5, 4)), "declared since 2026-05-04"),
        ([], Experiment(name="checkout"), "No event carries the experiment checkout"),
        ([("colour", 1, False)], None, "colour was seen with one variant alone, by 500 units"),
        ([("colour", 40, False)], None, "colour was seen with 40 variants, and is not declared"),
    ],
)
def test_what_is_missing_is_said(rows: list[tuple[str, int, bool]], declared: Experiment | None, words: str) -> None:
    (gap,) = experiment_gaps(seen(*rows), [declared] if declared else [], last_day=LAST_DAY)
    assert words in gap.says
    assert gap.next_step


def test_what_has_a_verdict_or_has_not_begun_is_no_gap() -> None:
    later = Experiment(name="later", start=date(2026, 7, 1))
    assert list(experiment_gaps(seen(("colour", 2, True), ("new", 2, False)), [later], last_day=LAST_DAY)) == []
