"""The section `experiments` of product.yaml: its defaults, and what is refused in plain words."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from intelligence.catalog.product import product_from
from intelligence.core.errors import NotEnoughEvidence, ProductFileError
from intelligence.experiments.settings import Experiment, undeclared_experiment

DAYS = {"start": date(2026, 5, 4), "end": date(2026, 5, 31)}


def test_a_name_suffices() -> None:
    found = Experiment(name="checkout")
    assert found.actual_design == "always_valid"
    assert found.treatments == ("treatment",)
    assert [each.actual_role for each in found.metrics] == ["goal", "guardrail", "guardrail", "signal", "signal"]
    assert found.planned_looks == ()


def test_a_horizon_makes_it_group_sequential_with_a_look_each_day() -> None:
    found = Experiment(name="checkout", **DAYS)
    assert found.actual_design == "group_sequential"
    assert len(found.planned_looks) == 28


def test_planned_looks_are_a_horizon_of_their_own() -> None:
    found = Experiment(name="checkout", start=date(2026, 5, 4), looks=(date(2026, 5, 10), date(2026, 5, 17)))
    assert found.horizon == date(2026, 5, 17)
    assert found.planned_looks == (date(2026, 5, 10), date(2026, 5, 17))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"variants": {"control": 0.5, "b": 0.4}}, "shares that add up to 0.9"),
        ({"variants": {"control": 0.5}}, "has 1 variant"),
        ({"control": "a"}, "control `a`, which is none of its variants"),
        ({"start": date(2026, 5, 4), "end": date(2026, 5, 3)}, "ends on 2026-05-03, before 2026-05-04"),
        ({"end": date(2026, 5, 3)}, "has no `start`"),
        ({"start": date(2026, 5, 4), "looks": (date(2026, 5, 9), date(2026, 5, 9))}, "days out of order"),
        ({"start": date(2026, 5, 4), "looks": (date(2026, 5, 3),)}, "days out of order"),
        ({"design": "fixed"}, "needs `start` and `end`"),
        ({"metrics": [{"metric": "conversion"}]}, "`conversion`, which is not defined; there are conversion_rate"),
        ({"metrics": [{"metric": "crash_free_user_rate"}]}, "no metric with the role `goal`"),
        ({"metrics": [{"metric": "conversion_rate"}] * 2}, "names the metric conversion_rate more than once"),
        ({"metrics": [{"metric": "conversion_rate", "margin": -1}]}, "greater than or equal to 0"),
        ({"alpha": 0}, "greater than 0"),
        ({"name": ""}, "at least 1 character"),
        ({"owner": "me"}, "match pattern"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Experiment.model_validate({"name": "checkout", **wrong})
    assert words in str(caught.value)


PRODUCT = "name: Demo\nsources: [{name: app, simulate: {}}]\n"


def test_a_product_declares_experiments() -> None:
    text = PRODUCT + (
        "experiments:\n"
        "  - {name: checkout, flag: new_checkout, start: 2026-05-04, end: 2026-05-31,"
        " metrics: [{metric: value_per_unit, role: goal}, {metric: errors_per_event, margin: 0.05}]}\n"
    )
    (found,) = product_from(text).experiments
    assert found.metrics[1].margin == 0.05
    assert found.horizon == date(2026, 5, 31)


def test_a_product_declares_each_experiment_once() -> None:
    with pytest.raises(ProductFileError, match="declares checkout more than once"):
        product_from(PRODUCT + "experiments: [{name: checkout}, {name: checkout}]")


def test_a_misspelt_setting_of_an_experiment_is_named() -> None:
    with pytest.raises(ProductFileError, match="hypothesis"):
        product_from(PRODUCT + "experiments: [{name: checkout, hypotesis: x}]")


def test_names_of_experiments_are_written_as_in_events() -> None:
    text = (
        PRODUCT + "names: {case: fold}\n"
        "experiments: [{name: ' New Checkout', variants: {Control: 0.5, Green: 0.5}, control: Control}]\n"
    )
    (found,) = product_from(text).experiments
    assert (found.name, tuple(found.variants), found.control) == ("new checkout", ("control", "green"), "control")


def test_variants_that_are_the_same_when_written_down_are_refused() -> None:
    with pytest.raises(ProductFileError, match="variants that are the same one"):
        product_from(
            PRODUCT + "names: {case: fold}\nexperiments: [{name: x, variants: {A: 0.5, a: 0.5}, control: a}]\n"
        )


@pytest.mark.parametrize(
    ("variants", "control"),
    [
        (["b", "A"], "A"),
        (["treatment", "Control"], "Control"),
        (["blue", "green", "red"], "blue"),
        (["on", "off"], "off"),
    ],
)
def test_an_experiment_that_nobody_declared_has_a_likely_control(variants: list[str], control: str) -> None:
    found = undeclared_experiment("banner", variants)
    assert found.control == control
    assert sum(found.variants.values()) == pytest.approx(1)
    assert found.actual_design == "always_valid"


def test_an_experiment_of_one_variant_is_none_yet() -> None:
    with pytest.raises(NotEnoughEvidence, match="was seen with 1 variant"):
        undeclared_experiment("banner", ["on"])


def test_an_experiment_is_declared_with_the_names_that_its_events_have_in_the_end() -> None:
    text = """
name: Shop
sources: [{name: app, files: x}]
names: {case: fold}
experiments:
  - {name: " New Checkout ", feature: "Quiz ", variants: {"New ": 0.5, OLD: 0.5}, control: OLD}
"""
    (found,) = product_from(text).experiments
    assert (found.name, found.feature, found.control) == ("new checkout", "quiz", "old")
    assert {*found.variants} == {"new", "old"}
