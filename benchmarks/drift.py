"""Whether the drift watch is silent on ninety clean days, and finds planted drift in time, with one training for each.

Products are built through the asset graph. What the watch reads of them is kept and then assessed day by day by the
functions that the assets call; every training that drift requires is carried out and evaluated by the gate. A clean
product contains no degradation to learn from: its champion for features was trained on a planted product, and its
limits come from the clean product's own first days. No other training replaces a champion within its ninety days.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.drift_stories import Story, asked_for_once, show_days
from benchmarks.graph import environment_of
from benchmarks.measuring import arguments, demand, measured, tell, temporary

FIRST_TRAINING_DAYS = 90
SIZES = {"latency_shift": 1.3, "latency_ramp": 1.3, "new_platform": 1.3, "label_shift": 3.0}
DRIFT_FROM_DAY = 104
FAULTS = ("lost_hours", "emptied_column", "flat_line")
FAULT_DAY = 97
PRODUCT = """
name: Drifting
sources:
  - name: simulator
    simulate: {{features: {features}, days: {days}, events_per_day: {events}, seed: {seed}{more}}}
"""


def history(name: str, seed: int, days: int, more: str, chosen: argparse.Namespace) -> Path:
    """Return the folder with what the watch reads of that product, built now unless it was kept."""
    written: Path = chosen.folder / "drift" / name
    if written.exists():
        tell(f"{name}: as kept in {written}")
        return written
    tell(f"{name}: {days} days of {chosen.events:,} events")
    with temporary(f"drift-{name}", chosen.folder) as lake:
        product = PRODUCT.format(features=chosen.features, days=days, events=chosen.events, seed=seed, more=more)
        asked = (written, "--first-training", str(FIRST_TRAINING_DAYS))
        measured("benchmarks.drift_history", *asked, environment=environment_of(lake, product))
    return written


def told(name: str, *asked: str | Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what the watch said of each day of that product, by model."""
    with temporary("drift-told", chosen.folder) as here:
        measured(
            "benchmarks.drift_watch",
            *(chosen.folder / "drift" / name, here / "told.json", *asked),
            environment={"POLARS_MAX_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )
        found: dict[str, Any] = json.loads((here / "told.json").read_text(encoding="utf-8"))
    return found


def planted(chosen: argparse.Namespace) -> list[str]:
    """Return where planted drift was found late, missed, or trained for more than once; tells each story."""
    from intelligence.catalog.product import Simulate
    from intelligence.drift.settings import Drift

    promised, wrong = Drift().power.model_dump(), []
    for kind in chosen.kind or SIZES:
        for seed in range(7, 7 + chosen.planted):
            name = f"p{seed}-{kind}"
            more = f", drift: {{kind: {kind}, from_day: {DRIFT_FROM_DAY}, size: {SIZES[kind]}}}"
            history(name, seed, chosen.planted_days, more, chosen)
            story = Story.of(told(name, chosen=chosen), first_day=Simulate().first_day, from_day=DRIFT_FROM_DAY)
            found = f"found on day {story.days_to_detection} of the drift, promised is {promised[kind]}"
            print(f"{kind} x {SIZES[kind]:g}, seed {seed}: {found}")
            show_days(story)
            if story.days_to_detection is None or story.days_to_detection > promised[kind]:
                wrong.append(f"{name} was found after {story.days_to_detection} days, promised are {promised[kind]}")
            wrong += [f"{name}: {each}" for each in asked_for_once(story)]
    return wrong


def clean(chosen: argparse.Namespace, feature_model: Path) -> list[str]:
    """Return which demands the clean products do not meet; prints what was seen on each."""
    from intelligence.drift.settings import Drift

    weeks = alarm_weeks = days = alarm_days = requests = 0
    evidently: dict[str, list[bool]] = {"day": [], "week": []}
    for seed in range(100, 100 + chosen.seeds):
        name = f"c{seed}"
        history(name, seed, FIRST_TRAINING_DAYS + chosen.days, ", planted: false", chosen)
        asked = ("--feature-model", feature_model, "--evidently-every", str(chosen.evidently_every))
        for model, found in told(name, *asked, chosen=chosen).items():
            alarms = [day["state"] == "moved" for day in found["days"]]
            whole_weeks = [any(alarms[start : start + 7]) for start in range(0, len(alarms) - 6, 7)]
            trainings = sum("training" in day for day in found["days"])
            weeks, alarm_weeks = weeks + len(whole_weeks), alarm_weeks + sum(whole_weeks)
            days, alarm_days, requests = days + len(alarms), alarm_days + sum(alarms), requests + trainings
            for window, verdicts in found.get("evidently", {}).items():
                evidently[window] += [verdict["share"] >= 0.5 for verdict in verdicts]
            largest = max(day["nearest"][::-1] for day in found["days"] if day["nearest"])
            print(
                f"clean seed {seed} {model:<13} {sum(alarms)} of {len(alarms)} days moved, {trainings} trainings asked"
                f" for; nearest to its limit: {largest[1]} at {largest[0]:.2f} of it",
                flush=True,
            )
            for day in found["days"]:
                if day["state"] != "steady":
                    print(f"    {day['day']} {day['state']}: {day['reason']}", flush=True)
    low, high = exact_range(alarm_weeks, weeks)
    rate = Drift().false_alarms_per_week
    print(
        f"{weeks} weeks of clean products: {alarm_weeks} with an alarm ({alarm_weeks / weeks:.1%}, 95 % range {low:.1%} to"
        f" {high:.1%}; asked for is {rate:.1%}), {alarm_days} of {days} days, {requests} trainings asked for"
    )
    for window, flagged in evidently.items():
        if flagged:
            share = sum(flagged) / len(flagged)
            print(f"Evidently's defaults on the {window}: {sum(flagged)} of {len(flagged)} sampled days ({share:.0%})")
    wrong = [f"{requests} trainings asked for on clean products"] if requests else []
    return wrong + ([f"alarms in {alarm_weeks} of {weeks} weeks, more than {rate:.1%}"] if low > rate else [])


def faulty(chosen: argparse.Namespace) -> list[str]:
    """Return where a pipeline's fault was taken for drift; tells what was said of the days from the fault on."""
    from intelligence.catalog.product import Simulate

    wrong = []
    for kind in FAULTS:
        more = f", fault: {{kind: {kind}, from_day: {FAULT_DAY}}}"
        history(f"p7-{kind}", 7, FAULT_DAY + 16, more, chosen)
        story = Story.of(told(f"p7-{kind}", chosen=chosen), first_day=Simulate().first_day, from_day=FAULT_DAY)
        print(f"{kind} on one day, seed 7")
        show_days(story)
        for model, found in story.by_model.items():
            states = {day["state"] for day in found["days"] if 1 <= story.age(day["day"]) <= 7}
            said = {day["state"] for day in found["days"]} - {"steady", "suspended"}
            if states != {"suspended"} or said or any("training" in day for day in found["days"]):
                wrong.append(f"{kind}: {model} was {', '.join(sorted(states | said))}")
    return wrong


def step(chosen: argparse.Namespace) -> None:
    """Print what one day of the drift layer costs on a lake of ninety days."""
    with temporary("drift-step", chosen.folder) as lake:
        product = PRODUCT.format(features=chosen.features, days=90, events=chosen.events, seed=7, more="")
        environment = environment_of(lake, product)
        measured("benchmarks.drift_step", "--prepare", environment=environment)
        measured("benchmarks.drift_step", environment=environment)


def exact_range(hits: int, tries: int) -> tuple[float, float]:
    """Return the 95 % range of a rate (Clopper and Pearson 1934).

    >>> [round(bound, 4) for bound in exact_range(0, 240)]
    [0.0, 0.0153]
    """
    from scipy.stats import beta

    low = beta.ppf(0.025, hits, tries - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, tries - hits) if hits < tries else 1.0
    return float(low), float(high)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="clean products to watch")
    parser.add_argument("--planted", type=int, default=3, help="products for each kind of drift")
    parser.add_argument("--kind", action="append", choices=sorted(SIZES), help="only these kinds of drift")
    parser.add_argument("--days", type=int, default=90, help="days to watch on a clean product, after the first 90")
    parser.add_argument("--planted-days", type=int, default=150, help="days of a drifting product in all")
    parser.add_argument("--evidently-every", type=int, default=10, help="ask Evidently every so many days; 0 for never")
    parser.add_argument("--faults", action="store_true", help="also break the pipeline on one day")
    parser.add_argument("--step", action="store_true", help="also measure what one day of the watch costs")
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--events", type=int, default=50_000, help="a day")
    chosen: argparse.Namespace = parser.parse_args()
    if chosen.step:
        step(chosen)
    wrong = planted(chosen) if chosen.planted else []
    if chosen.faults:
        wrong += faulty(chosen)
    if chosen.seeds:
        name, model = "p7-none", chosen.folder / "drift" / "feature-model.pickle"
        history(name, 7, FIRST_TRAINING_DAYS + 1, "", chosen)
        told(name, "--model", "feature_risk", "--keep-model", model, chosen=chosen)
        wrong += clean(chosen, model)
    demand(not wrong, "; ".join(wrong))


if __name__ == "__main__":
    main()
