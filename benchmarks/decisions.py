"""What the policy would do on ninety days: to planted products, and to clean ones where it should do nothing.

Each product is built through the asset graph and decided day by day, every action at the level auto. The clean products
are scored by a risk model that was trained on the planted one: a clean product has no trouble to learn from.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.graph import environment_of
from benchmarks.measuring import arguments, demand, measured, temporary

MOST_ALERTS_PER_SEED = 1.0
PRODUCT = """
name: Decided
sources:
  - name: simulator
    simulate: {{features: {features}, days: {days}, events_per_day: {events}, seed: {seed}, planted: {planted}}}
feature_defaults: {{flag_key: "{{feature}}", tier: 1}}
"""


def told(seed: int, *, planted: bool, folder: Path, model: Path, size: argparse.Namespace) -> dict[str, Any]:
    """Return what the policy did to the product of that seed."""
    with temporary(f"decisions-{seed}", folder) as here:
        product = PRODUCT.format(
            features=size.features, days=size.days, events=size.events, seed=seed, planted=str(planted).lower()
        )
        environment = environment_of(here, product)
        measured("benchmarks.decided_days", here / "told.json", "--model", model, environment=environment)
        found: dict[str, Any] = json.loads((here / "told.json").read_text(encoding="utf-8"))
        return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="clean products to try")
    parser.add_argument("--planted", type=int, default=1, help="planted products to try")
    parser.add_argument("--features", type=int, default=120)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--events", type=int, default=50_000, help="a day")
    chosen = parser.parse_args()
    planted: list[dict[str, Any]] = []
    with temporary("decisions-model", chosen.folder) as here:
        model = here / "model.pickle"
        for seed in reversed(range(7, 7 + chosen.planted)):
            planted.append(told(seed, planted=True, folder=chosen.folder, model=model, size=chosen))
            show_planted(seed, planted[-1])
        counts: list[Counter[str]] = []
        for seed in range(100, 100 + chosen.seeds):
            found = told(seed, planted=False, folder=chosen.folder, model=model, size=chosen)
            counts.append(Counter(act["action"] for act in found["acts"]))
            print(f"clean seed {seed}: {dict(counts[-1]) or 'nothing done'}", flush=True)
            for act in found["acts"]:
                print(f"    {act['event_date']} {act['reasons']}", flush=True)
    touches = sum(each[kind] for each in counts for kind in ("rollback", "throttle", "hold"))
    alerts = sum(each["alert"] for each in counts) / len(counts)
    print(f"{len(counts)} clean products of {chosen.days} days: {touches} touched, {alerts:.1f} alerts each on average")
    demand(not any(each["false_touches"] for each in planted), "a clean feature of the planted product was touched")
    demand(touches == 0, f"{touches} rollbacks, throttles and holds on clean products")
    demand(alerts <= MOST_ALERTS_PER_SEED, f"{alerts:.1f} alerts per clean product")


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
