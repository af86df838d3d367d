"""Every reason for a rejection has a next step that fits it."""

import pytest

from intelligence.telemetry.contract import RULES, Rule
from intelligence.telemetry.remedies import remedy


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.field} {rule.reason}")
def test_every_rule_has_a_remedy_that_names_its_column_or_its_setting(rule: Rule) -> None:
    advice = remedy(f"{rule.field} {rule.reason}")
    assert any(named in advice for named in (f"`{rule.field}`", "`start`", "`end`"))
    assert ("`end`" in advice) == ("future" in rule.reason)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("event_time is not a TIMESTAMP", "TRY_STRPTIME"),
        ("latency_ms is not a DOUBLE", "AS DOUBLE)"),
        ("crashed is not a BOOLEAN", "= 'yes'"),
        ("error_count is not a whole number", "round(column)"),
        ("feature is longer than 256 characters", "left(column, 256)"),
        ("unreadable line: missing columns", "deliver it again"),
    ],
)
def test_a_remedy_fits_its_reason(reason: str, advice: str) -> None:
    assert advice in remedy(reason)
