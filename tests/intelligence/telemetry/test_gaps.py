"""What is wholly missing is reported: a table of products in which something of each kind is missing."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from intelligence.telemetry.gaps import Gap, empty_columns, gaps

REJECTED = {
    "feature": pl.String,
    "rows": pl.Int64,
    "reason": pl.String,
    "newest_rows": pl.Int64,
    "newest_reason": pl.String,
    "newest_accepted": pl.Boolean,
    "answered": pl.Boolean,
}
WHOLE: dict[str, Any] = {
    "sources": ["app"],
    "declared": ["checkout"],
    "conversion_events": ["complete"],
    "delivered": [("app", 100, 100)],
    "seen": ["checkout", "search"],
    "rejected": [],
    "event_types": ["use", "complete"],
}


def found(**changed: Any) -> list[Gap]:
    given = WHOLE | changed
    delivered = pl.DataFrame(
        given["delivered"], {"source": pl.String, "rows": pl.Int64, "events": pl.Int64}, orient="row"
    )
    return gaps(**given | {"delivered": delivered, "rejected": pl.DataFrame(given["rejected"], REJECTED, orient="row")})


def test_where_everything_is_there_nothing_is_said() -> None:
    assert found() == []
    assert found(rejected=[("checkout", 3, "rating is not a DOUBLE", 3, "rating is not a DOUBLE", True, False)]) == []
    assert found(declared=[]) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": ["app", "web"]}, ["Nothing has come from the source web."]),
        ({"delivered": [("app", 100, 0)]}, ["None of the 100 rows of the source app was accepted."]),
        ({"delivered": []}, ["Nothing has come from the source app."]),
        ({"delivered": [("app", 0, 0)]}, ["Nothing has come from the source app."]),
        (
            {"rejected": [("reviews", 600, "rating is not a DOUBLE", 600, "rating is not a DOUBLE", False, False)]},
            [
                "None of the 600 rows of the feature reviews was accepted (rating is not a DOUBLE), so it is in no table."
            ],
        ),
        (
            {"rejected": [("search", 50, "user_id is missing", 40, "event_time is missing", False, False)]},
            ["None of the 40 rows of the feature search in the newest intake was accepted (event_time is missing)."],
        ),
        (
            {"declared": ["chekout"]},
            ["The feature chekout is declared in product.yaml but no event names it."],
        ),
        ({"declared": ["a", "b", "checkout"]}, ["The feature a is declared", "The feature b is declared"]),
        (
            {"conversion_events": ["purchase"]},
            ["Conversion is 0 throughout: it counts events of type purchase, and there are only use, complete."],
        ),
        ({"event_types": [f"t{number}" for number in range(9)]}, ["there are only t0, t1, t2, t3, t4 and 4 more."]),
        (
            {"declared": ["reviews"], "rejected": [("reviews", 6, "r", 6, "r", False, False)]},
            ["None of the 6 rows of the feature reviews was accepted (r), so it is in no table."],
        ),
        ({"seen": [], "event_types": []}, []),
    ],
)
def test_what_is_missing_is_named(changed: dict[str, Any], said: Sequence[str]) -> None:
    reported = [gap.says for gap in found(**changed)]
    assert len(reported) == len(said)
    assert [text for text, part in zip(reported, said, strict=True) if part not in text] == []


def test_a_misspelt_promise_names_the_feature_that_is_meant() -> None:
    (gap,) = found(declared=["chekout"])
    assert gap.next_step == "Is it checkout, which is there and not declared?"
    (gap,) = found(declared=["something_else"])
    assert gap.next_step == "Mend its name, or take it out."


def test_a_column_without_any_value_says_what_is_not_assessed() -> None:
    assert empty_columns({"rating": 1, "app_version": 3}) == []
    assert [gap.name for gap in empty_columns({"app_version": 0, "rating": 0})] == ["rating", "app_version"]
    assert "no release can be blamed" in empty_columns({"app_version": 0})[0].says
