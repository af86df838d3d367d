"""The section `decisions` of product.yaml: empty is enough, mistakes are reported in plain words, the version names it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.decisions.autonomy import ACTIVE
from intelligence.decisions.settings import Decisions, QuietHours

GOOD = "name: Demo\nsources: [{name: app, files: x}]\n"


def section(text: str) -> Decisions:
    return product_from(f"{GOOD}decisions: {text}").decisions


def test_an_empty_section_decides_everything_and_does_nothing() -> None:
    assert section("{}") == product_from(GOOD).decisions == Decisions()
    assert {Decisions().of(kind).level for kind in ACTIVE} == {"shadow"}


def test_one_kind_is_set_without_touching_the_others() -> None:
    found = section("{rollback: {level: approve}}")
    assert found.rollback.level == "approve"
    assert found.rollback.effect == Decisions().rollback.effect
    assert found.throttle == Decisions().throttle


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{rolback: {}}", ["`decisions.rolback` is not a setting", "`rollback`?"]),
        ("{rollback: {level: always}}", ["`decisions.rollback.level` is 'always'", "'shadow', 'advise'"]),
        ("{rollback: {confidnce: 0.5}}", ["`decisions.rollback.confidnce`", "`confidence`?"]),
        ("{alert: {no_data: retry}}", ["`decisions.alert.no_data` is 'retry'", "'monitor', 'alert'"]),
        ("{limits: {share_per_hour: 2}}", ["`decisions.limits.share_per_hour` is 2", "less than or equal to 1"]),
        (
            "{throttle: {cost: 3}}",
            ["`decisions` has a `throttle` whose cost of 3 is less than", "`hold`", "at least 8"],
        ),
        ("{quiet_hours: [{since: 25, until: 6}]}", ["`decisions.quiet_hours.0.since` is 25"]),
        ("{freeze: [{first: 2026-12-24, last: 2026-12-20}]}", ["ends on 2026-12-20, before it starts on 2026-12-24"]),
        ("{freeze: [{first: soon, last: 2026-12-20}]}", ["`decisions.freeze.0.first` is 'soon'", "a date"]),
        ("{entities: {throttle: 0.9, block: 0.9}}", ["`block` must be above"]),
    ],
)
def test_mistakes_are_told_in_plain_words(text: str, named: list[str]) -> None:
    with pytest.raises(ProductFileError) as caught:
        section(text)
    assert [words for words in named if words not in str(caught.value)] == []


def test_the_version_follows_every_setting_and_no_spelling() -> None:
    texts = [
        "{}",
        "{rollback: {level: auto}}",
        "{throttle_step: 0.4}",
        "{signs: {rising: 4}}",
        "{entities: {block: 0.8}}",
    ]
    versions = [section(text).version for text in texts]
    assert len(set(versions)) == len(versions)
    assert section("{rollback: {confidence: 0.9}}").version == section("{}").version


@given(st.integers(0, 23), st.integers(0, 23))
def test_hours_are_quiet_or_loud(since: int, until: int) -> None:
    quiet, loud = QuietHours(since=since, until=until), QuietHours(since=until, until=since)
    if since != until:
        assert all(quiet.has(hour) != loud.has(hour) for hour in range(24))
