"""Whether the numbers of the experiments layer mean what they say, on simulated experiments with known effects.

For each kind of metric (a skewed mean, the same with a covariate, a ratio, a proportion, a median):

- p-values of experiments without an effect are uniform, by a Kolmogorov-Smirnov test at 0.1 %;
- looking each of 28 days under the default design finds an effect in at most 5.5 % of them, over all kinds together;
- the same where the outcomes of units grow with each day since their exposure, as those of a product do;
- 95 % intervals cover the true effect in 93.5 to 96.5 % of experiments with one;
- experiments of as many units as `plan` asks for find the effect within 3 points of the power that it promised.

The sums of many experiments are simulated and tested by numpy at once. Each formula for that is first compared with
`intelligence.experiments.inference.effect`, which is compared with statsmodels on the values of users; all agree to 1e-9.
statsmodels is there because dowhy needs it. Results of a year of days for a million users are timed last.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from benchmarks.measuring import demand, tell
from intelligence.experiments.boundaries import boundaries
from intelligence.experiments.inference import effect
from intelligence.experiments.moments import PAIRS, QUANTITIES, Arm, arm_of, arms, moments
from intelligence.experiments.plan import plans
from intelligence.experiments.quantiles import quantile_effect
from intelligence.experiments.results import results
from intelligence.experiments.sequences import always_valid_z
from intelligence.experiments.settings import Experiment
from intelligence.metrics.registry import METRICS, Metric

DAYS = 28
POWER = 0.8
EXACT = 1e-9
AT_ONCE = 50
HISTORY = 400_000
MOST_FALSE = 0.055
COVERAGE = (0.935, 0.965)
MOST_OFF_PLAN = 0.03
LEAST_KS_P = 0.001
MOST_SECONDS = 1.0

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...], Floats], Floats]


@dataclass(frozen=True)
class Kind:
    """A metric, how its units are drawn, the lift of the variant, and what that makes of the control's value."""

    name: str
    metric: Metric
    draw: Draw
    lift: float

    @property
    def with_covariate(self) -> bool:
        return bool(self.metric.covariates)


def spending(random: np.random.Generator, shape: tuple[int, ...], factor: Floats) -> Floats:
    """Draw x and its past a: half of the users spend nothing, the others a lognormal amount; both follow a user's taste."""
    taste = random.gamma(2.0, 0.5, shape)
    x, a = ((random.random(shape) < 0.5) * taste * np.exp(random.normal(0, 0.5, shape)) + taste for _ in range(2))
    return np.stack([x * factor, np.zeros(shape), a, np.zeros(shape)], axis=-1)


def ordering(random: np.random.Generator, shape: tuple[int, ...], factor: Floats) -> Floats:
    """Draw orders x of sessions y; users with many sessions order less in each, so that sessions are no units."""
    taste = random.gamma(1.5, 2.0, shape)
    y = random.poisson(taste) + 1
    x = random.binomial(y, np.clip(0.4 / (1 + 0.2 * taste) * factor, 0, 1))
    return np.stack([x, y, np.zeros(shape), np.zeros(shape)], axis=-1).astype(float)


def converting(random: np.random.Generator, shape: tuple[int, ...], factor: Floats) -> Floats:
    """Draw whether a unit converts, 8 % of them."""
    x = random.random(shape) < 0.08 * factor
    return np.stack([x, *3 * [np.zeros(shape)]], axis=-1).astype(float)


KINDS = (
    Kind("mean", Metric(name="mean", kind="mean", column="x"), spending, 0.08),
    Kind("mean, CUPED", Metric(name="cuped", kind="mean", column="x", covariate="a"), spending, 0.06),
    Kind("ratio", Metric(name="ratio", kind="ratio", column="x", denominator="y"), ordering, 0.06),
    Kind("proportion", Metric(name="proportion", kind="proportion", column="x"), converting, 0.2),
)
MEDIAN = Metric(name="median", kind="quantile", column="x", quantile=0.5)


@dataclass(frozen=True)
class Sums:
    """Cumulative sums of experiments: n of shape (runs, days, arms); totals and products with the quantities after that."""

    n: Floats
    totals: Floats
    products: Floats

    def arm(self, run: int, day: int, arm: int) -> Arm:
        """Return one arm as the platform has it."""
        n = int(self.n[run, day, arm])
        sums = {f"sum_{name}": self.totals[run, day, arm, i] for i, name in enumerate(QUANTITIES)}
        places = [(QUANTITIES.index(one), QUANTITIES.index(two)) for one, two in PAIRS]
        pairs = {
            f"sum_{one}{two}": self.products[run, day, arm, i, j]
            for (one, two), (i, j) in zip(PAIRS, places, strict=True)
        }
        return arm_of({"units": n, "n": n, "n_covariate": n, **sums, **pairs})


def simulated(kind: Kind, random: np.random.Generator, *, runs: int, units_per_day: int, lift: float) -> Iterator[Sums]:
    """Yield the sums of experiments in which so many units come on each day, each into either arm by a coin."""
    for begin in range(0, runs, AT_ONCE):
        shape = (min(AT_ONCE, runs - begin), DAYS, units_per_day)
        is_treated = random.random(shape) < 0.5
        values = kind.draw(random, shape, 1 + lift * is_treated)
        both = [~is_treated, is_treated]
        n = np.stack([each.sum(axis=2) for each in both], axis=-1).astype(float)
        totals = np.stack([(values * each[..., None]).sum(axis=2) for each in both], axis=2)
        products = np.stack(
            [np.einsum("rdui,rduj,rdu->rdij", values, values, each.astype(float), optimize=True) for each in both],
            axis=2,
        )
        yield Sums(*(each.cumsum(axis=1) for each in (n, totals, products)))


def joined(parts: Iterator[Sums]) -> Sums:
    found = list(parts)
    return Sums(*(np.concatenate([getattr(each, name) for each in found]) for name in ("n", "totals", "products")))


@dataclass(frozen=True)
class Tests:
    """Effects, standard errors and p-values of each run and day."""

    effect: Floats
    error: Floats
    p: Floats
    degrees: Floats

    @property
    def z(self) -> Floats:
        return np.sign(self.effect) * stats.norm.isf(self.p / 2)

    def covers(self, truth: float) -> Floats:
        """Return whether the 95 % intervals at the last look cover the true effect."""
        half = stats.t.isf(0.025, self.degrees[:, -1]) * self.error[:, -1]
        return np.abs(self.effect[:, -1] - truth) <= half


def tested(kind: Kind, sums: Sums) -> Tests:
    """Return the tests of many experiments at once, by the formulas of the platform."""
    n, means = sums.n, sums.totals / sums.n[..., None]
    covariances = centred(sums.products, sums.totals, n) / (n - 1)[..., None, None]
    if kind.metric.kind == "proportion":
        share = means[..., 0]
        pooled = (share * n).sum(axis=-1) / n.sum(axis=-1)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n).sum(axis=-1))
        found = share[..., 1] - share[..., 0]
        return Tests(found, error, 2 * stats.norm.sf(np.abs(found) / error), np.full(found.shape, np.inf))
    values, variances = means[..., 0], covariances[..., 0, 0]
    if kind.metric.kind == "ratio":
        values = means[..., 0] / means[..., 1]
        variances = (
            covariances[..., 0, 0] - 2 * values * covariances[..., 0, 1] + values**2 * covariances[..., 1, 1]
        ) / means[..., 1] ** 2
    if kind.with_covariate:
        whole = centred(sums.products.sum(axis=2), sums.totals.sum(axis=2), n.sum(axis=2))
        slope = (whole[..., 0, 2] / whole[..., 2, 2])[..., None]
        values = values - slope * means[..., 2]
        variances = variances + slope**2 * covariances[..., 2, 2] - 2 * slope * covariances[..., 0, 2]
    of_mean = variances / n
    error = np.sqrt(of_mean.sum(axis=-1))
    degrees = of_mean.sum(axis=-1) ** 2 / (of_mean**2 / (n - 1)).sum(axis=-1)
    found = values[..., 1] - values[..., 0]
    return Tests(found, error, 2 * stats.t.sf(np.abs(found) / error, degrees), degrees)


def centred(products: Floats, totals: Floats, n: Floats) -> Floats:
    return products - totals[..., :, None] * totals[..., None, :] / n[..., None, None]


def check_formulas(kind: Kind, sums: Sums, found: Tests) -> float:
    """Return the largest relative difference between the formulas above and the platform's, on a sample of the runs."""
    worst = 0.0
    for run in range(0, len(sums.n), max(1, len(sums.n) // 25)):
        for day in (0, DAYS // 2, DAYS - 1):
            control, treated = (sums.arm(run, day, arm) for arm in range(2))
            if kind.metric.kind == "proportion" and day == 0:
                continue
            ours = effect(control, treated, kind.metric)
            for a, b in ((ours.effect, found.effect[run, day]), (ours.p, found.p[run, day])):
                worst = max(worst, abs(a - b) / max(abs(a), 1e-3))
    return worst


def history(kind: Kind, random: np.random.Generator) -> tuple[Arm, float]:
    """Return the moments of a long past of the metric, and its value."""
    values = kind.draw(random, (HISTORY,), np.ones(HISTORY))
    sums = {f"sum_{name}": values[:, i].sum() for i, name in enumerate(QUANTITIES)}
    sums |= {
        f"sum_{one}{two}": values[:, QUANTITIES.index(one)] @ values[:, QUANTITIES.index(two)] for one, two in PAIRS
    }
    arm = arm_of({"units": HISTORY, "n": HISTORY, "n_covariate": HISTORY, **sums})
    return arm, float(arm.means[0] / (arm.means[1] if kind.metric.kind == "ratio" else 1))


def of_kind(kind: Kind, *, runs: int, seed: int) -> tuple[int, list[str]]:
    """Return in how many experiments without an effect one was found by looking each day, and which demands are not met."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    past, value = history(kind, random)
    plan = plans(past, kind.metric, relative=kind.lift, units_per_day=100, power=POWER, looks=DAYS)[-1]
    units_per_day = math.ceil(plan.units / DAYS)
    information = [units_per_day * day for day in range(1, DAYS + 1)]
    bound = boundaries(information, spent_at=[day / DAYS for day in range(1, DAYS + 1)])
    width = np.array([always_valid_z(n, planned_units=plan.units) for n in information])

    null = joined(simulated(kind, random, runs=runs, units_per_day=units_per_day, lift=0.0))
    without = tested(kind, null)
    difference = check_formulas(kind, null, without)
    ks = stats.kstest(without.p[:, -1], "uniform")
    by_chance = int((np.abs(without.z) >= bound).any(axis=1).sum())
    naive = (without.p < 0.05).any(axis=1).mean()
    watched = (np.abs(without.z) > width).any(axis=1).mean()

    lifted = tested(kind, joined(simulated(kind, random, runs=runs, units_per_day=units_per_day, lift=kind.lift)))
    covered = lifted.covers(kind.lift * value).mean()
    power = (np.abs(lifted.z) >= bound).any(axis=1).mean()
    print(
        f"{kind.name:<12} {plan.units:>7,} units | A/A p <= 5 %: {(without.p[:, -1] <= 0.05).mean():5.1%}, KS p {ks.pvalue:.3f}"
        f" | each day: default {by_chance / runs:5.2%}, plain {naive:5.1%}, always valid {watched:5.2%}"
        f" | covered {covered:5.1%} | power {power:5.1%} of {POWER:.0%} | formulas to {difference:.0e}",
        flush=True,
    )
    return by_chance, [
        *([f"the p-values of {kind.name} are not uniform"] if ks.pvalue < LEAST_KS_P else []),
        *([f"the formulas of {kind.name} differ by {difference:.1e}"] if difference > EXACT else []),
        *([f"{kind.name} covers {covered:.1%}"] if not COVERAGE[0] <= covered <= COVERAGE[1] else []),
        *([f"{kind.name} has a power of {power:.1%}"] if abs(power - POWER) > MOST_OFF_PLAN else []),
    ]


def growing(random: np.random.Generator, *, runs: int, units_per_day: int) -> Iterator[Sums]:
    """Yield the sums of experiments without an effect in which the values of units grow with each day since their exposure."""
    arrival = np.repeat(np.arange(DAYS), units_per_day)
    is_there = arrival[:, None] <= np.arange(DAYS)
    for begin in range(0, runs, AT_ONCE):
        shape = (min(AT_ONCE, runs - begin), len(arrival))
        taste, is_treated = random.gamma(1.0, 1.0, shape), random.random(shape) < 0.5
        x = (taste[..., None] * random.standard_exponential((*shape, DAYS)) * is_there).cumsum(axis=2)
        both = [each[..., None] * is_there for each in (~is_treated, is_treated)]
        n = np.stack([each.sum(axis=1) for each in both], axis=-1).astype(float)
        totals, products = np.zeros((*n.shape, 4)), np.zeros((*n.shape, 4, 4))
        totals[..., 0] = np.stack([(x * each).sum(axis=1) for each in both], axis=-1)
        products[..., 0, 0] = np.stack([(x**2 * each).sum(axis=1) for each in both], axis=-1)
        yield Sums(n, totals, products)


def of_growing(*, runs: int, seed: int, units_per_day: int = 70) -> list[str]:
    """Return which demands are not met where outcomes grow after exposure, so that looks depend on each other more."""
    found = tested(KINDS[0], joined(growing(np.random.default_rng([seed, 50]), runs=runs, units_per_day=units_per_day)))
    shares = [day / DAYS for day in range(1, DAYS + 1)]
    false = (np.abs(found.z) >= boundaries(shares)).any(axis=1).mean()
    ks = stats.kstest(found.p[:, -1], "uniform")
    print(
        f"{'growing mean':<12} {DAYS * units_per_day:>7,} units | A/A p <= 5 %: {(found.p[:, -1] <= 0.05).mean():5.1%},"
        f" KS p {ks.pvalue:.3f} | each day: default {false:5.2%}, plain {(found.p < 0.05).any(axis=1).mean():5.1%}",
        flush=True,
    )
    return [
        *(["the p-values of the growing mean are not uniform"] if ks.pvalue < LEAST_KS_P else []),
        *([f"the growing mean is found in {false:.2%} without an effect"] if false > MOST_FALSE else []),
    ]


def of_median(*, runs: int, seed: int, units: int = 2_000) -> list[str]:
    """Return which demands on the median are not met: uniform p-values and coverage, in a single look."""
    random = np.random.default_rng([seed, len(KINDS)])
    lift, truth = 0.1, float(np.median(spending(random, (2_000_000,), np.ones(2_000_000))[:, 0]))
    p, covered = [], []
    for _ in range(runs):
        control, other = (spending(random, (units // 2,), np.ones(units // 2))[:, 0] for _ in range(2))
        p.append(quantile_effect(control, other, quantile=0.5).p)
        found = quantile_effect(control, other * (1 + lift), quantile=0.5)
        covered.append(found.low <= lift * truth <= found.high)
    ks, share = stats.kstest(p, "uniform"), float(np.mean(covered))
    print(
        f"{'median':<12} {units:>7,} units | A/A p <= 5 %: {np.mean(np.array(p) <= 0.05):5.1%}, KS p {ks.pvalue:.3f}"
        f" | covered {share:5.1%}",
        flush=True,
    )
    return [
        *(["the p-values of the median are not uniform"] if ks.pvalue < LEAST_KS_P else []),
        *([f"the median covers {share:.1%}"] if not COVERAGE[0] <= share <= COVERAGE[1] else []),
    ]


def agreement(seed: int) -> float:
    """Return the largest relative difference between the platform and statsmodels, on the values of users."""
    import statsmodels.api as sm
    from statsmodels.stats.proportion import proportions_ztest
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    def welch(treated: Floats, control: Floats) -> tuple[float, float, float]:
        compared = CompareMeans(DescrStatsW(treated), DescrStatsW(control))
        low, high = compared.tconfint_diff(usevar="unequal")
        return float(compared.ttest_ind(usevar="unequal")[1]), float(low), float(high)

    random = np.random.default_rng([seed, 99])
    worst = 0.0
    for kind in KINDS:
        is_treated = random.random(20_000) < 0.5
        values = kind.draw(random, (20_000,), 1 + 0.05 * is_treated)
        frame = pl.DataFrame({name: values[:, i] for i, name in enumerate(QUANTITIES)}).with_columns(
            variant=pl.Series(np.where(is_treated, "treatment", "control"))
        )
        by_variant = arms(moments(frame, [kind.metric], experiment="e", exposed_on=date(2026, 5, 4)), kind.metric)
        ours = effect(by_variant["control"], by_variant["treatment"], kind.metric)
        x, y, a = values[:, 0], values[:, 1], values[:, 2]
        if kind.metric.kind == "proportion":
            counts, sizes = (
                np.array([each[is_treated].sum(), each[~is_treated].sum()]) for each in (x, np.ones_like(x))
            )
            theirs = (float(proportions_ztest(counts, sizes)[1]),)
        elif kind.metric.kind == "ratio":
            ratio = {arm: x[arm == is_treated].sum() / y[arm == is_treated].sum() for arm in (True, False)}
            linear = {
                arm: ratio[arm] + ((x - ratio[arm] * y) / y[arm == is_treated].mean())[arm == is_treated]
                for arm in ratio
            }
            theirs = welch(linear[True], linear[False])
        elif kind.with_covariate:
            rest = x - sm.OLS(x, sm.add_constant(a)).fit().params[1] * (a - a.mean())
            theirs = welch(rest[is_treated], rest[~is_treated])
        else:
            theirs = welch(x[is_treated], x[~is_treated])
        differences = [abs(a - b) / abs(b) for a, b in zip((ours.p, ours.low, ours.high), theirs, strict=False)]
        print(
            f"{kind.name:<12} statsmodels: p {theirs[0]:.6g}, largest relative difference {max(differences):.1e}",
            flush=True,
        )
        worst = max(worst, *differences)
    return worst


def speed(users: int = 1_000_000, days: int = 28) -> float:
    """Return how many seconds the results of ten metrics take from stored moments of a million users."""
    random = np.random.default_rng(5)
    first = date(2026, 5, 4)
    names = [name for name, metric in METRICS.items() if metric.kind in ("mean", "ratio", "proportion")][:10]
    metrics = [METRICS[name] for name in names]
    columns = {column for metric in metrics for column in (*metric.columns, *metric.covariates)}
    frame = pl.DataFrame(
        {
            "variant": np.where(random.random(users) < 0.5, "treatment", "control"),
            "exposed_on": np.datetime64(first) + random.integers(0, days, users),
            **{
                name: random.random(users) < 0.2 if "has_" in name else random.poisson(3.0, users)
                for name in sorted(columns)
            },
        }
    ).with_columns(pl.col("exposed_on").cast(pl.Date))
    begun = time.perf_counter()
    found = moments(frame, metrics, experiment="e")
    of_moments = time.perf_counter() - begun
    declared = Experiment.model_validate(
        {
            "name": "e",
            "start": first,
            "end": first + timedelta(days=days - 1),
            "metrics": [
                {"metric": name, "role": "goal" if place < 3 else "signal"} for place, name in enumerate(names)
            ],
        }
    )
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        results(found, declared, day=first + timedelta(days=days - 1))
        took.append(time.perf_counter() - begun)
    print(
        f"{len(names)} metrics, {users:,} users, {days} days: moments of all days {of_moments:.2f} s,"
        f" results from {found.height:,} stored rows {took[0]:.2f} s, then {min(took):.2f} s",
        flush=True,
    )
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--runs", type=int, default=2_000, help="simulated experiments of each kind, with and without effect"
    )
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    begun = time.process_time()
    difference = agreement(chosen.seed)
    found = [of_kind(kind, runs=chosen.runs, seed=chosen.seed) for kind in KINDS]
    unmet = [each for _, problems in found for each in problems] + of_median(runs=chosen.runs, seed=chosen.seed)
    unmet += of_growing(runs=chosen.runs, seed=chosen.seed)
    false = sum(count for count, _ in found) / (chosen.runs * len(KINDS))
    error = math.sqrt(0.05 * 0.95 / (chosen.runs * len(KINDS)))
    print(f"all kinds    each day: default {false:.2%}, with a simulation error of {error:.2%}")
    took = speed()
    tell(f"{time.process_time() - begun:.0f} s CPU")
    demand(difference <= EXACT, f"statsmodels differs by {difference:.1e}")
    demand(false <= MOST_FALSE, f"looking each day finds an effect in {false:.2%} of experiments without one")
    demand(not unmet, "; ".join(unmet))
    demand(took <= MOST_SECONDS, f"results of a million users take {took:.2f} s")


if __name__ == "__main__":
    main()
