"""Plans from the history of a real lake, compared with plans on moments computed plainly in Python from the events."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from rich.console import Console

from intelligence.core.errors import ExperimentError, NotEnoughEvidence, PlatformError
from intelligence.experiments.history import Planned
from intelligence.experiments.moments import arms, moments
from intelligence.experiments.plan import plans
from intelligence.experiments.settings import Design
from intelligence.interfaces.cli.experiments import plan_parts, plan_record
from intelligence.metrics.registry import METRICS, Metric
from resources.services.experiments import ExperimentService
from tests.intelligence.experiments.test_lake import SPAN, Site, marked_events, of_unit
from tests.intelligence.hand_made_lake import PRODUCT, day
from tests.lakes import lake_in

DAYS = 14


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("history"), marked_events(), ())


def units(site: Site, metric: Metric, feature: str | None, start: int) -> list[dict[str, float | None]]:
    """What each user active in the window did in it, and in as many days before."""
    window = [
        each
        for each in site.events
        if day(start) <= each["event_time"].date() < day(start + DAYS) and feature in (None, each["feature"])
    ]
    found = []
    for user in sorted({each["user_id"] for each in window}):
        first = min(each["event_time"].date() for each in window if each["user_id"] == user)
        after = of_unit(site.events, user, day(start), day(start + DAYS - 1))
        before = of_unit(site.events, user, day(start - DAYS), day(start - 1))
        back = of_unit(site.events, user, first + timedelta(days=7), first + timedelta(days=13))
        past = {f"pre_{name}": value if before["events"] else None for name, value in before.items()}
        found.append({**after, **past, "retained_7d": float(back["events"] > 0)})
    return found


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("events_per_unit", None),
        ("crash_free_user_rate", None),
        ("crash_free_user_rate", "quiz"),
        ("feature_conversion_rate", "quiz"),
        ("retention_7d", None),
    ],
)
def test_a_plan_is_that_of_moments_computed_one_by_one(site: Site, name: str, feature: str | None) -> None:
    metric = METRICS[name]
    start = SPAN - DAYS - metric.matures_after_days
    frame = pl.DataFrame(units(site, metric, feature, start)).with_columns(variant=pl.lit("all"))
    arm = arms(moments(frame, [metric], experiment="e", exposed_on=day(0)), metric)["all"]
    # A share that is near 1 cannot rise by a fifth.
    relative = 0.2 if name.endswith(("per_unit", "conversion_rate")) else -0.2
    found = site.service.plan(name, feature=feature, relative=relative, share=0.3, days=DAYS)
    assert (found.window.start, found.window.end) == (day(start), day(start + DAYS))
    assert (found.units, found.units_per_day) == (frame.height, frame.height / DAYS)
    assert {*found.plans} == {*get_args(Design)}
    for design, ours in found.plans.items():
        expected = plans(
            arm, metric, relative=relative, units_per_day=frame.height / DAYS, share=0.3, design=design, looks=DAYS,
            days=(7, 14),
        )  # fmt: skip
        assert [each.units for each in ours] == [each.units for each in expected]
        for one, other in zip(ours, expected, strict=True):
            assert one.is_adjusted == other.is_adjusted
            assert one.effect == pytest.approx(other.effect)
            assert one.smallest_effects == pytest.approx(other.smallest_effects)
    assert found.value == pytest.approx(found.plans["fixed"][0].effect / relative)


def test_a_covariate_is_used_where_the_time_before_the_window_is_known(site: Site) -> None:
    known = site.service.plan("events_per_unit", days=SPAN // 2)
    assert [plan.is_adjusted for plan in known.plans["fixed"]] == [False, True]
    assert known.no_covariate == ""
    unknown = site.service.plan("events_per_unit", days=SPAN // 2 + 1)
    assert [plan.is_adjusted for plan in unknown.plans["fixed"]] == [False]
    assert unknown.no_covariate.startswith(f"The history begins on {day(0)}; 54 days are needed")
    assert site.service.plan("retention_7d", days=7).no_covariate == "retention_7d has no value before the exposure."


@pytest.mark.parametrize(
    ("metric", "options", "error", "words"),
    [
        ("conversions", {}, ExperimentError, "is no metric of the registry"),
        ("median_duration_s", {}, ExperimentError, "is a quantile"),
        ("feature_events_per_unit", {}, ExperimentError, "Name it with --feature"),
        ("events_per_unit", {"days": 0}, ExperimentError, "days: are 0"),
        ("events_per_unit", {"days": SPAN + 1}, NotEnoughEvidence, "52 days are known, and .* needs 53"),
        ("retention_28d", {"days": 28}, NotEnoughEvidence, "28 days needs 63"),
        ("events_per_unit", {"feature": "nosuch"}, NotEnoughEvidence, "nosuch: nobody used it from"),
        ("events_per_unit", {"relative": 0.0}, ExperimentError, "cannot change by 0"),
        ("events_per_unit", {"share": 1.0}, ExperimentError, "the share 1"),
        ("value_per_unit", {}, ExperimentError, "has the value 0"),
    ],
)
def test_what_cannot_be_planned_is_said(
    site: Site, metric: str, options: dict[str, Any], error: type[PlatformError], words: str
) -> None:
    with pytest.raises(error, match=words):
        site.service.plan(metric, **options)


def test_an_empty_lake_has_no_history(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="it holds no day"):
        ExperimentService(PRODUCT, lake_in(tmp_path)).plan("events_per_unit")


def printed(found: Planned) -> str:
    console = Console(width=200, record=True, file=StringIO())
    for part in plan_parts(found):
        console.print(part)
    return console.export_text()


def test_the_table_has_the_numbers_of_every_design(site: Site) -> None:
    found = site.service.plan("events_per_unit", feature="quiz", relative=-0.2, share=0.3, days=DAYS)
    text = printed(found)
    assert f"for the {found.units} users of quiz from {day(SPAN - DAYS)} to {day(SPAN - 1)}" in text
    assert "To find a change of -20.0% with 30% in the variant" in text
    plan = found.plans["always_valid"][1]
    (line,) = [each for each in text.splitlines() if each.startswith("always valid") and " with " in each]
    assert line.split()[3:] == [
        f"{plan.units:,}",
        f"{plan.days:,}",
        *(f"±{plan.smallest_effects[each]:.1%}" for each in (7, 14)),
    ]
    never = {"fixed": tuple(replace(each, days=None, smallest_effects={}) for each in found.plans["fixed"])}
    assert "never" in printed(replace(found, plans=never))


def test_the_record_has_a_plan_of_every_design_with_and_without_a_covariate(site: Site) -> None:
    found = site.service.plan("events_per_unit", days=DAYS)
    record = plan_record(found)
    assert {(each["design"], each["with_covariate"]) for each in record["plans"]} == {
        (design, is_adjusted) for design in get_args(Design) for is_adjusted in (False, True)
    }
    assert record["plans"][0]["units"] == found.plans[record["plans"][0]["design"]][0].units
    assert (record["users"], record["no_covariate"]) == (found.units, None)
