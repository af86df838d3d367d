"""A design gives the highest grade, findings only lower it."""

import itertools
from typing import get_args

import pytest

from intelligence.core.grades import (
    GRADES,
    HIGHEST,
    REASONS,
    Design,
    Finding,
    Grade,
    graded,
    is_at_least,
    lowered,
    weakest,
)


def test_every_design_finding_and_grade_has_its_words() -> None:
    assert set(HIGHEST) == set(get_args(Design))
    assert set(REASONS) == set(get_args(Finding))
    assert get_args(Grade) == GRADES


@pytest.mark.parametrize("design", HIGHEST)
def test_no_set_of_findings_raises_a_grade_and_one_more_never_does(design: Design) -> None:
    for size in range(len(REASONS) + 1):
        for findings in itertools.combinations(REASONS, size):
            grade = graded(design, findings).grade
            assert is_at_least(HIGHEST[design], grade)
            for more in REASONS:
                assert is_at_least(grade, graded(design, [*findings, more]).grade)


def test_what_lowered_a_grade_is_said_in_the_same_order_whatever_the_order_of_the_findings() -> None:
    assert graded("experiment", ["method out of bounds", "unhealthy"]) == graded(
        "experiment", ["unhealthy", "method out of bounds"]
    )


@pytest.mark.parametrize("findings", [["refuted"], ["fragile"], ["not identified"]])
def test_a_refuted_adjustment_is_an_association(findings: list[Finding]) -> None:
    assert graded("adjustment", findings).grade == "D"


def test_grades_are_ordered() -> None:
    assert [lowered(grade) for grade in GRADES] == ["B", "C", "D", "D"]
    assert weakest(GRADES) == "D"
    assert all(is_at_least(grade, grade) for grade in GRADES)
