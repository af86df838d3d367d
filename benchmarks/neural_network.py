"""What a small neural network (the extra `deep`) adds to the other candidates of the risk models, on unseen time.

It is trained beside them in simulated panels whose truth is known, and with `--lake` on the features and users of the lake in
INTELLIGENCE_DATA. A gain counts where the whole interval of the paired difference lies above 0.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from benchmarks.measuring import arguments, demand, tell
from intelligence.core.errors import NotEnoughEvidence
from intelligence.risk.candidates import ALL_CANDIDATES, CANDIDATES, LEFT_OUT, asked_for
from intelligence.risk.evaluation import Estimate, Sample, estimate, measures
from intelligence.risk.selection import selected
from intelligence.risk.tables import FEATURE_TRAINING, USER_TRAINING
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained
from intelligence.risk.wording import compared, named

NETWORK = "neural_network"
UNITS, TIMES, PREDICTORS = 200, 40, 8
TASK = Task(
    unit="unit",
    time="time",
    label="label",
    predictors=tuple(f"x{place}" for place in range(PREDICTORS)),
    horizon=1,
    floors={"first": "x0"},
)
# Straight lines are what a logistic regression finds; both ends of a sum are what lines miss and trees cut up.
STRAIGHT, ENDS = "straight lines", "both ends of a sum"
SLACK = 0.02


def world(name: str, *, units: int, seed: int) -> pl.DataFrame:
    """Return a panel whose label follows a sum of predictors, straight or at both of its ends."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(units * TIMES, PREDICTORS))
    values[draw.random(values.shape) < 0.05] = np.nan
    total = np.nan_to_num(values) @ np.linspace(1, 0.2, PREDICTORS)
    logit = -2.2 + total if name == STRAIGHT else -4 + 2 * np.abs(total)
    keys = {"unit": np.tile(np.arange(units), TIMES), "time": np.repeat(np.arange(TIMES), units)}
    label = draw.random(len(logit)) < 1 / (1 + np.exp(-logit))
    return pl.DataFrame({**keys, **dict(zip(TASK.predictors, values.T, strict=True)), "label": label})


def panels(*, lake: bool, units: int, seed: int) -> Iterator[tuple[str, pl.DataFrame, Task, Rules]]:
    """Yield a name, rows, the task and the rules of each panel."""
    for name in (STRAIGHT, ENDS):
        yield name, world(name, units=units, seed=seed), TASK, Rules(folds=3, capacity=0.05)
    if not lake:
        return
    from resources.config.settings import settings
    from resources.platform import Platform

    read = Platform.of(settings()).panels
    for table in (FEATURE_TRAINING, USER_TRAINING):
        spec = read.model_spec_of(table)
        yield f"{spec.title.lower()} of the lake", read.training_panel(table).rows, spec.task, spec.rules


def measured_by(training: Training) -> dict[str, dict[str, np.ndarray]]:
    """Return the measures of each candidate on unseen time, with the same bootstrap draws for all."""
    unseen, task, rules = training.unseen, training.task, training.rules
    sample = Sample(
        unseen[task.unit].rank("dense").to_numpy().astype(np.int64) - 1,
        unseen[task.time].to_physical().cast(pl.Int64).to_numpy(),
        unseen["label"].to_numpy().astype(bool),
    )
    weights = sample.weights(rules.draws, seed=rules.seed)
    terms = {"capacity": rules.capacity, "threshold": rules.threshold, "weights": weights}
    scores = {kind: unseen[kind].to_numpy() for kind in rules.candidates}
    return {kind: measures(each, each, sample, **terms) for kind, each in scores.items()}


def compared_with_others(training: Training) -> tuple[Estimate, Estimate, str]:
    """Return by how much the network differs in PR-AUC and log loss from what would be chosen without it, and what that is."""
    found = measured_by(training)
    other = selected({kind: found[kind] for kind in CANDIDATES}).kind
    ranking, loss = (estimate(found[NETWORK][name] - found[other][name]) for name in ("pr_auc", "log_loss"))
    return ranking, loss, other


def told(name: str, training: Training, seconds: float) -> Estimate:
    """Print what the network adds in a panel, and return by how much its log loss differs."""
    ranking, loss, other = compared_with_others(training)
    print(f"{name}: {training.known_rows:,} rows, {training.positives:,} came true, trained in {seconds:.1f} s")
    for each in training.evaluations:
        if each.name in ALL_CANDIDATES:
            values = {key: each.measures[key].value for key in ("pr_auc", "log_loss", "calibration_error")}
            print(f"  {named(each.name):<20} " + "  ".join(f"{key} {value:.4f}" for key, value in values.items()))
    if training.floor:
        print(f"  over the strongest floor it {compared(training.added[NETWORK], named(training.floor))}")
    print(f"  without it {named(other)} would be chosen; it {compared(ranking, named(other))}")
    print(f"  and {compared(loss, named(other), 'log_loss')}")
    print(f"  chosen: {named(training.model.kind)}", flush=True)
    return loss


def main() -> None:
    """Print what the network adds; end with status 1 where it misses what only it can find, or loses to straight lines."""
    parser = arguments(__doc__)
    parser.add_argument("--lake", action="store_true", help="also on the lake in INTELLIGENCE_DATA")
    parser.add_argument("--units", type=int, default=UNITS, help="units of each simulated panel, of 40 times each")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated panels")
    chosen = parser.parse_args()
    candidates, left_out = asked_for(neural_network=True)
    if left_out:
        print(f"0 panels measured: not installed. {LEFT_OUT}")
        return
    losses = {}
    for name, rows, task, rules in panels(lake=chosen.lake, units=chosen.units, seed=chosen.seed):
        tell(f"training on {name}")
        begun = time.perf_counter()
        try:
            training = trained(rows, task, rules=replace(rules, candidates=candidates))
        except NotEnoughEvidence as error:
            print(f"{name}: {error}")
            continue
        losses[name] = told(name, training, time.perf_counter() - begun)
    demand((losses[ENDS].high or 0) < 0, f"it does not find {ENDS}")
    worse = losses[STRAIGHT].value or 0
    demand(worse < SLACK, f"it foretells {STRAIGHT} worse by {worse:.3f} of log loss")


if __name__ == "__main__":
    main()
