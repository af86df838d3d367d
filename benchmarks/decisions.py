"""What the policy would do on ninety days: for planted products, and for clean ones on which it should do nothing.

Each product is built through the asset graph and decided day by day, every action at the level auto. The clean products
are scored by a risk model that was trained on the planted one, since a clean product contains no degradation to learn
from.

Small clean products whose telemetry is faulty on their last days, in one way each, must be reported once and not be
acted on; a true outage must be reported within the day. The same model scores them; with `--planted 0` they have no
scores.
"""

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args

from benchmarks.graph import environment_of
from benchmarks.measuring import arguments, demand, measured, temporary
from intelligence.simulation.planned_changes import PlannedFault

MOST_ALERTS_PER_SEED = 1.0
LEAST_RECALL = 0.95
LEAST_PRECISION = 0.85
TOUCHES = ("rollback", "throttle", "hold")
KINDS = get_args(PlannedFault.model_fields["kind"].annotation)
OUTAGE = "outage"
# Products with a fault that lasts from one of their last seven days to the end; the seed decides the weekday on which it begins.
SMALL = argparse.Namespace(features=8, days=36, events=2_500)
PRODUCT = """
name: Decided
sources:
  - name: simulator
    simulate: {{features: {features}, days: {days}, events_per_day: {events}, seed: {seed}, planted: {planted}{fault}}}
feature_defaults: {{flag_key: "{{feature}}", tier: 1}}
"""


def told(
    seed: int, *, planted: bool, folder: Path, model: Path, size: argparse.Namespace, fault: str = ""
) -> dict[str, Any]:
    """Return what the policy did to the product of that seed."""
    with temporary(f"decisions-{seed}", folder) as here:
        sizes = {"features": size.features, "days": size.days, "events": size.events}
        product = PRODUCT.format(**sizes, seed=seed, planted=str(planted).lower(), fault=fault)
        environment = environment_of(here, product)
        measured("benchmarks.decided_days", here / "told.json", "--model", model, environment=environment)
        found: dict[str, Any] = json.loads((here / "told.json").read_text(encoding="utf-8"))
        return found


@dataclass(frozen=True, slots=True)
class Broken:
    """What was done about the fault of one product: how often it was touched, and what people were told on which day."""

    kind: str
    seed: int
    touches: int
    messages: tuple[tuple[str, str, str], ...]
    days_to_message: int | None

    @classmethod
    def of(cls, kind: str, seed: int, found: dict[str, Any]) -> "Broken":
        """Return it from what the policy did; the day that counts is that of the first word on the telemetry."""
        begun, messages = date.fromisoformat(found["fault_from"]), tuple(map(tuple, found["messages"]))
        days = [(date.fromisoformat(day) - begun).days for day, key, _ in messages if key.startswith("telemetry@")]
        touches = sum(act["action"] in TOUCHES for act in found["acts"])
        return cls(kind, seed, touches, messages, min((each for each in days if each >= 0), default=None))

    def wrong(self) -> list[str]:
        """Return which demands are not met: of an outage only that people are told on its day."""
        who, found = f"{self.kind} of seed {self.seed}", []
        if self.days_to_message != 0:
            late = "never" if self.days_to_message is None else f"{self.days_to_message} days late"
            found.append(f"{who} was told {late}")
        if self.kind != OUTAGE and self.touches:
            found.append(f"{who} led to {self.touches} touches")
        if self.kind != OUTAGE and len(self.messages) != 1:
            found.append(f"{who} led to {len(self.messages)} messages")
        return found


def broken(chosen: argparse.Namespace, model: Path) -> list[str]:
    """Return which demands are not met where telemetry is broken or the product is out; prints a table by kind."""
    tries = {kind: chosen.outages if kind == OUTAGE else chosen.faults for kind in chosen.kind or KINDS}
    wrong: list[str] = []
    for kind, seeds in tries.items():
        all_of_kind = []
        for seed in range(200, 200 + seeds):
            fault = f", fault: {{kind: {kind}, from_day: {SMALL.days - 1 - seed % 7}, days: 7}}"
            found = told(seed, planted=False, folder=chosen.folder, model=model, size=SMALL, fault=fault)
            all_of_kind.append(Broken.of(kind, seed, found))
        show_broken(kind, all_of_kind)
        wrong += [each for product in all_of_kind for each in product.wrong()]
    return wrong


def show_broken(kind: str, products: list[Broken]) -> None:
    """Print the row of that kind, and what was told of those products that do not meet a demand."""
    if not products:
        return
    touched = sum(each.touches > 0 for each in products)
    on_the_day = sum(each.days_to_message == 0 for each in products)
    one = sum(len(each.messages) == 1 for each in products)
    print(
        f"{kind:<25} {len(products):>2} products: {touched} touched, {one} with one message, {on_the_day} told on the day",
        flush=True,
    )
    for each in (product for product in products if product.wrong()):
        for day, key, text in each.messages:
            print(f"    seed {each.seed} {day} {key}: {text}", flush=True)


def clean(chosen: argparse.Namespace, model: Path) -> list[str]:
    """Return which demands the clean products do not meet; prints what was done to each."""
    counts: list[Counter[str]] = []
    for seed in range(100, 100 + chosen.seeds):
        found = told(seed, planted=False, folder=chosen.folder, model=model, size=chosen)
        counts.append(Counter(act["action"] for act in found["acts"]))
        print(f"clean seed {seed}: {dict(counts[-1]) or 'nothing done'}", flush=True)
        for act in found["acts"]:
            print(f"    {act['event_date']} {act['reasons']}", flush=True)
    touches = sum(each[kind] for each in counts for kind in TOUCHES)
    alerts = sum(each["alert"] for each in counts) / len(counts)
    print(f"{len(counts)} clean products of {chosen.days} days: {touches} touched, {alerts:.1f} alerts each on average")
    wrong = [f"{touches} rollbacks, throttles and holds on clean products"] if touches else []
    return wrong + ([f"{alerts:.1f} alerts per clean product"] if alerts > MOST_ALERTS_PER_SEED else [])


def planted(chosen: argparse.Namespace, model: Path) -> list[str]:
    """Return which demands the planted products do not meet, taken together; prints each trouble with its answer."""
    products: list[dict[str, Any]] = []
    for seed in reversed(range(7, 7 + chosen.planted)):
        products.append(told(seed, planted=True, folder=chosen.folder, model=model, size=chosen))
        show_planted(seed, products[-1])
    answers = [answer is not None for each in products for _, _, _, answer, _ in each["truths"]]
    actions, false = (sum(each[name] for each in products) for name in ("actions", "false_actions"))
    recall = sum(answers) / len(answers) if answers else 0.0
    precision = 1 - false / actions if actions else 0.0
    print(f"{len(products)} planted products: recall {recall:.1%}, precision {precision:.1%}")
    wrong = [f"recall is {recall:.1%}, demanded are {LEAST_RECALL:.0%}"] if recall < LEAST_RECALL else []
    if precision < LEAST_PRECISION:
        wrong.append(f"precision is {precision:.1%}, demanded are {LEAST_PRECISION:.0%}")
    touched = any(each["false_touches"] for each in products)
    return wrong + (["a clean feature of the planted product was touched"] if touched else [])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="clean products to try")
    parser.add_argument("--planted", type=int, default=1, help="planted products to try")
    parser.add_argument("--faults", type=int, default=10, help="products to try for each kind of broken telemetry")
    parser.add_argument("--outages", type=int, default=10, help="products with a true outage to try")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these kinds of fault")
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--events", type=int, default=50_000, help="a day")
    chosen = parser.parse_args()
    if chosen.seeds and not chosen.planted:
        parser.error("clean products are scored by the model of a planted one: add --planted 1 or take --seeds 0")
    with temporary("decisions-model", chosen.folder) as here:
        model = here / "model.pickle"
        wrong = planted(chosen, model) if chosen.planted else []
        wrong += clean(chosen, model) if chosen.seeds else []
        wrong += broken(chosen, model)
    demand(not wrong, "; ".join(wrong))


def show_planted(seed: int, found: dict[str, Any]) -> None:
    """Print each planted trouble with the answer to it."""
    print(f"planted seed {seed}")
    for kind, feature, day, answer, delay in found["truths"]:
        said = f"{answer} after {delay} days" if answer else "no right answer"
        print(f"{kind:<15} {feature or 'telemetry':<28} {day}  {said}")
    print(
        f"precision {found['precision']:.0%}, recall {found['recall']:.0%}, {found['false_touches']} clean features touched",
        flush=True,
    )


if __name__ == "__main__":
    main()
