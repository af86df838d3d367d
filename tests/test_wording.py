"""That something is better, won, improved or caused is said in one place, where an interval says so; all texts are walked."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLAIM = re.compile(
    r"\b(won|wins|beats?|beaten|outperforms?|superior|best model|ranks? (better|worse|higher|lower|above|below)|(is|are|was|no) better"
    r"|(is|are|was) worse|improv\w*|caused|due to|thanks to|proves?|proven|significant\w*)\b",
    re.IGNORECASE,
)
WHERE_AN_INTERVAL_SAYS_SO = {
    "intelligence/warehouse/answer_scores.py": "lists the words of direction and refusal that are looked for in answers",
    "intelligence/experiments/verdict.py": "says it of metrics whose interval lies on one side of zero or of the margin",
    "intelligence/risk/wording.py": "words every comparison by its interval",
    "intelligence/risk/selection.py": "says `ranks worse` of rivals that `standing` found so",
    "intelligence/risk/gate.py": "says it of what `standing` found so",
    "intelligence/briefs/asking.py": "says nothing: its words are those of people who ask",
    "intelligence/briefs/question_rules.py": "says nothing: its words are those of people who ask",
}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that may be shown, with their lines; docstrings and comments are for programmers."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("ring", ["intelligence", "assets", "resources", "sensors"])
def test_no_text_says_better_or_caused_but_where_an_interval_says_so(ring: str) -> None:
    claims = [
        f"{name}:{line}: {text}"
        for path in sorted((ROOT / ring).rglob("*.py"))
        if (name := path.relative_to(ROOT).as_posix()) not in WHERE_AN_INTERVAL_SAYS_SO
        for line, text in texts(path)
        if CLAIM.search(text)
    ]
    assert claims == []


@pytest.mark.parametrize(
    "claim",
    [
        *(
            "The boosted trees won.",
            "It ranks better.",
            "The trees are no better.",
            "B beats A",
            "The error rate improved.",
        ),
        *(
            "Release 3 caused it.",
            "It is worse than before.",
            "significantly lower",
            "due to the release",
            "It outperforms chance.",
        ),
    ],
)
def test_the_walk_finds_claims(claim: str) -> None:
    assert CLAIM.search(claim)
