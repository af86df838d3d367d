"""Filled fields are listed, and a column that was taken by its name alone is questioned where it looks odd."""

import polars as pl
import pytest

from intelligence.telemetry.mapped import MappedField, mapped_fields, mapped_text, odd_rates

TAKEN = MappedField("error_count", "error_count", by_name=True)
ASKED = MappedField("crashed", "crash_flag", by_name=False)


def rates(*rows: tuple[str, int, float | None]) -> pl.DataFrame:
    schema = {"feature": pl.String, "events": pl.Int64, "error_count": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row").with_columns(crashed=pl.lit(0.0))


def test_what_is_filled_from_what_is_one_sentence() -> None:
    raw = {"event_time": '"zeit"', "event_type": "('use')", "user_id": '"user_id"', "rating": "NULL"}
    fields = mapped_fields(raw, {"event_time": "zeit", "event_type": "'use'"})
    said = mapped_text(fields)
    assert said == "event_time from zeit, event_type from 'use'; by their names alone, unasked: user_id"


@pytest.mark.parametrize(
    ("rows", "is_odd"),
    [
        ([("a", 900, 0.5), ("b", 800, 0.51)], True),
        ([("a", 900, 1.0)], True),
        ([("a", 900, 0.5), ("b", 19, 0.0)], True),
        ([("a", 900, 0.2), ("b", 900, 0.9)], True),
        ([("a", 900, 0.5), ("b", 20, 0.0)], False),
        ([("a", 900, 0.02), ("b", 800, 0.01)], False),
        ([("a", 900, 0.9), ("b", 800, 0.01)], False),
        ([("a", 19, 1.0)], False),
        ([("a", 900, None)], False),
        ([], False),
    ],
)
def test_only_a_column_by_which_every_feature_fails_is_questioned(
    rows: list[tuple[str, int, float | None]], is_odd: bool
) -> None:
    said = odd_rates(rates(*rows), [TAKEN, ASKED])
    assert bool(said) == is_odd
    assert all(text.startswith("`error_count` was taken because of its name") for text in said)
    assert all('write `error_count: "NULL"`' in text for text in said)
