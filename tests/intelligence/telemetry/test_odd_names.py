"""The quick test of all names of a row never misses a name that a rule would reject."""

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.telemetry.contract import FORBIDDEN_IN_NAMES, IDENTIFIER_LIMIT, odd_names_sql
from intelligence.telemetry.names import normalised_name_sql

NAMES = ["first", "second"]


def looked_at(rows: list[tuple[str | None, str | None]]) -> list[tuple[bool, bool]]:
    """Return of each row whether it looks odd, and whether a rule rejects one of its names."""
    broken = " OR ".join(
        f"coalesce(length({name}) > {IDENTIFIER_LIMIT} OR regexp_matches({name}, {FORBIDDEN_IN_NAMES})"
        f" OR {normalised_name_sql(name)} IS DISTINCT FROM nullif({name}, ''), false)"
        for name in NAMES
    )
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT {odd_names_sql(NAMES)}, {broken} FROM (SELECT unnest($rows, recursive := true))",
            {"rows": [dict(zip(NAMES, row, strict=True)) for row in rows]},
        ).fetchall()


def test_every_forbidden_character_is_seen_wherever_it_stands() -> None:
    characters = [chr(code) for code in range(1, 0x180)]
    rows = [
        (first, second) for sign in characters for first, second in ((sign, None), ("a", f"b{sign}"), (f"{sign}c", ""))
    ]
    found = looked_at(rows)
    assert [row for row, (odd, broken) in zip(rows, found, strict=True) if broken and not odd] == []
    controls, markup, soft_hyphen = 31 + 33, 2, 1
    blanks_at_an_end = 2 * 2  # a plain blank and one that does not break, before a name and behind one
    assert sum(broken for _, broken in found) == 3 * (controls + markup + soft_hyphen) + blanks_at_an_end + 2


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)] * 2),
        min_size=1,
    )
)
def test_what_a_rule_rejects_looks_odd(rows: list[tuple[str | None, str | None]]) -> None:
    assert [row for row, (odd, broken) in zip(rows, looked_at(rows), strict=True) if broken and not odd] == []


def test_plain_names_do_not_look_odd() -> None:
    assert looked_at([("quiz", "ada@x.example"), (None, None), ("", "a_b.c-d/e:f")]) == [(False, False)] * 3
