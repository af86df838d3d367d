"""Two prompts that answer at the same time are the arms of an experiment: what users were answered is compared."""

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intelligence.core.tables import Days
from intelligence.experiments.daily import known_on
from intelligence.experiments.moments import added
from intelligence.experiments.settings import Experiment, MetricUse
from intelligence.experiments.tables import EXPERIMENT_MOMENTS, EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS
from intelligence.warehouse.tables import FACT_ANSWERS
from tests.intelligence.experiments.test_lake import ALL, Site
from tests.intelligence.hand_made_lake import day, event

LAST = day(33)
HINTS = Experiment(
    name="hint_prompt",
    feature="tutor",
    variants={"hint-3": 0.5, "hint-4": 0.5},
    control="hint-3",
    start=day(2),
    end=LAST,
    outcome_days=14,
    minimum_units=50,
    metrics=(
        MetricUse(metric="bad_answer_rate", role="goal"),
        MetricUse(metric="refusal_rate", role="signal"),
        MetricUse(metric="good_rating_rate", role="signal"),
    ),
)


def answers_of(seed: int, *, worse_by: float, users: int = 400) -> list[dict[str, Any]]:
    """Return answers to users in two arms by the version of the prompt; before day 2 all get the same one.

    Args:
        seed: Seed of everything drawn.
        worse_by: How many more answers of the new prompt are bad, as a share.
        users: Number of users.
    """
    draw, found = np.random.default_rng(seed), []
    for user in range(users):
        arm = ("hint-3", "hint-4")[user % 2]
        # Users differ: what one of them asks is easier to answer than what another does.
        own = float(draw.beta(1, 9))
        for number in range(34):
            for _ in range(draw.poisson(0.3)):
                is_old = number < 2
                bad = draw.random() < own + (0 if is_old or arm == "hint-3" else worse_by)
                found.append(
                    {
                        **dict.fromkeys(column.name for column in FACT_ANSWERS.columns),
                        **dict.fromkeys(("ratings", "good_ratings", "bad_ratings"), 0),
                        **{"event_date": day(number), "source": "app", "answer_id": f"a{len(found)}"},
                        "event_time": datetime(2026, 5, 4) + timedelta(days=number, hours=int(draw.integers(8, 20))),
                        **{"user_id": f"u{user}", "feature": "tutor", "segment": "student", "model_version": "m-1"},
                        **{"experiment": None if is_old else "hint_prompt", "variant": None if is_old else arm},
                        **{"prompt_version": arm, "is_scored": True, "is_bad": bool(bad), "refusal": bool(bad)},
                        "is_corrected": False,
                    }
                )
    return found


def site_of(folder: Path, answers: list[dict[str, Any]], *experiments: Experiment) -> Site:
    # A user who only asks has no other events; those of one are needed for the days to be known.
    events = [event(datetime(2026, 5, 4, 9) + timedelta(days=number), "u0", "chat") for number in range(40)]
    made = Site(folder, events, experiments)
    made.lake.replace(FACT_ANSWERS, ALL, "FROM rows", frames={"rows": FACT_ANSWERS.frame(answers)})
    made.build(Days(day(0), LAST + timedelta(days=1)))
    return made


def row_of(site: Site, table: Any, **where: Any) -> dict[str, Any]:
    found = site.lake.frame(f"FROM {table.path}").filter(event_date=LAST, **where)
    assert found.height == 1
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, list[dict[str, Any]]]:
    answers = answers_of(3, worse_by=0.15)
    return site_of(tmp_path_factory.mktemp("worse"), answers, HINTS), answers


def test_a_worse_prompt_is_told_as_the_effect_of_an_experiment_with_the_grade_of_one(
    worse: tuple[Site, list[dict[str, Any]]],
) -> None:
    site, _ = worse
    found = row_of(site, EXPERIMENT_RESULTS, metric="bad_answer_rate", segment="all")
    assert (found["variant"], found["direction"], found["grade"]) == ("hint-4", "decrease", "A")
    assert found["low"] <= 0.15 <= found["high"]
    assert found["low"] > 0.05
    verdict = row_of(site, EXPERIMENT_VERDICTS, variant="hint-4")
    assert (verdict["verdict"], verdict["is_healthy"]) == ("roll_back", True)


def test_the_moments_are_the_answers_of_each_unit_since_its_exposure(worse: tuple[Site, list[dict[str, Any]]]) -> None:
    site, answers = worse
    exposed: dict[str, Any] = {}
    for row in sorted((each for each in answers if each["experiment"]), key=lambda each: each["event_time"]):
        exposed.setdefault(row["user_id"], row["event_date"])
    bad, scored = defaultdict(int), defaultdict(int)
    for row in answers:
        since = exposed.get(row["user_id"])
        if since and since <= row["event_date"] < since + timedelta(days=HINTS.outcome_days):
            bad[row["prompt_version"]] += row["is_bad"]
            scored[row["prompt_version"]] += 1
    moments = known_on(site.lake.frame(f"FROM {EXPERIMENT_MOMENTS.path}"), LAST)
    sums = added(moments.filter(metric="bad_answer_rate"), by=("variant",))
    assert {row["variant"]: (row["sum_x"], row["sum_y"]) for row in sums.iter_rows(named=True)} == {
        arm: (bad[arm], scored[arm]) for arm in HINTS.variants
    }
    assert sums["n_covariate"].sum() > 0, "some were answered before, which is their covariate"


def test_a_prompt_that_is_no_worse_is_not_said_to_be(tmp_path: Path) -> None:
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        site = site_of(folder, answers_of(seed, worse_by=0), HINTS)
        found = row_of(site, EXPERIMENT_RESULTS, metric="bad_answer_rate", segment="all")
        assert found["low"] < 0 < found["high"]


def test_arms_that_nobody_declared_are_compared_by_their_answers_with_a_lower_grade(tmp_path: Path) -> None:
    site = site_of(tmp_path, answers_of(3, worse_by=0.15))
    found = row_of(site, EXPERIMENT_RESULTS, metric="bad_answer_rate", segment="all")
    assert (found["role"], found["grade"]) == ("goal", "B")
    assert found["effect"] == pytest.approx(0.15, abs=0.06)


def test_versions_that_follow_one_another_are_no_arms(tmp_path: Path) -> None:
    """Each user gets the old prompt before the new one: a unit in two variants is no evidence, and there is no effect."""
    answers = [
        {**row, "experiment": "hint_prompt", "variant": "hint-3" if row["event_date"] < day(17) else "hint-4"}
        for row in answers_of(3, worse_by=0.15)
    ]
    site = site_of(tmp_path, answers, HINTS)
    verdict = row_of(site, EXPERIMENT_VERDICTS, variant="hint-4")
    assert not verdict["is_healthy"]
    results = site.lake.frame(f"FROM {EXPERIMENT_RESULTS.path}").filter(event_date=LAST)
    assert results["effect"].is_null().all()
