"""What is planted in the simulated stream, cycle by cycle, and its description as truths with dates."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from intelligence.core.truths import PlantedTruth
from intelligence.simulation.draws import generator
from intelligence.simulation.people import people
from intelligence.simulation.plan import DAYS_PER_CYCLE, SimulationPlan
from intelligence.simulation.planted_adoption import (
    CLOSES,
    OPENS,
    adopted,
    adoption_effect,
    confounded_feature,
    least_popular,
    sized,
)
from intelligence.simulation.planted_experiments import Experiment, planted_experiments
from intelligence.simulation.planted_usage import (
    BrokenStep,
    LeavingCohort,
    broken_step,
    leavers,
    leaving_cohort,
    signed_up_in,
)
from intelligence.simulation.product import (
    PLATFORM_SHARES,
    PLATFORMS,
    RELEASES_PER_CYCLE,
    Catalogue,
    adoption,
    catalogue,
    releases,
)

ERROR_BUDGET: Final = 0.02
FAULT_HOURS: Final = (8, 20)

_BAD_RELEASE_SHARE: Final = 0.05
_SLOW_DECAY_SHARE: Final = 0.08
_SCHOOL_DAYS_OF_A_WEEK: Final = 4


@dataclass(frozen=True, slots=True)
class BadRelease:
    """A feature that fails in one release of a platform, from the day `first` until the hotfix on the day after `last`."""

    feature: int
    platform: int
    number: int
    first: int
    last: int
    added_error_rate: float


@dataclass(frozen=True, slots=True)
class SlowDecay:
    """A feature that decays from `onset` over `ramp_days`, breaks its promise from `first` on and is repaired after `last`."""

    feature: int
    onset: int
    first: int
    last: int
    ramp_days: int
    added_error_rate: float
    latency_multiplier: float

    def progress(self, index: int) -> float:
        """Return the progress of the decay on the day `index`, from 0 (sound) to 1."""
        if not self.onset <= index <= self.last:
            return 0.0
        return min(1.0, (index - self.onset + 1) / self.ramp_days)


@dataclass(frozen=True, slots=True)
class Script:
    """Everything planted in one cycle; days are indices counted from 0 on the plan's first day."""

    bad_releases: tuple[BadRelease, ...]
    slow_decays: tuple[SlowDecay, ...]
    fault_days: tuple[int, ...]
    experiments: tuple[Experiment, ...]
    broken_step: BrokenStep | None = None


def _bad_releases(features: list[int], seed: int, cycle: int) -> tuple[BadRelease, ...]:
    draw = generator(seed, "bad releases", cycle)
    start, calendar = cycle * DAYS_PER_CYCLE, releases(seed, cycle)
    latest = divmod(int(calendar.argmax()), RELEASES_PER_CYCLE)
    others = [(p, k) for p in range(len(PLATFORMS)) for k in range(1, RELEASES_PER_CYCLE) if (p, k) != latest]
    slots = [latest, *(others[i] for i in draw.permutation(len(others)))]
    days_to_hotfix = draw.integers(3, 8, size=len(slots))
    found = []
    for position, feature in enumerate(features):
        platform, k = slots[position % len(slots)]
        first, end = int(calendar[platform, k]), start + DAYS_PER_CYCLE - 1
        last = end if (platform, k) == latest else min(end, first + int(days_to_hotfix[position % len(slots)]) - 1)
        exposed = PLATFORM_SHARES[platform] * float(adoption(np.arange(last - first + 1)).mean())
        added = round(float(draw.uniform(0.055, 0.085)) / exposed, 2)
        found.append(BadRelease(feature, platform, (cycle + 1) * RELEASES_PER_CYCLE + k, first, last, added))
    return tuple(found)


def _slow_decays(features: list[int], product: Catalogue, seed: int, cycle: int) -> tuple[SlowDecay, ...]:
    draw = generator(seed, "slow decays", cycle)
    start, found = cycle * DAYS_PER_CYCLE, []
    for position, feature in enumerate(features):
        first = start + int(draw.integers(70, 80) if position == 0 else draw.integers(24, 70))
        last = start + DAYS_PER_CYCLE - 1 if position == 0 else first + int(draw.integers(10, 21))
        ramp_days, sound = int(draw.integers(12, 17)), float(product.error_rate[feature])
        added = float(draw.uniform(0.042, 0.06)) - sound
        day_by_day = sound + added * np.minimum(1, np.arange(1, ramp_days + 1) / ramp_days) ** 2
        early_days = int(np.argmax(day_by_day > ERROR_BUDGET))
        slower = round(float(draw.uniform(2.0, 3.0)), 2)
        found.append(SlowDecay(feature, first - early_days, first, last, ramp_days, added, slower))
    return tuple(found)


@lru_cache(maxsize=32)
def script(features: int, seed: int, planted: bool, cycle: int) -> Script:
    """Return what is planted in a cycle; it does not depend on the length of the plan.

    Args:
        features: Number of product features.
        seed: Seed of the plan.
        planted: Whether bad releases, slow decays and pipeline faults are planted; experiments run either way, but
            without failures where it is False, and the confounded feature is no part of a script.
        cycle: Number of the cycle, counted from 0.
    """
    product, start = catalogue(features, seed), cycle * DAYS_PER_CYCLE
    draw = generator(seed, "script", cycle)
    popularity = product.popularity(start)
    common = np.argsort(popularity, kind="stable")[features // 4 :]
    apart = least_popular(product)[:1]
    eligible = [int(f) for f in draw.permutation(common) if product.introduced[f] <= start and f not in apart]
    bad, decaying = max(1, round(features * _BAD_RELEASE_SHARE)), max(1, round(features * _SLOW_DECAY_SHARE))
    completions = popularity * product.completion_rate
    sound = sorted(eligible[bad + decaying :] or eligible, key=lambda feature: -float(completions[feature]))
    school_days = [day for day in range(start + 35, start + 61) if day % 7 < _SCHOOL_DAYS_OF_A_WEEK]
    onboarding, colour = start + int(draw.integers(10, 15)), start + int(draw.integers(44, 51))
    whole = Script(
        bad_releases=_bad_releases(eligible[:bad], seed, cycle),
        slow_decays=_slow_decays(eligible[bad : bad + decaying], product, seed, cycle),
        fault_days=(int(draw.choice(school_days)),),
        experiments=(tests := planted_experiments(sound, seed, cycle, onboarding=onboarding, colour=colour)),
        broken_step=broken_step(
            next((feature for feature in sound[len(tests) :] if not product.answers[feature]), None), seed, cycle
        ),
    )
    if planted:
        return whole
    harmless = tuple(replace(test, added_error_rate=0.0) for test in whole.experiments)
    return Script(bad_releases=(), slow_decays=(), fault_days=(), experiments=harmless)


def _truth_of_bad_release(plan: SimulationPlan, bad: BadRelease) -> PlantedTruth:
    feature = catalogue(plan.features, plan.seed).names[bad.feature]
    return PlantedTruth(
        kind="bad_release",
        feature=feature,
        starts_on=plan.date_of(bad.first),
        ends_on=plan.date_of(bad.last),
        precursor_from=None,
        detail=f"release 3.{bad.number}.0 on {PLATFORMS[bad.platform]}: {bad.added_error_rate:.0%} of its events on"
        f" {feature} fail until the hotfix 3.{bad.number}.1",
        effect=bad.added_error_rate,
    )


def _truth_of_slow_decay(plan: SimulationPlan, decay: SlowDecay) -> PlantedTruth:
    feature = catalogue(plan.features, plan.seed).names[decay.feature]
    return PlantedTruth(
        kind="slow_decay",
        feature=feature,
        starts_on=plan.date_of(decay.first),
        ends_on=plan.date_of(decay.last),
        precursor_from=plan.date_of(decay.onset),
        detail=f"{feature} decays from {plan.date_of(decay.onset)} on, breaches {ERROR_BUDGET:.0%} errors on"
        f" {plan.date_of(decay.first)} and ends {decay.added_error_rate:.1%} worse, at {decay.latency_multiplier:g}"
        " times the latency",
        effect=decay.latency_multiplier,
    )


def _truth_of_fault(plan: SimulationPlan, fault_day: int) -> PlantedTruth:
    first_hour, end_hour = FAULT_HOURS
    return PlantedTruth(
        kind="pipeline_fault",
        feature=None,
        starts_on=plan.date_of(fault_day),
        ends_on=plan.date_of(fault_day),
        precursor_from=None,
        detail=f"the events from {first_hour:02}:00 to {end_hour:02}:00 UTC were never delivered",
        effect=(end_hour - first_hour) / 24,
    )


def _truth_of_experiment(plan: SimulationPlan, test: Experiment) -> PlantedTruth:
    feature = catalogue(plan.features, plan.seed).names[test.feature]
    return PlantedTruth(
        kind="experiment",
        feature=feature,
        starts_on=plan.date_of(test.first),
        ends_on=plan.date_of(test.last),
        precursor_from=None,
        detail=f"{test.name}: {test.words(feature)}",
        effect=test.true_lift,
    )


def _truth_of_broken_step(plan: SimulationPlan, broken: BrokenStep) -> PlantedTruth:
    feature = catalogue(plan.features, plan.seed).names[broken.feature]
    return PlantedTruth(
        kind="broken_step",
        feature=feature,
        starts_on=plan.date_of(broken.first),
        ends_on=plan.date_of(broken.last),
        precursor_from=None,
        detail=broken.words(feature),
        effect=broken.lost_share,
    )


def _truth_of_leaving_cohort(plan: SimulationPlan, week: LeavingCohort, cycle: int) -> PlantedTruth:
    crowd = people(plan.events_per_day, plan.seed, cycle)
    adopters = adopted(plan, crowd, CLOSES) if confounded_feature(plan) is not None else np.False_
    share = float((leavers(plan, crowd, week) & ~adopters).sum() / max(signed_up_in(crowd, week).sum(), 1))
    return PlantedTruth(
        kind="leaving_cohort",
        feature=None,
        starts_on=plan.date_of(week.first),
        ends_on=plan.date_of(week.last),
        precursor_from=None,
        detail=f"{share:.0%} of those who sign up in the week from {plan.date_of(week.first)} on stay away after 3 to 8 days",
        effect=round(share, 4),
    )


def _truth_of_adoption(plan: SimulationPlan) -> PlantedTruth | None:
    feature = confounded_feature(plan)
    if feature is None:
        return None
    name, effect = catalogue(plan.features, plan.seed).names[feature], adoption_effect(sized(plan))
    return PlantedTruth(
        kind="confounded_feature",
        feature=name,
        starts_on=plan.date_of(OPENS),
        ends_on=plan.date_of(CLOSES),
        precursor_from=None,
        detail=f"{effect.adopters:,} users adopt {name}, the likelier the fewer days they were active on before; adopting adds"
        f" {effect.active_days_7d:.2f} active days and {effect.sessions_7d:.2f} sessions in the next 7 days,"
        f" {effect.active_days_28d:.2f} and {effect.sessions_28d:.2f} in the next 28",
        effect=round(effect.active_days_28d, 4),
    )


def _truths_of_cycle(plan: SimulationPlan, cycle: int) -> tuple[PlantedTruth, ...]:
    acts = script(plan.features, plan.seed, plan.planted, cycle)
    return (
        *(_truth_of_bad_release(plan, bad) for bad in acts.bad_releases),
        *(_truth_of_slow_decay(plan, decay) for decay in acts.slow_decays),
        *(_truth_of_fault(plan, fault_day) for fault_day in acts.fault_days),
        *(_truth_of_experiment(plan, test) for test in acts.experiments),
        *((_truth_of_broken_step(plan, acts.broken_step),) if acts.broken_step else ()),
        *(_truth_of_leaving_cohort(plan, week, cycle) for week in [leaving_cohort(plan, cycle)] if week),
    )


def planted_truths(plan: SimulationPlan) -> tuple[PlantedTruth, ...]:
    """Return the truths that concern the plan's days, by first day; their dates may lie after the plan's end.

    A truth concerns the days from its first signs (or else its first day) to its last day, both included.

    >>> {truth.kind for truth in planted_truths(SimulationPlan(features=10, planted=False))}
    {'experiment'}
    >>> ends = [truth.ends_on for truth in planted_truths(SimulationPlan()) if truth.kind != "experiment"]
    >>> max(ends) == SimulationPlan().last_day
    True
    """
    cycles = range((plan.days - 1) // DAYS_PER_CYCLE + 1)
    adoption = _truth_of_adoption(plan) if plan.days > OPENS else None
    truths = [
        *([adoption] if adoption else []),
        *(truth for cycle in cycles for truth in _truths_of_cycle(plan, cycle)),
    ]
    concerned = [truth for truth in truths if (truth.precursor_from or truth.starts_on) <= plan.last_day]
    return tuple(sorted(concerned, key=lambda truth: (truth.starts_on, truth.kind, truth.feature or "")))
