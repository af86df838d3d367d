"""Rules stand above the score, the fallback below it, and nothing ever raises or leaves the reason out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.decisions.entity import entity_decision
from intelligence.decisions.settings import Decisions
from intelligence.online.deciding import Known, online_decision
from intelligence.online.settings import Online, OnlineRule

RULES = (
    OnlineRule(name="staff", answer="allow", entities=frozenset({"boss", "both"})),
    OnlineRule(name="banned", answer="block", entities=frozenset({"thief", "both"})),
    OnlineRule(name="burst", answer="throttle", counter="events", minutes=1, above=100, per_minute=20),
    OnlineRule(name="flood", answer="throttle", counter="events", minutes=60, above=1000, per_minute=5),
    OnlineRule(name="large", answer="block", value_above=10_000),
)
ONLINE = Online(rules=RULES)
CALM = {"events_1m": 1.0, "events_1h": 3.0}
SURE = {"drift": "steady", "model_version": 3, "risk_low": 0.9, "risk_high": 0.95}


def decided(known: Known, decisions: Decisions | None = None):
    return online_decision(known, online=ONLINE, decisions=decisions or Decisions())


@pytest.mark.parametrize(
    ("known", "answer", "rules"),
    [
        (Known("boss", windows={"events_1m": 500.0, "events_1h": 500.0}, risk_score=0.99), "allow", ("staff", "burst")),
        (Known("both", windows=CALM), "allow", ("staff", "banned")),
        (Known("thief", windows=CALM, risk_score=0.0), "block", ("banned",)),
        (Known("u", windows={"events_1m": 101.0, "events_1h": 101.0}, risk_score=0.0), "throttle", ("burst",)),
        (Known("u", value=10_001.0, windows={"events_1m": 101.0, "events_1h": 0.0}), "block", ("burst", "large")),
        (Known("u", value=10_000.0, windows=CALM, risk_score=0.1), "allow", ()),
    ],
)
def test_the_strictest_rule_decides_whatever_the_score_and_a_list_that_allows_goes_first(known, answer, rules) -> None:
    found = decided(known)
    assert (found.answer, found.rules, found.is_fallback) == (answer, rules, False)


def test_a_throttle_is_a_number_and_of_two_the_slower_counts() -> None:
    found = decided(Known("u", windows={"events_1m": 101.0, "events_1h": 1001.0}))
    assert (found.answer, found.per_minute, found.delay_s) == ("throttle", 5, 12.0)
    assert found.reason == "events_1h is 1001, above 1000 (flood)"


def test_without_a_rule_the_score_decides_as_in_the_batch() -> None:
    for score in (0.0, 0.69, 0.7, 0.89, 0.9, 1.0):
        expected = entity_decision(score, facts=SURE, settings=Decisions())
        found = decided(Known("u", windows=CALM, risk_score=score, facts=SURE))
        assert (found.answer, found.lowered_by, found.reason) == (expected.answer, expected.lowered_by, expected.reason)
        assert (found.per_minute == ONLINE.throttled_per_minute) == (found.answer == "throttle")


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (Known("u", windows=CALM), "no model scores entities: the fallback holds"),
        (Known("u", risk_score=0.95, facts=SURE), "the window of the rule burst is not known: the fallback holds"),
        (Known("u", windows={"events_1m": math.nan}), "the window of the rule burst is not known: the fallback holds"),
        (Known("u", windows=CALM, risk_score=math.nan), "the score nan is no probability: the fallback holds"),
        (Known("u", windows=CALM, risk_score=1.5), "the score 1.5 is no probability: the fallback holds"),
    ],
)
def test_whatever_is_missing_leads_to_the_fallback_which_says_so(known: Known, reason: str) -> None:
    careful = Decisions.model_validate({"entities": {"fallback": "throttle"}})
    found = decided(known, careful)
    assert (found.answer, found.is_fallback, found.reason) == ("throttle", True, reason)
    assert found.delay_s == 60 / ONLINE.throttled_per_minute


def test_a_rule_that_applies_decides_although_another_cannot_be_evaluated() -> None:
    assert decided(Known("thief")).answer == "block"


anything = st.one_of(st.none(), st.floats(), st.text(), st.integers())


@given(anything, st.one_of(st.none(), st.dictionaries(st.sampled_from(["events_1m", "events_1h"]), anything)), anything)
def test_nothing_raises_and_no_broken_input_blocks(value, windows, score) -> None:
    found = decided(Known("u", value, windows, score, {"drift": "steady"}))
    assert found.reason
    if found.answer == "block":
        assert isinstance(value, float | int)
        assert value > 10_000


def test_below_auto_answers_are_recorded_and_not_enforced() -> None:
    assert not decided(Known("thief")).is_enforced
    assert decided(Known("thief"), Decisions.model_validate({"entities": {"level": "auto"}})).is_enforced


@pytest.mark.parametrize(
    ("online", "said"),
    [
        ("{windows_minutes: [5, 1]}", "the shortest first"),
        ("{windows_minutes: [90]}", "a window of 90 minutes"),
        ("{rules: [{name: a, answer: block}]}", "exactly one condition"),
        ("{rules: [{name: a, answer: block, counter: events, above: 3}]}", "needs `counter`, `minutes` and `above`"),
        ("{rules: [{name: a, answer: throttle, value_above: 3}]}", "`per_minute` belongs to the answer `throttle`"),
        ("{rules: [{name: a, answer: allow, value_above: 3}]}", "only a list of `entities` can allow"),
        (
            "{rules: [{name: a, answer: block, counter: events, minutes: 7, above: 3}]}",
            "`windows_minutes` has 1, 5, 60, 1440",
        ),
        (
            "{rules: [{name: a, answer: block, value_above: 3}, {name: a, answer: block, value_above: 4}]}",
            "more than once",
        ),
        ("{latenes_minutes: 3}", "lateness_minutes"),
    ],
)
def test_mistakes_in_product_yaml_are_told_in_plain_words(online: str, said: str) -> None:
    with pytest.raises(ProductFileError, match=said.replace("[", r"\[")):
        product_from(f"name: Demo\nsources: [{{name: app, topics: events}}]\nonline: {online}")


def test_a_source_reads_one_kind_of_thing_and_a_topic_belongs_to_one_source() -> None:
    product = product_from("name: D\nsources: [{name: app, topics: [a, b]}, {name: old, files: '*.csv'}]")
    assert product.sources[0].topics == ("a", "b")
    for sources, said in (
        ("[{name: app, topics: a, files: '*.csv'}]", "only one"),
        ("[{name: app, topics: a}, {name: web, topics: a}]", "the topic a more than once"),
        ("[{name: app, topics: 'a b'}]", "topics"),
        ("[{name: app, topics: a, replaces: true}]", "nothing replaces anything"),
        ("[{name: app, topics: a, mapping: {user: uid}}]", "no contract column"),
    ):
        with pytest.raises(ProductFileError, match=said):
            product_from(f"name: D\nsources: {sources}")
