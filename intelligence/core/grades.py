"""Evidence grades: how a claim about an effect came about, and so what may be done with it.

A is an own randomised experiment, B a natural experiment whose trends before the change agree, C an adjusted estimate that no
refutation contradicts, D an association. A design gives the grade that a claim can have at most; what is found about the claim
lowers it: a finding caps the grade, and a method whose record is out of bounds loses one grade more. Nothing raises a grade.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

Grade = Literal["A", "B", "C", "D"]
Design = Literal["experiment", "natural experiment", "adjustment", "association"]
Finding = Literal[
    "unhealthy", "trends differ", "refuted", "fragile", "not identified", "not declared", "method out of bounds"
]

# From the strongest to the weakest.
GRADES: Final[tuple[Grade, ...]] = ("A", "B", "C", "D")
WORDS: Final[dict[Grade, str]] = {
    "A": "own experiment",
    "B": "natural experiment",
    "C": "adjusted and unrefuted",
    "D": "association",
}
HIGHEST: Final[dict[Design, Grade]] = {
    "experiment": "A",
    "natural experiment": "B",
    "adjustment": "C",
    "association": "D",
}
REASONS: Final[dict[Finding, str]] = {
    "unhealthy": "the experiment is unhealthy",
    "trends differ": "the groups moved differently before the change",
    "refuted": "a refutation contradicts the estimate",
    "fragile": "a hidden confounder as strong as a measured one could explain it",
    "not identified": "the declared graph does not identify the effect",
    "not declared": "nobody declared how units are assigned",
    "method out of bounds": "the method is out of bounds in its record against own experiments",
}
# Findings that take one grade; all others leave an association.
ONE_GRADE: Final[frozenset[Finding]] = frozenset({"not declared", "method out of bounds"})


@dataclass(frozen=True, slots=True)
class Graded:
    """The grade of a claim.

    Attributes:
        grade: The grade.
        reasons: What lowered it from what the design can have, in words; empty where nothing did.
    """

    grade: Grade
    reasons: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return the grade with what it means and what lowered it."""
        lowered = f"; lowered because {' and '.join(self.reasons)}" if self.reasons else ""
        return f"grade {self.grade} ({WORDS[self.grade]}{lowered})"


def graded(design: Design, findings: Collection[Finding] = ()) -> Graded:
    """Return the grade of a claim from its design and what was found about it.

    `not declared` and `method out of bounds` take one grade each; every other finding makes the claim an association.

    Args:
        design: How the claim came about.
        findings: What was found about it, in any order.

    >>> graded("adjustment").words
    'grade C (adjusted and unrefuted)'
    >>> graded("experiment", ["method out of bounds"]).grade
    'B'
    >>> graded("natural experiment", ["trends differ"]).words
    'grade D (association; lowered because the groups moved differently before the change)'
    """
    known = [finding for finding in REASONS if finding in findings]
    grade = HIGHEST[design]
    if any(finding not in ONE_GRADE for finding in known):
        grade = GRADES[-1]
    for _ in set(known) & ONE_GRADE:
        grade = lowered(grade)
    return Graded(grade, tuple(REASONS[finding] for finding in known))


def weakened(known: Graded, finding: Finding) -> Graded:
    """Return the grade of a claim after one more finding about it; one that it has already changes nothing.

    Args:
        known: The grade so far.
        finding: What was found.

    >>> weakened(graded("adjustment"), "refuted").words
    'grade D (association; lowered because a refutation contradicts the estimate)'
    """
    reason = REASONS[finding]
    if reason in known.reasons:
        return known
    grade = lowered(known.grade) if finding in ONE_GRADE else GRADES[-1]
    return Graded(grade, (*known.reasons, reason))


def is_at_least(grade: Grade, asked: Grade) -> bool:
    """Return whether a grade is as strong as the one that is asked for.

    Args:
        grade: The grade of a claim.
        asked: The weakest grade that is enough.

    >>> is_at_least("B", "C"), is_at_least("D", "C")
    (True, False)
    """
    return GRADES.index(grade) <= GRADES.index(asked)


def weakest(grades: Collection[Grade]) -> Grade:
    """Return the grade of a claim that rests on several ones: the weakest of them, and an association where there is none.

    >>> weakest(["A", "C"]), weakest([])
    ('C', 'D')
    """
    return max(grades, key=GRADES.index, default=GRADES[-1])


def lowered(grade: Grade) -> Grade:
    """Return the next weaker grade; an association stays one.

    >>> lowered("C"), lowered("D")
    ('D', 'D')
    """
    return GRADES[min(GRADES.index(grade) + 1, len(GRADES) - 1)]
