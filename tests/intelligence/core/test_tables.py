"""Claims find what contradicts them."""

from typing import get_args

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.tables import KeyLook, unique_claim

KEYS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 200)), max_size=300)


@settings(max_examples=30, deadline=None)
@given(KEYS)
def test_a_key_that_comes_twice_is_found_however_it_is_looked_for(keys: list[tuple[str, int]]) -> None:
    found = []
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA telemetry; CREATE TABLE telemetry.t (batch VARCHAR, place BIGINT)")
        if keys:
            connection.executemany("INSERT INTO telemetry.t VALUES (?, ?)", keys)
        for by in get_args(KeyLook):
            claim = unique_claim("telemetry.t", ("batch", "place"), where="true", by=by)
            found.append(connection.execute(f"FROM ({claim.contradictions}) ORDER BY ALL").fetchall())
    assert found == [sorted((*key, keys.count(key)) for key in set(keys) if keys.count(key) > 1)] * 3
