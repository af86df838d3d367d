"""The event contract: which columns an event has, of which type and in which range.

`CONTRACT` is the one list. The typed SQL expressions, the rejection rules, the tables of the telemetry
layer and the documentation all follow from it. `PAIR` is the contract of alias files, whose rows map an alias to a user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from intelligence.core.sql import literal
from intelligence.telemetry.local_time import UTC_NAME
from intelligence.telemetry.values import (
    PLAIN_NUMERALS,
    Numerals,
    count_sql,
    number_sql,
    text_sql,
    time_sql,
    truth_sql,
    unknown_sql,
)

IDENTIFIER_LIMIT: Final = 256
PROPERTIES_LIMIT: Final = 65_536
# Control characters, and the brackets of markup. Any other character is allowed in a name; it is escaped where it is shown.
FORBIDDEN_IN_NAMES: Final = r"'[<>\x00-\x1f\x7f-\x{9f}]'"
# Characters that make a row's names odd (see `odd_names_sql`) and that are valid inside a JSON text.
_SIGNS_OF_TEXT: Final = ("' '", "'+'", "'<'", "'>'", "'['", "'{'", "chr(127)")
# A long number as a spreadsheet or a data frame rounds it: the last digits, by which ids differ, are lost.
_ROUNDED_ID: Final = r"'[+-]?\d(\.\d+)?[eE]\+\d+'"
WEEK_MS: Final = 604_800_000
DAY_S: Final = 86_400
EARLIEST_EVENT: Final = "2000-01-01"
FUTURE_TOLERANCE_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class EventField:
    """One column of the contract; `lowest` and `highest` are inclusive bounds of a number."""

    name: str
    type: str
    description: str
    required: bool = False
    name_like: bool = False
    whole: bool = False
    lowest: float | None = None
    highest: float | None = None
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason to reject a row.

    Attributes:
        field: The contract column that the rule validates.
        reason: What is wrong, as the end of a sentence that begins with the column's name.
        broken_when: SQL that is true for a row to reject. In it `typed` stands for the typed value, `unknown` for whether
            the raw value means that nothing is known, `placeholder` for whether a name is a placeholder, and `odd_names`
            for whether any name of the row may break a rule: one test of all names together saves one test per name.
    """

    field: str
    reason: str
    broken_when: str


def _name(name: str, description: str, *, required: bool = False) -> EventField:
    return EventField(
        name=name,
        type="VARCHAR",
        description=description,
        required=required,
        name_like=True,
        longest=IDENTIFIER_LIMIT,
    )


CONTRACT: Final[tuple[EventField, ...]] = (
    _name("event_id", "Identity of the event; derived from the row's content where the source has none."),
    EventField(name="event_time", type="TIMESTAMP", description="When it happened, in UTC.", required=True),
    _name(
        "anonymous_id", "Who did it, while not logged in: a device or a browser. A row with both ids says who that is."
    ),
    _name("user_id", "Who did it (pseudonymous): the person, where aliases say that two ids are one.", required=True),
    _name("session_id", "Visit that the event belongs to; derived in the warehouse where absent."),
    _name("feature", "Product feature that was touched.", required=True),
    _name("event_type", "What was done: view, use, complete, rate, subscribe, …", required=True),
    EventField(name="latency_ms", type="DOUBLE", description="Time to respond.", lowest=0, highest=WEEK_MS),
    EventField(
        name="error_count",
        type="BIGINT",
        description="Errors that the user met in this event.",
        whole=True,
        lowest=0,
        highest=1_000_000,
    ),
    EventField(name="crashed", type="BOOLEAN", description="Whether the event ended in a crash."),
    EventField(name="rating", type="DOUBLE", description="User's rating, 1 to 5.", lowest=1, highest=5),
    EventField(name="duration_s", type="DOUBLE", description="Time spent.", lowest=0, highest=DAY_S),
    EventField(
        name="value", type="DOUBLE", description="Money or other worth of the event.", lowest=-1e12, highest=1e12
    ),
    _name("platform", "web, ios, android, …"),
    _name("app_version", "Release of the client that sent the event."),
    _name("region", "Where the user is."),
    _name("segment", "Kind of user, such as teacher or student."),
    _name("experiment", "Experiment that the user was exposed to in this event."),
    _name("variant", "Arm of that experiment."),
    EventField(
        name="properties",
        type="VARCHAR",
        description="Anything else, as a JSON object.",
        longest=PROPERTIES_LIMIT,
    ),
)

PAIR: Final[tuple[EventField, ...]] = (
    _name("alias", "Id that somebody bears before the user is known.", required=True),
    _name("user_id", "The user that it is.", required=True),
)

# Columns that identify rows or users: an id that is a number is the same with and without a trailing `.0`.
IDS: Final = ("event_id", "anonymous_id", "alias", "user_id", "session_id")
CONTRACT_COLUMNS: Final = tuple(field.name for field in CONTRACT)
REQUIRED_COLUMNS: Final = tuple(field.name for field in CONTRACT if field.required)


def typed_sql(
    field: EventField, raw: str, raw_type: str, numerals: Numerals = PLAIN_NUMERALS, *, clock: str = UTC_NAME
) -> str:
    """Return SQL that casts `raw`, an expression of DuckDB type `raw_type`, to the field's type; NULL where it cannot.

    Times with a zone are converted to UTC, whatever the session's zone.

    Args:
        field: The contract column, which decides the type.
        raw: SQL expression of the delivered value.
        raw_type: DuckDB's name of its type, such as `VARCHAR` or `TIMESTAMP WITH TIME ZONE`.
        numerals: How numbers are written in text; without effect on other types.
        clock: IANA time zone of times that name no zone.
    """
    if field.type == "TIMESTAMP":
        return time_sql(raw, raw_type, clock)
    if field.type == "BOOLEAN":
        return truth_sql(raw, raw_type, numerals)
    if field.whole:
        return count_sql(raw, raw_type, numerals)
    if field.type == "DOUBLE":
        return number_sql(raw, raw_type, numerals)
    text = text_sql(raw, raw_type, is_id=field.name in IDS)
    if field.name == "properties" and raw_type == "VARCHAR":
        return (
            f"CASE WHEN starts_with({raw}, '{{') THEN {raw} WHEN {unknown_sql(raw, raw_type)} THEN NULL ELSE {text} END"
        )
    return text


_WORDS: Final = {"VARCHAR": "text"}


def rules(field: EventField) -> tuple[Rule, ...]:
    """Return the field's rejection rules, in the order in which they are evaluated.

    >>> [rule.reason for rule in rules(CONTRACT[10])]
    ['is not a DOUBLE', 'is outside 1 to 5']
    """
    found: list[Rule] = []
    nothing = "CASE WHEN typed IS NULL THEN unknown ELSE false END"
    if field.required:
        found.append(Rule(field.name, "is missing", nothing))
    not_typed = "CASE WHEN typed IS NULL THEN NOT unknown ELSE false END"
    found.append(Rule(field.name, f"is not {_WORDS.get(field.type, f'a {field.type}')}", not_typed))
    if field.type == "TIMESTAMP":
        found.append(Rule(field.name, "lies before the product's start", "typed < $earliest"))
        found.append(Rule(field.name, "lies in the future or after the product's end", "typed > $latest"))
    if field.whole:
        found.append(Rule(field.name, "is not a whole number", "typed <> floor(typed)"))
    if field.lowest is not None and field.highest is not None:
        bounds = f"{field.lowest:g} to {field.highest:g}"
        found.append(
            Rule(field.name, f"is outside {bounds}", f"typed NOT BETWEEN {field.lowest!r} AND {field.highest!r}")
        )
    if field.longest is not None:
        too_long = f"{'odd_names AND ' if field.name_like else ''}length(typed) > {field.longest}"
        found.append(Rule(field.name, f"is longer than {field.longest} characters", too_long))
    if field.name_like:
        forbidden = f"odd_names AND regexp_matches(typed, {FORBIDDEN_IN_NAMES})"
        found.append(Rule(field.name, "has characters that a name may not have", forbidden))
        nested = "CASE WHEN odd_names AND regexp_matches(typed, '^[{\\[]') THEN json_valid(typed) ELSE false END"
        found.append(Rule(field.name, "is a JSON object or list", nested))
        if field.required:
            found.append(Rule(field.name, "is a placeholder and names nothing", "placeholder"))
    if field.name in IDS:
        rounded = f"odd_names AND regexp_full_match(typed, {_ROUNDED_ID})"
        found.append(Rule(field.name, "is a rounded number that has lost digits", rounded))
    if field.name == "properties":
        found.append(
            Rule(field.name, "is not a JSON object", "NOT starts_with(ltrim(typed), '{') OR NOT json_valid(typed)")
        )
    return tuple(found)


def odd_names_sql(names: Sequence[str]) -> str:
    """Return SQL that is true where any of the name-like columns may have to be normalised or rejected.

    The SQL searches for each character separately, which is faster than a character class; quotes, backslashes and
    control characters are found because an unescaped one makes a JSON text invalid.
    """
    together = f"""concat('"', {", ".join(names)}, '"')"""
    signs = " OR ".join(f"contains({together}, {sign})" for sign in _SIGNS_OF_TEXT)
    # Counting bytes is faster than counting characters; more bytes than characters mean that not all are ASCII.
    beyond_plain = f"strlen({together}) > {IDENTIFIER_LIMIT} OR strlen({together}) <> length({together})"
    return f"({beyond_plain} OR NOT json_valid({together}) OR {signs})"


def placeholder_sql(name: str, placeholders: Sequence[str]) -> str:
    """Return SQL that is true where a name is a placeholder, in any case.

    Args:
        name: SQL expression of the name.
        placeholders: The words that stand for no name, in lower case; none makes the SQL `false`.
    """
    return f"lower({name}) IN ({', '.join(literal(word) for word in placeholders)})" if placeholders else "false"


def rules_of(fields: Sequence[EventField]) -> tuple[Rule, ...]:
    """Return the rejection rules of all fields, in the order in which they are evaluated."""
    return tuple(rule for field in fields for rule in rules(field))


RULES: Final[tuple[Rule, ...]] = rules_of(CONTRACT)
