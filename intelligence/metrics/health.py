"""The health of features: whether each keeps its promises, with hysteresis and a minimum volume."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.metrics.burn import burn_rates, share_lower_bounds, trailing_sums, wilson_lower_bounds
from intelligence.metrics.settings import Health
from intelligence.metrics.spread import OBJECTIVES as TERMS
from intelligence.metrics.spread import SUMS, Spread, spread_columns
from intelligence.metrics.tables import FEATURE_HEALTH

WINDOW_DAYS: Final = 28
OBJECTIVES: Final = tuple(TERMS)
_ALLOWED: Final = ("max_error_rate", "max_crash_rate", "max_slow_rate", "max_bad_rating_rate", "max_bad_answer_rate")
# The columns from which each objective is computed: on a day with one of them in doubt the objective is not assessed.
COLUMNS_USED: Final = (("error_count", "crashed"), ("crashed",), ("latency_ms",), ("rating",), ())
_NOUNS: Final = ("events", "events", "timed events", "ratings", "scored answers")
LOUD_SHARE: Final = 0.5
LOUD_EVENTS: Final = 5
_FIRST: Final = 1e9
STATES: Final = ("unknown", "healthy", "at_risk", "degraded")
UNKNOWN, HEALTHY, AT_RISK, DEGRADED = range(4)
_COLUMNS: Final = tuple(column.name for column in FEATURE_HEALTH.columns)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Window:
    """Counts over the window of days, in arrays of shape (objectives, features, days) or a part of it.

    Counts are 0 where the telemetry of a day, or of the columns of an objective, is at fault. `faulty` marks days without
    any reliable objective, `doubtful` days on which some objectives are set aside and the others are assessed.
    """

    features: list[str]
    first_seen: NDArray[np.datetime64]
    days: list[date]
    counts: Spread
    allowed: Floats
    most_user: NDArray[np.object_]
    most_bad: Floats
    usage: Floats
    users: Floats
    faulty: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]


@dataclass(slots=True)
class _Standing:
    """The state that is carried from one day to the next; each array has one element per feature."""

    state: NDArray[np.int64]
    since: NDArray[np.datetime64]
    calm_days: NDArray[np.int64]
    unjudged_days: NDArray[np.int64]
    peak_share: Floats


def feature_health(
    metrics: pl.DataFrame,
    features: pl.DataFrame,
    quality: pl.DataFrame,
    users: pl.DataFrame,
    previous: pl.DataFrame,
    *,
    days: Days,
    rules: Health,
) -> pl.DataFrame:
    """Return one row per day of `days` and feature known by then, with the columns of metrics.feature_health.

    A feature becomes degraded by a promise that satisfies three conditions. It burns at `rules.fast_burn` on the day, or
    at `rules.slow_burn` over three days and on the day. Wilson's lower bound of the share of bad events, with events
    clustered by user, is above the allowed share. The same bound of the mean bad share of its users is above it too, and
    at least `rules.minimum_harmed_users` equally affected users are harmed. A promise that burns in events alone, as by
    one client, makes the feature at risk. Where a few users make most of the events, the users' share replaces that of the
    events, so that these few do not hide the failures of the others. The feature recovers after `rules.recovery_days`
    assessed days in a row within all promises. A day with fewer than `rules.minimum_events` events, or with faulty
    telemetry, changes no state; after more than `rules.stale_after_days` such days the state is unknown. Where only some
    columns are in doubt, a feature can become degraded by the promises that do not use them; otherwise its state is unchanged.

    Args:
        metrics: metrics.fact_feature_metrics of `days` and the 27 days before, one row per feature and day.
        features: warehouse.dim_feature_metadata, one row per feature.
        quality: telemetry.day_quality of the same days as `metrics`, one row per day.
        users: `event_date` and `dau` of all users together, one row per day, for the same days.
        previous: The result for the day before `days`; no rows where there is none.
        days: The days to assess.
        rules: The section `health` of product.yaml.
    """
    known = features.filter(pl.col("first_seen_date").is_not_null()).sort("feature")
    window = _window(metrics, known, quality, days)
    standing = _standing(previous, window.features, days.start)
    burn = _burn(window, rules)
    share = _usage_share(window)
    reach = _reach(window, users)
    assessed = [
        _assessed_day(window, burn, standing, t, rules).with_columns(
            usage_share_7d=pl.Series(share[:, t], dtype=pl.Float64),
            peak_share_7d=pl.Series(_raised(standing, share[:, t]), dtype=pl.Float64),
            reach_28d=pl.Series(reach[:, t], dtype=pl.Float64),
        )
        for t in range(window.days.index(days.start), len(window.days))
    ]
    return _worded(pl.concat(assessed).join(known.select("feature", "first_seen_date"), on="feature"), rules)


@dataclass(frozen=True, slots=True)
class _Burn:
    """Burn rates and which of them are alarms, in arrays of shape (objectives, features, days)."""

    rate_1d: Floats
    rate_3d: Floats
    rate_28d: Floats
    enough: NDArray[np.bool_]
    over: NDArray[np.bool_]
    broken: NDArray[np.bool_]
    warned: NDArray[np.bool_]


def _window(metrics: pl.DataFrame, known: pl.DataFrame, quality: pl.DataFrame, days: Days) -> _Window:
    calendar = Days(days.start - timedelta(days=WINDOW_DAYS - 1), days.end).each
    grid = known.select("feature").join(
        pl.DataFrame({"event_date": calendar}, schema={"event_date": pl.Date}), how="cross"
    )
    doubts = _doubts(quality)
    faulty = np.array([doubts.get(day, ()) is None for day in calendar])
    set_aside = np.array(
        [[bool({*columns} & {*(doubts.get(day) or ())}) for day in calendar] for columns in COLUMNS_USED]
    )
    columns = sorted({name for objective in OBJECTIVES for name in spread_columns(objective)})
    most = [f"most_{prefix}" for _, _, prefix, _, _ in TERMS.values()]
    named = [f"{prefix}_{name}" for prefix in most for name in ("user", "events")]
    cube = grid.join(
        metrics.select("feature", "event_date", *columns, *named), on=["feature", "event_date"], how="left"
    )
    cube = cube.sort("feature", "event_date").with_columns(pl.col(*columns).fill_null(0))
    by_name = {name: cube[name].to_numpy().astype(float).reshape(known.height, len(calendar)) for name in columns}
    counted = np.where(faulty | set_aside, 0.0, 1.0)[:, None, :]
    sums = [
        np.stack([by_name[spread_columns(objective)[place]] for objective in OBJECTIVES]) * counted
        for place in range(len(SUMS))
    ]
    shape = (len(OBJECTIVES), known.height, len(calendar))
    return _Window(
        features=known["feature"].to_list(),
        first_seen=known["first_seen_date"].to_numpy().astype("datetime64[D]"),
        days=calendar,
        counts=Spread(*sums),
        allowed=known.select(_ALLOWED).to_numpy().T[:, :, None].astype(float),
        most_user=np.stack([cube[f"{name}_user"].to_numpy() for name in most]).reshape(shape),
        most_bad=np.stack([cube[f"{name}_events"].fill_null(0).to_numpy().astype(float) for name in most]).reshape(
            shape
        ),
        usage=by_name["usage_count"],
        users=by_name["users"],
        faulty=faulty,
        doubtful=set_aside.any(axis=0) & ~faulty,
    )


def _doubts(quality: pl.DataFrame) -> dict[date, tuple[str, ...] | None]:
    """Return for each faulty day the only columns in doubt; None where nothing of the day can be relied on."""
    known = "doubted_columns" in quality.columns
    rows = quality.filter(pl.col("verdict").is_in(["partial", "empty"])).iter_rows(named=True)
    return {row["event_date"]: tuple((row["doubted_columns"] if known else None) or ()) or None for row in rows}


def _standing(previous: pl.DataFrame, features: list[str], first_day: date) -> _Standing:
    columns = ["state", "since", "calm_days", "unjudged_days", "peak_share_7d"]
    carried = pl.DataFrame({"feature": features}, schema={"feature": pl.String}).join(
        previous.select("feature", *columns), on="feature", how="left", maintain_order="left"
    )
    return _Standing(
        state=carried["state"]
        .fill_null("unknown")
        .replace_strict(list(STATES), range(len(STATES)), return_dtype=pl.Int64)
        .to_numpy()
        .copy(),
        since=carried["since"].fill_null(first_day).to_numpy().astype("datetime64[D]"),
        calm_days=carried["calm_days"].fill_null(0).to_numpy().copy(),
        unjudged_days=carried["unjudged_days"].fill_null(0).to_numpy().copy(),
        peak_share=carried["peak_share_7d"].fill_null(0.0).to_numpy().copy(),
    )


def _burn(window: _Window, rules: Health) -> _Burn:
    counts = {width: _summed(window.counts, width) for width in (1, 3, WINDOW_DAYS)}
    rate = {width: burn_rates(sums.bad, sums.total, window.allowed) for width, sums in counts.items()}
    enough = {width: counts[width].total >= rules.minimum_events for width in (1, 3)}
    share = {width: counts[width].user_share() / window.allowed for width in (1, 3)}
    # Where a few users make most of the events, only the users' share shows the failures of the others.
    dominated = {width: counts[width].is_dominated(width) for width in (1, 3)}
    burn = {width: np.where(dominated[width], share[width], rate[width]) for width in (1, 3)}
    by_events = {width: dominated[width] | (_lower(counts[width], "event") > window.allowed) for width in (1, 3)}
    by_users = {width: _lower(counts[width], "user") for width in (1, 3)}
    # The maximum over three days, not their sum: the same users may come every day.
    harmed = {1: counts[1].harmed_users()}
    harmed[3] = np.maximum.reduce([_before(harmed[1], back) for back in range(3)])
    agreed = {
        width: (by_users[width] > window.allowed) & (harmed[width] >= rules.minimum_harmed_users) for width in (1, 3)
    }
    fast = enough[1] & (burn[1] >= rules.fast_burn) & by_events[1]
    slow = enough[3] & (burn[3] >= rules.slow_burn) & by_events[3] & ~(burn[1] < rules.slow_burn)
    broken = (fast & agreed[1]) | (slow & agreed[3])
    near = rules.warning_share * window.allowed
    warned = enough[3] & (dominated[3] | (_lower(counts[3], "event") > near)) & (by_users[3] > near)
    over = enough[1] & (burn[1] > 1) & (share[1] > 1)
    # As if each event had a user of its own: failures of a single client make a feature at risk, never degraded.
    plain = wilson_lower_bounds(counts[1].bad, counts[1].total)
    loud = enough[1] & (rate[1] >= rules.fast_burn) & (plain > window.allowed)
    return _Burn(rate[1], rate[3], rate[WINDOW_DAYS], enough[1], over, broken, warned | fast | slow | loud)


def _summed(counts: Spread, width: int) -> Spread:
    return Spread(*(trailing_sums(getattr(counts, name), width) for name in SUMS))


def _lower(counts: Spread, of: Literal["event", "user"]) -> Floats:
    if of == "event":
        return share_lower_bounds(counts.event_share(), counts.effective_events())
    return share_lower_bounds(counts.user_share(), counts.effective_users())


def _before(values: Floats, days: int) -> Floats:
    shifted = np.zeros_like(values)
    shifted[..., days:] = values[..., : values.shape[-1] - days]
    return shifted


def _usage_share(window: _Window) -> Floats:
    usage = trailing_sums(window.usage, 7)
    everything = usage.sum(axis=0)
    share: Floats = usage / np.where(everything > 0, everything, np.nan)
    return share


def _reach(window: _Window, users: pl.DataFrame) -> Floats:
    dau = dict(zip(users["event_date"], users["dau"], strict=True))
    active = np.array([float(dau.get(day, 0)) for day in window.days])
    everybody = trailing_sums(active, WINDOW_DAYS)
    reach: Floats = trailing_sums(window.users, WINDOW_DAYS) / np.where(everybody > 0, everybody, np.nan)
    return reach


def _raised(standing: _Standing, share: Floats) -> Floats:
    standing.peak_share = np.fmax(standing.peak_share, share)
    return standing.peak_share


def _assessed_day(window: _Window, burn: _Burn, standing: _Standing, t: int, rules: Health) -> pl.DataFrame:
    """Return the day's rows without reason and stage, after updating `standing` by that day."""
    day = np.datetime64(window.days[t])
    usage = window.usage[:, t]
    assessed = (usage >= rules.minimum_events) & ~window.faulty[t]
    broken = assessed & burn.broken[:, :, t].any(axis=0)
    within = ~burn.over[:, :, t].any(axis=0) & ~broken
    # A doubtful day can show that a promise is broken, but not that all promises are kept.
    unchanged = assessed & ~broken & window.doubtful[t]
    standing.calm_days = np.where(
        assessed & ~unchanged, np.where(within, standing.calm_days + 1, 0), standing.calm_days
    )
    # The count begins on the day on which the feature is first seen, whichever day the run begins on.
    standing.unjudged_days = np.where(assessed | (day < window.first_seen), 0, standing.unjudged_days + 1)
    recovering = (standing.state == DEGRADED) & (standing.calm_days < rules.recovery_days)
    calm = np.where(burn.warned[:, :, t].any(axis=0), AT_RISK, HEALTHY)
    state = np.where(assessed & ~unchanged, np.where(broken | recovering, DEGRADED, calm), standing.state)
    state = np.where(standing.unjudged_days > rules.stale_after_days, UNKNOWN, state)
    standing.since = np.where((state == standing.state) & (day > window.first_seen), standing.since, day)
    standing.state = state
    # A promise broken for many users ranks before one that burns faster for a single user.
    rates = np.where(burn.enough[:, :, t], np.nan_to_num(burn.rate_1d[:, :, t]), -1.0)
    worst = (rates + np.where(burn.broken[:, :, t] & burn.enough[:, :, t], _FIRST, 0.0)).argmax(axis=0)
    every = np.arange(len(usage))
    alarms = np.where(state == DEGRADED, burn.broken[:, :, t], burn.warned[:, :, t])
    alarms = alarms & assessed & ~unchanged & np.isin(state, (AT_RISK, DEGRADED))
    # A promise without an alarm is never named for one that has it, even if that one has few events on the day itself.
    innocent = alarms.any(axis=0) & ~alarms[worst, every]
    ranks = np.where(rates >= 0, _FIRST + rates, np.nan_to_num(burn.rate_3d[:, :, t]))
    guilty = np.where(alarms, ranks, -1.0)
    worst = np.where(innocent, guilty.argmax(axis=0), worst)
    reported = assessed & ((rates.max(axis=0) >= 0) | innocent)
    evidence = np.select(
        [np.full(len(usage), window.faulty[t]), usage == 0, ~assessed, unchanged],
        ["pipeline_fault", "no_events", "low_volume", "pipeline_fault"],
        "enough",
    )

    def of_worst_of(values: Floats) -> Floats:
        picked: Floats = values[worst, every, min(t, values.shape[2] - 1)]
        return picked

    def of_worst(values: Floats) -> pl.Series:
        picked = of_worst_of(values)
        return pl.Series(np.where(reported, picked, np.nan), dtype=pl.Float64).fill_nan(None)

    counts = window.counts
    users = window.most_user[worst, every, t]
    is_loud = (
        reported
        & (of_worst_of(window.most_bad) >= LOUD_SHARE * of_worst_of(counts.bad))
        & (of_worst_of(window.most_bad) >= LOUD_EVENTS)
    )
    excess = np.maximum(counts.bad - window.allowed * counts.total, 0.0)[:, :, t].sum(axis=0)
    return pl.DataFrame(
        {
            "event_date": [window.days[t]] * len(usage),
            "feature": window.features,
            "state": [STATES[code] for code in state],
            "evidence": evidence,
            "since": standing.since,
            "calm_days": standing.calm_days,
            "unjudged_days": standing.unjudged_days,
            "worst_objective": [
                OBJECTIVES[o] if is_reported else None for o, is_reported in zip(worst, reported, strict=True)
            ],
            "burn_1d": of_worst(burn.rate_1d),
            "burn_3d": of_worst(burn.rate_3d),
            "burn_28d": of_worst(burn.rate_28d),
            "excess_bad_events": excess,
            "harmed_users": of_worst(counts.harmed).cast(pl.Int64),
            "judged_users": of_worst(counts.users).cast(pl.Int64),
            "user_rate_1d": of_worst(counts.user_share()),
            "most_bad_user": [user if loud else None for user, loud in zip(users, is_loud, strict=True)],
            "most_bad_events": [
                int(n) if loud else None
                for n, loud in zip(of_worst(window.most_bad).fill_null(0), is_loud, strict=True)
            ],
            "usage_count": usage.astype(np.int64),
            "users": window.users[:, t].astype(np.int64),
            "bad": of_worst(counts.bad),
            "total": of_worst(counts.total),
            "allowed": of_worst(window.allowed),
            "of_three_days": _of_three_days(window, burn, state, assessed, t),
        },
        schema_overrides={
            "event_date": pl.Date,
            "since": pl.Date,
            **dict.fromkeys(
                ("feature", "state", "evidence", "worst_objective", "most_bad_user", "of_three_days"), pl.String
            ),
            "most_bad_events": pl.Int64,
        },
    )


def _of_three_days(
    window: _Window, burn: _Burn, state: NDArray[np.int64], assessed: NDArray[np.bool_], t: int
) -> list[str | None]:
    """Return in words the figures of three days where they caused the state and the day's own are lower; else None."""
    alarms = np.where(state == DEGRADED, burn.broken[:, :, t], burn.warned[:, :, t])
    rates = np.where(alarms, np.nan_to_num(burn.rate_3d[:, :, t]), -1.0)
    picked, every = rates.argmax(axis=0), np.arange(len(state))
    lower = np.nan_to_num(burn.rate_1d[picked, every, t]) < rates[picked, every]
    shown = assessed & np.isin(state, (AT_RISK, DEGRADED)) & alarms.any(axis=0) & lower
    span = slice(max(0, t - 2), t + 1)
    bad, total = (part[:, :, span].sum(axis=2) for part in (window.counts.bad, window.counts.total))
    return [
        f"; {OBJECTIVES[o]} of three days: {bad[o, i]:.0f} of {total[o, i]:.0f}, {rates[o, i]:.1f}x"
        if is_shown
        else None
        for i, (o, is_shown) in enumerate(zip(picked, shown, strict=True))
    ]


def _worded(assessed: pl.DataFrame, rules: Health) -> pl.DataFrame:
    """Return the rows of the features first seen by then, with the reason in words and the stage."""
    age_days = (pl.col("event_date") - pl.col("first_seen_date")).dt.total_days()
    without_evidence = {
        "pipeline_fault": pl.lit("telemetry of the day is at fault; the state before it stands"),
        "no_events": pl.lit("no event on the day; the state before it stands"),
        "low_volume": pl.format("{} events are too few to judge by; the state before them stands", "usage_count"),
    }
    one_user = (
        pl.when(pl.col("most_bad_user").is_not_null())
        .then(
            pl.format(
                "; {} of the {} are of one user, `{}`", "most_bad_events", pl.col("bad").cast(pl.Int64), "most_bad_user"
            )
        )
        .otherwise(pl.lit(""))
    )
    dominated = (
        pl.when(
            (pl.col("user_rate_1d") > pl.col("allowed"))
            & (pl.col("user_rate_1d") > 2 * pl.col("bad") / pl.col("total"))
        )
        .then(pl.format("; {}% of what the mean user did", (pl.col("user_rate_1d") * 100).round(1)))
        .otherwise(pl.lit(""))
    )
    nouns = pl.col("worst_objective").replace_strict(dict(zip(OBJECTIVES, _NOUNS, strict=True)), default="events")
    # A promise that nothing broke on the day is not named for a trouble that was another day's.
    is_calm = (pl.col("state") == "degraded") & (pl.col("calm_days") > 0)
    calm = pl.format("on calm day {} of the {} that end the trouble", "calm_days", pl.lit(rules.recovery_days))
    reason = pl.format(
        "{}: {} of {} {} were bad ({} of {} users), {}x what is allowed ({}%){}",
        "worst_objective",
        pl.col("bad").cast(pl.Int64),
        pl.col("total").cast(pl.Int64),
        nouns,
        "harmed_users",
        "judged_users",
        pl.when(pl.col("total") == 0).then(0.0).otherwise(pl.col("burn_1d")).round(1),
        (pl.col("allowed") * 100).round(2),
        dominated + one_user + pl.col("of_three_days").fill_null(""),
    )
    of_calm_day = (
        pl.when(pl.col("bad") > 0)
        .then(pl.format("{}, {}", reason, calm))
        .otherwise(pl.format("none of {} {} was bad, {}", pl.col("total").cast(pl.Int64), nouns, calm))
    )
    reason = pl.when(is_calm).then(of_calm_day).otherwise(reason)
    for evidence, words in without_evidence.items():
        reason = pl.when(pl.col("evidence") == evidence).then(words).otherwise(reason)
    stage = (
        pl.when(age_days < WINDOW_DAYS)
        .then(pl.lit("New"))
        .when(pl.col("usage_share_7d") < rules.replaced_below * pl.col("peak_share_7d"))
        .then(pl.lit("Replaced"))
        .when(pl.col("reach_28d") >= rules.adopted_reach)
        .then(pl.lit("Adopted"))
        .otherwise(pl.lit("Low"))
    )
    return (
        assessed.filter(pl.col("event_date") >= pl.col("first_seen_date"))
        .with_columns(reason=reason.fill_null("no promise has enough events to judge by"), stage=stage)
        .with_columns(pl.col("usage_share_7d", "reach_28d").fill_nan(None))
        .select(_COLUMNS)
    )
