"""False discovery rates: in the order of what was compared, and never below the chance itself."""

import pytest

from intelligence.core.discovery import false_discovery_rates


def test_adjusting_is_monotone_and_never_lowers_a_chance() -> None:
    chances = [0.001, 0.2, 0.04, 0.9, 0.04]
    found = false_discovery_rates(chances)
    assert all(new >= old for new, old in zip(found, chances, strict=True))
    assert found[2] == found[4] == pytest.approx(0.04 * 5 / 3)
    assert false_discovery_rates([]) == []
