"""The page on the policy tells every rule in the words of the code."""

from pathlib import Path

from intelligence.decisions.rules import FEATURE_RULES, SHARED_RULES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "policy.md"


def test_the_page_has_every_rule_in_its_order_with_what_it_says() -> None:
    lines = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    rows = [(cells[0].strip("| `"), cells[1], cells[3].strip("| ")) for cells in lines]
    assert rows == [(rule.name, rule.says, rule.otherwise) for rule in (*FEATURE_RULES, *SHARED_RULES)]
