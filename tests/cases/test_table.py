"""The table of cases names tests that there are, and no input lies here unused."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

CASES = Path(__file__).parent
ROOT = CASES.parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (CASES / "README.md").read_text().splitlines()
    if re.match(r"\| \d\d-", line)
]
FOLDERS = sorted(path.name for path in CASES.iterdir() if re.match(r"\d\d-", path.name))


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_says_what_is_right_and_names_tests_that_there_are(row: list[str]) -> None:
    case, right, tests = row
    assert right.endswith(".")
    named = re.findall(r"`([^`]+)`", tests)
    assert named, case
    for node in named:
        path, name = node.split("::")
        assert name in names_in(path), node


def test_each_case_is_told_once_and_in_order() -> None:
    cases = [row[0] for row in ROWS]
    assert cases == sorted({*cases})
    assert len(cases) >= 28


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_input_is_used_by_a_test(folder: str) -> None:
    assert folder in {row[0] for row in ROWS}
    users = [path.name for path in ROOT.glob("tests/**/test_*.py") if f'"{folder}"' in path.read_text()]
    assert users, f"no test reads tests/cases/{folder}"
