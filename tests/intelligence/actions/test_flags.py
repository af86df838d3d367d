"""A flag document after a change serves exactly what was requested, and leaves the variants of all other users unchanged."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from intelligence.actions.action import Kind
from intelligence.actions.flags import (
    FlagChange,
    changed_document,
    digest_of,
    exposure,
    first_document,
    former_rule,
    restored_document,
    version_of,
)
from intelligence.core.errors import ActionError

USERS = [f"user-{number}" for number in range(300)]


def document(targeting: Any = None, *, default: str = "on", **flag: Any) -> dict[str, Any]:
    made = first_document(["f", "other"])
    made["flags"]["f"].update({"targeting": targeting or {}, "defaultVariant": default, **flag})
    return made


def served(changed: Any, **attributes: Any) -> list[str | None]:
    """Return what each user gets, by the evaluator that applications use."""
    core = FlagdCore()
    core.set_flags(json.dumps(changed))
    return [core.resolve_boolean_value("f", False, EvaluationContext(user, attributes)).variant for user in USERS]


def change(kind: Kind, **wishes: Any) -> FlagChange:
    return FlagChange("f", kind, "a1", **wishes)


def test_a_rollback_serves_the_safe_variant_to_everybody_and_never_disables() -> None:
    before = document({"if": [{"in": ["user", {"var": "targetingKey"}]}, "on", None]})
    after = changed_document(before, change(Kind.ROLLBACK))
    assert set(served(after)) == {"off"}
    assert after["flags"]["f"]["state"] == "ENABLED"
    assert after["flags"]["other"] == before["flags"]["other"]
    assert (version_of(before, "f"), version_of(after, "f")) == (0, 1)


def test_a_throttle_of_a_flag_without_rule_makes_one() -> None:
    after = changed_document(document(), change(Kind.THROTTLE, step=0.25))
    assert exposure(after, "f") == 0.75
    assert 0.65 < served(after).count("on") / len(USERS) < 0.85


def test_a_throttle_reaches_weights_inside_of_a_rule() -> None:
    rule = {"if": [{"==": [{"var": "country"}, "nl"]}, {"fractional": [["on", 1], ["off", 1]]}, "off"]}
    after = changed_document(document(rule), change(Kind.THROTTLE, step=0.5))
    assert set(served(after, country="nl")) == {"off"}
    assert exposure(after, "f") is None


def test_a_hold_freezes_the_weights_and_says_so() -> None:
    before = document({"fractional": [["on", 30], ["off", 70]]})
    after = changed_document(before, change(Kind.HOLD))
    assert after["flags"]["f"]["targeting"] == before["flags"]["f"]["targeting"]
    assert after["flags"]["f"]["metadata"]["held"] is True
    assert digest_of(after, "f") != digest_of(before, "f")


@st.composite
def weights(draw: st.DrawFn) -> list[list[Any]]:
    parts = draw(st.lists(st.tuples(st.sampled_from(["on", "off", "third"]), st.integers(0, 200)), min_size=1))
    return [[name, weight] for name, weight in parts] + [["on", draw(st.integers(1, 50))]]


SEEDS = [[], [{"cat": ["salt", {"var": "targetingKey"}]}]]


@settings(max_examples=60, deadline=None)
@given(weights(), st.floats(0.01, 1), st.sampled_from(SEEDS), st.integers(1, 3))
def test_a_throttle_only_takes_users_from_on_to_safe(
    parts: list[list[Any]], step: float, seed: list[Any], times: int
) -> None:
    variants = {"on": True, "off": False, "third": False}
    flag = document({"fractional": [*seed, *parts]}, variants=variants)
    for _ in range(times):
        before, share_before = served(flag), exposure(flag, "f")
        flag = changed_document(flag, change(Kind.THROTTLE, step=step))
        after, share_after = served(flag), exposure(flag, "f")
        assert all(was == now or (was, now) == ("on", "off") for was, now in zip(before, after, strict=True))
        assert share_before is not None
        assert share_after == pytest.approx(max(0.0, share_before - step), abs=0.002)


@settings(max_examples=60, deadline=None)
@given(weights(), st.lists(st.floats(0.01, 1), min_size=1, max_size=3), st.sampled_from(SEEDS))
def test_an_advance_only_gives_the_feature_to_users_of_safe_and_keeps_the_seed(
    parts: list[list[Any]], shares: list[float], seed: list[Any]
) -> None:
    variants = {"on": True, "off": False, "third": False}
    flag = document({"fractional": [*seed, *parts]}, variants=variants)
    whole = sum(weight for _, weight in parts)
    most = 1 - sum(weight for name, weight in parts if name == "third") / whole
    for share in sorted(shares):
        present = exposure(flag, "f")
        assert present is not None
        if present + 0.002 >= share or share > most:
            continue
        before = served(flag)
        flag = changed_document(flag, change(Kind.ADVANCE, share=share))
        after = served(flag)
        assert all(was == now or (was, now) == ("off", "on") for was, now in zip(before, after, strict=True))
        assert exposure(flag, "f") == pytest.approx(share, abs=0.002)
        assert flag["flags"]["f"]["targeting"]["fractional"][: len(seed)] == seed


def test_an_advance_goes_from_nobody_to_everybody_and_nobody_who_has_it_loses_it() -> None:
    flag, had = document(default="off"), set[str]()
    for share in (0.05, 0.25, 0.5, 1.0):
        flag = changed_document(flag, change(Kind.ADVANCE, share=share))
        has = {user for user, variant in zip(USERS, served(flag), strict=True) if variant == "on"}
        assert had <= has
        assert exposure(flag, "f") == share
        had = has
    assert had == set(USERS)


def test_an_advance_that_was_decided_at_another_share_is_not_made() -> None:
    rolled_back = document(default="off")
    with pytest.raises(ActionError, match=r"0 of its users have it, and 0.05 had it when the step was decided"):
        changed_document(rolled_back, change(Kind.ADVANCE, share=0.25, former_share=0.05))


def test_an_advance_takes_users_beside_those_who_have_it_wherever_these_stand() -> None:
    before = document({"fractional": [["off", 95], ["on", 5]]})
    after = changed_document(before, change(Kind.ADVANCE, share=0.25))
    assert after["flags"]["f"]["targeting"] == {"fractional": [["off", 750], ["on", 250]]}


@given(
    st.sampled_from([Kind.ROLLBACK, Kind.THROTTLE, Kind.HOLD]),
    st.one_of(st.none(), weights().map(lambda parts: {"fractional": parts})),
)
def test_the_former_rule_undoes_a_change_under_a_version_of_its_own(kind: Kind, targeting: Any) -> None:
    before = document(targeting, variants={"on": True, "off": False, "third": False})
    after = changed_document(before, change(kind))
    back = restored_document(after, "f", former_rule(before, "f"), action_id="a1:undo")
    assert former_rule(back, "f") == former_rule(before, "f")
    assert version_of(back, "f") == 2


@pytest.mark.parametrize(
    ("flag", "kind", "problem"),
    [
        (document(state="DISABLED"), Kind.ROLLBACK, "state is DISABLED, set by a person"),
        (document({"if": [True, "on"]}), Kind.THROTTLE, "no `fractional` rule"),
        (document({"fractional": [["on", {"var": "x"}]]}), Kind.THROTTLE, "is computed, not written"),
        (document(default="off"), Kind.THROTTLE, "serves off to everybody"),
        (document(variants={"a": 1, "b": 2}, metadata={}), Kind.ROLLBACK, "names no `safe_variant`"),
        (document(metadata={"safe_variant": "of"}), Kind.ROLLBACK, "is of, which is none of its variants"),
        ({"flags": {}}, Kind.ROLLBACK, "no such flag"),
        ({"flags": []}, Kind.ROLLBACK, "no object `flags`"),
        (document(), Kind.ALERT, "does not change a flag"),
        (document(), Kind.ADVANCE, "a share of None is none of its users"),
    ],
)
def test_what_cannot_be_done_without_guessing_is_refused(flag: dict[str, Any], kind: Kind, problem: str) -> None:
    with pytest.raises(ActionError, match=problem):
        changed_document(flag, change(kind))


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        (document(), "100% of its users have it already"),
        (document({"fractional": [["on", 50], ["off", 50]]}), "50% of its users have it already"),
        (document({"if": [True, "on"]}), "more than one `fractional` rule"),
        (document({"fractional": [["on", 10], ["third", 80], ["off", 10]]}, variants={"on": 1, "off": 2, "third": 3}),
         "too few of its users have off"),
        (document(default="off", metadata={"safe_variant": "off", "on_variant": "on", "held": True}), "it is held"),
        (document(default="off", state="DISABLED"), "state is DISABLED"),
    ],
)  # fmt: skip
def test_an_advance_that_would_need_a_guess_is_refused(flag: dict[str, Any], problem: str) -> None:
    with pytest.raises(ActionError, match=problem):
        changed_document(flag, change(Kind.ADVANCE, share=0.5))
