"""Effects without an experiment: do the intervals hold what is known, and what does a day of a product take?

Users of simulated products adopt features for reasons that also keep them: the plain difference is far off, the adjusted interval
must hold the planted effect. A confounder that no column shows must be flagged. Job training has an experiment and a survey to
compare with (`examples/lalonde`). A day of a product has 100,000 users, many features, four outcomes, all refutations.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measuring import arguments, demand, tell
from intelligence.causality.decomposition import why
from intelligence.causality.effect import Effect, effect, effects
from intelligence.causality.estimation import DEFAULT
from intelligence.core.errors import NotEnoughEvidence

LALONDE = Path(__file__).resolve().parents[1] / "examples" / "lalonde" / "lalonde.parquet"
LEAST_COVERAGE = 0.92
MOST_NAIVE = 0.25
LEAST_FLAGGED = 0.9
MOST_SECONDS = 60.0
QUICK = replace(DEFAULT, refute=False)
CONFOUNDERS = ("active_days_28d", "sessions_28d", "errors_28d", "tenure_days", "platform", "segment")


@dataclass(frozen=True)
class Product:
    """Users of a simulated product with the effect of adopting on the outcomes, which is the same for everybody or drawn."""

    frame: pl.DataFrame
    on_days: float
    on_retained: float


def product(seed: int, *, users: int = 5_000, hidden: float = 0.0, planted: float = 1.0) -> Product:
    """Return users whose activity, platform and segment act on adoption and on what follows; `hidden` is how much their intent does.

    The outcomes are curved in activity and the effect on active days grows with it, so that no linear model is right.
    """
    draw = np.random.default_rng(seed)
    activity, intent = draw.gamma(2.0, 1.0, users), draw.normal(size=users)
    platform, segment = (
        draw.choice(["ios", "android", "web"], users),
        draw.choice(["free", "paid"], users, p=[0.7, 0.3]),
    )
    tenure = draw.exponential(200, users)
    push = 0.5 * activity + 0.6 * (segment == "paid") - 0.4 * (platform == "web") + 0.0008 * tenure + hidden * intent
    adopted = draw.random(users) < 1 / (1 + np.exp(2.0 - push))
    lift, gain = planted * (0.5 + 0.25 * activity), planted * 0.06
    level = 2 + 3 * np.sqrt(activity) + 0.8 * (segment == "paid") + 0.001 * tenure + 1.5 * hidden * intent
    chance = np.clip(0.15 + 0.08 * activity + 0.05 * (segment == "paid") + 0.08 * hidden * intent, 0.02, 0.9)
    frame = pl.DataFrame(
        {
            "active_days_28d": 4 * activity,
            "sessions_28d": draw.poisson(8 * activity).astype(float),
            "errors_28d": draw.poisson(1.0, users).astype(float),
            "tenure_days": tenure,
            "platform": platform,
            "segment": segment,
            "adopted": adopted,
            "days": level + lift * adopted + 1.5 * draw.normal(size=users),
            "retained": draw.random(users) < chance + gain * adopted,
            "days_earlier": level + 1.5 * draw.normal(size=users),
        }
    )
    return Product(frame, float(lift.mean()), gain)


def coverage(products: int) -> None:
    """Print and demand how often intervals hold the planted effect."""
    held, naive, errors = dict.fromkeys(("days", "retained"), 0), dict.fromkeys(("days", "retained"), 0), []
    for seed in range(products):
        made = product(seed)
        found = effects(
            made.frame, treatments=["adopted"], outcomes=["days", "retained"], confounders=CONFOUNDERS, rules=QUICK
        )
        for each, truth in zip(found, (made.on_days, made.on_retained), strict=True):
            assert isinstance(each, Effect)
            # What is trimmed leaves the population: its mean effect moves by less than a hundredth here.
            held[each.outcome] += each.estimate.low <= truth <= each.estimate.high
            naive[each.outcome] += each.naive.low <= truth <= each.naive.high
            errors.append((each.estimate.value - truth) / each.estimate.se)
    for outcome in held:
        print(
            f"{outcome:>9}: 95 % intervals hold the planted effect in {held[outcome] / products:.1%} of {products} products, "
            f"those of the plain difference in {naive[outcome] / products:.1%}",
            flush=True,
        )
    print(f"  mean error {np.mean(errors):+.2f} standard errors", flush=True)
    demand(min(held.values()) >= LEAST_COVERAGE * products, f"coverage below {LEAST_COVERAGE:.0%}")
    demand(max(naive.values()) <= MOST_NAIVE * products, "the plain difference is right, so that nothing is shown")


def hidden(products: int) -> None:
    """Print and demand how often a confounder that no column shows is flagged where nothing was planted."""
    flagged, controlled, wrong, sound = 0, 0, 0, 0
    for seed in range(products):
        made = product(seed, hidden=0.7, planted=0.0)
        asked = {"treatment": "adopted", "outcome": "days", "confounders": CONFOUNDERS, "rules": QUICK}
        alone = effect(made.frame, **asked)
        wrong += alone.estimate.excludes_zero
        flagged += alone.estimate.excludes_zero and alone.sensitivity.fragile
        with_control = effect(made.frame, **asked, control="days_earlier")
        controlled += any(each.refuted for each in with_control.refutations)
        open_product = product(seed, planted=1.5)
        sound += effect(open_product.frame, **asked, control="days_earlier").graded.grade == "C"
    print(
        f"hidden confounder, nothing planted: the estimate is off in {wrong} of {products}, flagged by the sensitivity in "
        f"{flagged}, by the negative control in {controlled}; without one, a planted effect is grade C in {sound}",
        flush=True,
    )
    demand(flagged >= LEAST_FLAGGED * wrong, "a hidden confounder was not flagged")
    demand(controlled >= LEAST_FLAGGED * products, "the negative control did not see the hidden confounder")


def lalonde() -> None:
    """Print and demand what the survey says of the training beside what the experiment says."""
    people = pl.read_parquet(LALONDE)
    trained, own = (people.filter(source="nsw", treat=arm)["re78"] for arm in (1, 0))
    truth = trained.mean() - own.mean()
    frame = people.filter((pl.col("source") == "cps") | (pl.col("treat") == 1)).with_columns(
        out_of_work_74=pl.col("re74") == 0, out_of_work_75=pl.col("re75") == 0
    )
    before = [name for name in frame.columns if name not in ("source", "treat", "re78")]
    found = effect(
        frame, treatment="treat", outcome="re78", confounders=before, rules=replace(DEFAULT, target="treated")
    )
    print(f"job training, dollars: experiment {truth:+,.0f}; survey: {found.words}")
    print(f"  {found.overlap.words}\n  {found.sensitivity.words}", flush=True)
    demand(found.estimate.low <= truth <= found.estimate.high, "the interval does not hold what the experiment found")
    demand(not found.naive.low <= truth <= found.naive.high, "the plain difference is right")


def day(users: int, features: int) -> float:
    """Print and return the seconds for all features of a product's day: four outcomes, a negative control, all refutations."""
    draw = np.random.default_rng(5)
    activity = draw.gamma(2.0, 1.0, users)
    past = {f"past_{number}": draw.gamma(2.0, 1.0, users) + 0.3 * activity for number in range(11)}
    kind = {name: draw.choice(list("abcde"), users) for name in ("platform", "region", "segment")}
    arms = {}
    for number in range(features):
        ease = draw.normal(2.5, 0.7)
        adopted = draw.random(users) < 1 / (1 + np.exp(ease - 0.4 * activity))
        arms[f"feature_{number:02}"] = (
            pl.Series([None], dtype=pl.Boolean)
            .new_from_index(0, users)
            .zip_with(pl.Series(draw.random(users) < 0.1), pl.Series(adopted))
        )
    chance = np.clip(0.2 + 0.08 * activity, 0, 1)
    after = {
        "retained_7d": draw.random(users) < chance,
        "retained_28d": draw.random(users) < chance / 2,
        "active_days_after": draw.poisson(3 * activity).astype(float),
        "churned": draw.random(users) > chance,
        "active_days_earlier": draw.poisson(3 * activity).astype(float),
    }
    frame = pl.DataFrame({"activity": activity} | past | kind | arms | after)
    begun, cpu = time.perf_counter(), time.process_time()
    outcomes = list(after)[:4]
    found = effects(
        frame,
        treatments=list(arms),
        outcomes=outcomes,
        confounders=["activity", *past, *kind],
        control="active_days_earlier",
    )
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(
        f"{features} features x {len(outcomes)} outcomes at {users:,} users: {wall:.1f} s wall, {cpu:.1f} s CPU "
        f"({cpu / features:.2f} s a feature), {sum(isinstance(each, Effect) for each in found)} effects",
        flush=True,
    )
    return wall


def releases(products: int) -> None:
    """Print and demand how often a bad release of one platform is named by itself, and nothing where there is none."""
    named = silent = 0
    for seed in range(products):
        draw = np.random.default_rng(seed)
        people, rows = 5_000, 40_000
        platform, region = draw.choice(["ios", "android", "web"], people), draw.choice(["eu", "us", "asia"], people)
        own = draw.gamma(0.5, 2.0, people)
        frames = []
        for share, extra in ((0.0, 0.0), (0.4, 0.0), (0.4, 0.05)):
            user = draw.integers(0, people, rows)
            release = np.where(draw.random(rows) < share, "4.2", "4.1")
            bad = (platform[user] == "android") & (release == "4.2")
            failed = draw.random(rows) < np.clip(0.02 * own[user] * (1 + (platform[user] == "web")) + extra * bad, 0, 1)
            columns = {
                "user": user,
                "platform": platform[user],
                "region": region[user],
                "release": release,
                "failed": failed,
            }
            frames.append(pl.DataFrame(columns).with_columns(events=pl.lit(1)))
        asked = {
            "dimensions": ("platform", "region", "release"),
            "numerator": "failed",
            "denominator": "events",
            "unit": "user",
        }
        found = why(frames[0], frames[2], **asked).suspect
        named += found is not None and found.names == ("android", "4.2")
        silent += why(frames[0], frames[1], **asked).suspect is None
    print(
        f"bad release of one platform named in {named} of {products}, nobody named in {silent} of {products} without one"
    )
    demand(named >= 0.9 * products, "a bad release was not named")
    demand(silent >= 0.9 * products, "somebody was named for nothing")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--products", type=int, default=300, help="simulated products for the coverage")
    parser.add_argument("--users", type=int, default=100_000, help="users of the product's day")
    parser.add_argument("--features", type=int, default=40, help="features of the product's day")
    chosen = parser.parse_args()
    tell("coverage")
    coverage(chosen.products)
    tell("hidden confounder")
    hidden(max(chosen.products // 5, 10))
    tell("job training")
    lalonde()
    tell("releases")
    releases(max(chosen.products // 10, 10))
    tell("a day")
    wall = day(chosen.users, chosen.features)
    demand(wall <= MOST_SECONDS, f"{wall:.1f} s for a day are more than {MOST_SECONDS:.0f}")


if __name__ == "__main__":
    try:
        main()
    except NotEnoughEvidence as error:
        raise SystemExit(f"Not as demanded: {error}") from error
