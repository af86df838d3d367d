"""The table's page and claims are SQL that runs, and the claims find what contradicts them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import duckdb
import polars as pl
import pytest

from intelligence.core.tables import Days, schema_contradictions, standard_claims
from intelligence.decisions.record import decided
from intelligence.decisions.tables import FEATURE_DECISIONS
from tests.intelligence.decisions.facts_of_a_day import AUTO, CASES, DAY, frame

DAYS = Days(DAY, DAY + timedelta(days=1))


@pytest.fixture
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in FEATURE_DECISIONS.columns)
        connection.execute(f"CREATE SCHEMA decisions; CREATE TABLE {FEATURE_DECISIONS.path} ({columns})")
        named = [replace(each, feature=f"feature {number}") for number, each in enumerate(CASES)]
        faulty = [replace(each, event_date=DAY - timedelta(days=1), quality="partial") for each in named]
        rows = decided(frame(*named, *faulty), settings=AUTO)
        connection.register("rows", rows.to_arrow())
        connection.execute(f"INSERT INTO {FEATURE_DECISIONS.path} BY NAME FROM rows")
        yield connection


def contradictions(lake: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = {}
    for claim in (*standard_claims(FEATURE_DECISIONS), *FEATURE_DECISIONS.claims):
        parameters = {name: value for name, value in DAYS.parameters.items() if f"${name}" in claim.contradictions}
        found[claim.name] = len(lake.execute(claim.contradictions, parameters).fetchall())
    return found


def test_the_records_keep_every_claim(lake: duckdb.DuckDBPyConnection) -> None:
    assert set(contradictions(lake).values()) == {0}
    types = dict(lake.execute(f"SELECT column_name, column_type FROM (DESCRIBE {FEATURE_DECISIONS.path})").fetchall())
    assert schema_contradictions(FEATURE_DECISIONS, types) == ()


@pytest.mark.parametrize(
    ("damage", "claim"),
    [
        ("SET evidence = replace(evidence, '\"whole\"', '\"partial\"')", "faulty_telemetry_acts_on_no_feature"),
        ("SET lowered_by = ['vital_needs_a_person']", "vital_features_wait_for_a_person"),
        ("SET decision_id = 'same'", "ids_are_unique"),
        ("SET propensity = 2", "rates_are_fractions"),
        ("SET feature = 'same'", "keys_are_unique"),
        ("SET reasons = NULL", "required_columns_are_filled"),
    ],
)
def test_a_damaged_record_is_found(lake: duckdb.DuckDBPyConnection, damage: str, claim: str) -> None:
    lake.execute(f"UPDATE {FEATURE_DECISIONS.path} {damage}")
    assert contradictions(lake)[claim] > 0


def test_the_page_shows_the_strongest_actions_first(lake: duckdb.DuckDBPyConnection) -> None:
    assert FEATURE_DECISIONS.page is not None
    shown = pl.from_arrow(lake.execute(FEATURE_DECISIONS.page, {"end": DAYS.end}).to_arrow_table())
    assert isinstance(shown, pl.DataFrame)
    assert shown["action"].to_list() == ["rollback", "throttle", "hold", "alert", "ticket", "monitor"]
