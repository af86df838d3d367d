"""What to change in a source's mapping, by the reason for which rows were rejected."""

import re
from typing import Final

from intelligence.telemetry.contract import PAIR

_MAP = r"Map `\1` to "
_REMEDIES: Final = (
    (r"unreadable line", "Mend the export (UTF-8, as many values as the header has names), then deliver it again."),
    (r"(\w+) is missing", _MAP + "a column that is always filled, or to coalesce(column, 'unknown')."),
    (
        r"(\w+) is not a TIMESTAMP",
        _MAP + "TRY_STRPTIME(column, '%d.%m.%Y %H:%M') for a text, to_timestamp(column) for a number of seconds.",
    ),
    (r"(\w+) is not a BOOLEAN", _MAP + "a condition: column = 'yes'."),
    (
        r"(\w+) is not a (DOUBLE|BIGINT)",
        "Give the source `decimal` and `thousands` where its numbers have commas or points between thousands, or map"
        r" `\1` to a number: TRY_CAST(column AS \2).",
    ),
    (r"(\w+) is not text", _MAP + "a column that holds text in UTF-8, or to decode(column)."),
    (r"(\w+) is not a whole number", _MAP + "round(column)."),
    (r"(\w+) is not a JSON object", _MAP + "json_object('name', column)."),
    (r"(\w+) is outside", _MAP + "column * 1000 or column / 1000 where the unit differs from the contract's."),
    (r"(\w+) is longer than (\d+)", _MAP + r"left(column, \2)."),
    (r"(\w+) has characters", _MAP + "regexp_replace(column, '[<>[:cntrl:]]', '', 'g')."),
    (r"(\w+) is a JSON object or list", _MAP + "a key of it: column->>'id'."),
    (
        r"(\w+) is a placeholder",
        _MAP + "another column or to coalesce(NULLIF(column, 'null'), 'unknown'), or take the word out of"
        " `names.placeholders` (of `names.nobody` for users) where it is a real one.",
    ),
    (
        r"(\w+) is a rounded number",
        _MAP + "a column of text or whole numbers; a spreadsheet or a data frame rounded this one.",
    ),
    (r"(\w+) lies before", "Set an earlier `start`, or mend the time's unit or format in the mapping."),
    (r"(\w+) lies in the future", "Set a later `end`, or mend the time's zone, unit or format in the mapping."),
)

# A constant in the place of a missing id would merge many people into one user.
_NO_PAIR: Final = "A row without both ids says nothing and may stay here; map another column where the export has them."
PAIR_REMEDIES: Final = {
    f"{field.name} {reason}": _NO_PAIR
    for field in PAIR
    for reason in ("is missing", "is a placeholder and names nothing")
}


def remedy(reason: str) -> str:
    """Return the next step for rows rejected for `reason`, which begins with the name of the column that breaks a rule.

    >>> remedy("user_id is missing")
    "Map `user_id` to a column that is always filled, or to coalesce(column, 'unknown')."
    """
    matches = ((re.match(sign, reason), advice) for sign, advice in _REMEDIES)
    return next((found.expand(advice) for found, advice in matches if found), "Mend the mapping in product.yaml.")
