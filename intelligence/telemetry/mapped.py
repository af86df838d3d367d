"""From which column of a source each field of the contract is filled, and whether product.yaml maps it explicitly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

# No real product has a larger share of failing events; beyond it the column probably counts something else.
ODD_RATE: Final = 0.2
LEAST_EVENTS: Final = 20
_CONSEQUENCES: Final = {"error_count": "fail by it", "crashed": "crash by it"}

RATES_BY_FEATURE: Final = """
SELECT
    feature,
    count(*) AS events,
    avg(CASE WHEN error_count > 0 THEN 1 ELSE 0 END) FILTER (error_count IS NOT NULL) AS error_count,
    avg(CASE WHEN crashed THEN 1 ELSE 0 END) FILTER (crashed IS NOT NULL) AS crashed
FROM telemetry.events GROUP BY feature
"""


@dataclass(frozen=True, slots=True)
class MappedField:
    """A field of the contract that a source fills.

    Attributes:
        field: The contract column.
        source: The source's column or the SQL expression that fills it.
        by_name: Whether it is filled only because a column of the source has the field's name.
    """

    field: str
    source: str
    by_name: bool


def mapped_fields(raw: Mapping[str, str], mapping: Mapping[str, str]) -> list[MappedField]:
    """Return the fields that are filled, in the order of the contract.

    Args:
        raw: SQL by field, as `raw_expressions` returns it.
        mapping: The source's mapping in product.yaml: a column or SQL expression by field.

    >>> mapped_fields({"user_id": '"uid"', "rating": "NULL", "error_count": '"error_count"'}, {"user_id": "uid"})[1]
    MappedField(field='error_count', source='error_count', by_name=True)
    """
    return [
        MappedField(field, sql[1:-1] if sql[:1] in '"(' else sql, field not in mapping)
        for field, sql in raw.items()
        if sql != "NULL"
    ]


def mapped_text(fields: Sequence[MappedField]) -> str:
    """Return one sentence: which fields are filled from which column, and which by their name alone."""
    asked = [f"{each.field} from {each.source}" for each in fields if not each.by_name]
    taken = [each.field for each in fields if each.by_name]
    parts = [", ".join(asked)] if asked else []
    if taken:
        parts.append(f"by their names alone, unasked: {', '.join(taken)}")
    return "; ".join(parts)


def odd_rates(rates: pl.DataFrame, fields: Sequence[MappedField]) -> list[str]:
    """Return a question for each column by which many events of every feature fail, since it may count something else.

    Args:
        rates: The rows of RATES_BY_FEATURE, one per feature; rates are fractions in [0, 1].
        fields: The filled fields, as `mapped_fields` returns them.
    """
    questions = []
    for each in (each for each in fields if each.field in _CONSEQUENCES):
        found = rates.filter((pl.col("events") >= LEAST_EVENTS) & pl.col(each.field).is_not_null())
        if found.is_empty() or found.filter(pl.col(each.field) < ODD_RATE).height:
            continue
        total = found.select((pl.col(each.field) * pl.col("events")).sum() / pl.col("events").sum()).item()
        where = (
            "in every feature" if found.height > 1 else f"in {found['feature'][0]}, the only feature with enough events"
        )
        taken = f"`{each.field}` was taken because of its name" if each.by_name else f"`{each.field}` is {each.source}"
        questions.append(
            f"{taken}; {total:.0%} of all events {_CONSEQUENCES[each.field]}, {where}."
            f' If it means something else, write `{each.field}: "NULL"` in the mapping.'
        )
    return questions
