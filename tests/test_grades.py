"""No claim about an effect without its evidence grade: in every table, in every message, and wherever the policy uses one."""

from dataclasses import replace

import pytest

from intelligence.catalog.layers import TABLES
from intelligence.core.grades import GRADES
from intelligence.core.tables import Table
from intelligence.decisions.choice import choice
from intelligence.decisions.settings import Decisions
from intelligence.decisions.wording import reasons
from tests.intelligence.decisions.test_experiments import HARMED

# Columns that say what something does to something else, and columns of counts and shares that only sound so.
EFFECTS = ("effect", "estimate", "uplift", "lift")
MEASURED_ACTIONS = "actions.outcomes"
OF_EFFECTS = [table for table in TABLES if {column.name for column in table.columns} & {*EFFECTS}]


def test_the_tables_of_effects_are_known() -> None:
    assert {table.path for table in OF_EFFECTS} >= {"experiments.experiment_results", "causality.feature_effects"}


@pytest.mark.parametrize(
    "table", [each for each in OF_EFFECTS if each.path != MEASURED_ACTIONS], ids=lambda table: table.path
)
def test_a_table_of_effects_has_their_grade_and_claims_that_none_lacks_it(table: Table) -> None:
    assert "grade" in {column.name for column in table.columns}
    assert any("grade" in claim.contradictions for claim in table.claims), (
        "no check would find an effect without a grade"
    )


@pytest.mark.parametrize("verdict", ["roll_back", "ship"])
@pytest.mark.parametrize("grade", GRADES)
def test_a_message_about_what_an_experiment_shows_names_the_grade(verdict: str, grade: str) -> None:
    made = choice(replace(HARMED, experiment_verdict=verdict, experiment_grade=grade), Decisions().at_level("auto"))
    assert f"evidence grade {grade}" in reasons(made)
