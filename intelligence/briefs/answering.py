"""Answers: what a tool read, in sentences whose every number is a fact, or that it cannot be answered from what there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from intelligence.core.facts import Fact, Origin, Said, constant, said

if TYPE_CHECKING:
    from intelligence.causality.movement import Movement

_KPI: Final = Origin("metrics.kpi_day", "briefs/kpi_period.sql", ("segment", "first_day", "last_day"))
_OF_FEATURE: Final = Origin(
    "metrics.fact_feature_metrics", "briefs/feature_period.sql", ("feature", "first_day", "last_day")
)
_NOW: Final = Origin("metrics.feature_health, risk.feature_risk", "briefs/feature_now.sql", ("feature",))
_DECIDED: Final = Origin("decisions.feature_decisions", "briefs/decided_of.sql", ("feature",))
_STOOD: Final = Origin("metrics.feature_health", "briefs/health_period.sql", ("feature", "first_day", "last_day"))
_DECIDED_THEN: Final = Origin(
    "decisions.feature_decisions", "briefs/decided_period.sql", ("event_date", "scope", "feature")
)
_RISK_THEN: Final = Origin("risk.feature_risk", "briefs/risk_of.sql", ("event_date", "feature"))
_FORECAST: Final = Origin("forecasts.forecasts", "briefs/forecast_of.sql", ("series", "forecast_date"))
_TELEMETRY: Final = Origin("telemetry.day_quality", "briefs/telemetry_of.sql", ("event_date",))
_FAULTY: Final = Origin("telemetry.day_quality", "briefs/faulty_of.sql", ("event_date",))
_MOVEMENT: Final = Origin(
    "warehouse.fact_events", "intelligence.causality.movement:movement", ("metric", "feature", "last_day")
)
_WEEK: Final = 7
# More than so many of a kind are not told one by one.
MOST: Final = 5
# How each metric is written, its unit, and the words around it.
METRICS: Final[Mapping[str, tuple[str, str, str]]] = {
    "dau": ("{:,.0f}", "users a day", "{} users a day"),
    "users": ("{:,.0f}", "users a day", "{} users a day"),
    "wau": ("{:,}", "users in seven days", "{} users in the seven days that end with it"),
    "mau": ("{:,}", "users in four weeks", "{} users in the four weeks that end with it"),
    "events": ("{:,}", "events", "{} events"),
    "usage_count": ("{:,}", "events", "{} events"),
    "failed_events": ("{:,}", "events", "{} failed events"),
    "sessions": ("{:,}", "sessions", "{} sessions"),
    "converted_users": ("{:,}", "conversions", "{} users who converted, each counted once a day"),
    "conversion_rate": ("{:.1%}", "share", "a conversion rate of {}"),
    "crash_free_user_rate": ("{:.2%}", "share", "{} of users without a crash"),
    "error_rate": ("{:.2%}", "share", "an error rate of {}"),
    "crash_rate": ("{:.2%}", "share", "a crash rate of {}"),
    "slow_rate": ("{:.2%}", "share", "a share of slow events of {}"),
    "p95_latency_ms": ("{:,.0f}", "ms", "a latency of {} milliseconds for the slowest of twenty events"),
    "ratings": ("{:,}", "ratings", "{} ratings"),
    "mean_rating": ("{:.2f}", "stars", "a mean rating of {}"),
    "value": ("{:,.2f}", "value", "a value of {}"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question.

    Attributes:
        plan: The calls that were made, one line each.
        sentences: What it says.
        is_answered: Whether the question is answered; else the sentences say why not.
        day: Newest day with figures; None without one.
        snapshot: Snapshot of the lake that was read; None without a lake.
    """

    plan: tuple[str, ...]
    sentences: tuple[Said, ...]
    is_answered: bool = True
    day: date | None = None
    snapshot: int | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Return the facts that it cites, each once."""
        return tuple({fact.id: fact for sentence in self.sentences for fact in sentence.facts}.values())

    @property
    def text(self) -> str:
        """Return what it says."""
        return " ".join(self.sentences)


def cannot(*why: Said) -> tuple[Said, ...]:
    """Return that a question cannot be answered, and why."""
    return (said("I cannot answer that from what I have."), *why)


def quoted(words: str) -> Said:
    """Return words of the one who asks, or of an error, as a fact: they may hold numbers that no table does.

    Args:
        words: The words.
    """
    told = words if words.endswith((".", "?", "!")) else f"{words}."
    return said(
        "{}",
        Fact(id=f"words/{told}".replace("{", "(").replace("}", ")"), value=told, source="question", query="question"),
    )


def metric_sentences(metric: str, row: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return the value of a metric over a period, beside the period of the same length before it; empty where it has none.

    Args:
        metric: One of METRICS.
        row: A row of `briefs/kpi_period.sql` or `briefs/feature_period.sql`.
        before: The same of the period before.
    """
    origin = _OF_FEATURE if "feature" in row else _KPI
    shape, unit, words = METRICS[metric]
    if not row["days"] or row.get(metric) is None:
        return ()
    value = origin.fact(row, metric, shape, unit=unit, first_day=row["first_day"], last_day=row["last_day"])
    told = said("{}: " + words, _when(origin, row), value)
    if "feature" in row:
        told = said("{} {}", origin.fact(row, "feature"), told)
    elif row["segment"] != "all":
        told = said("Segment {} {}", origin.fact(row, "segment"), told)
    if not before["days"] or before.get(metric) is None:
        return (told.sentence(),)
    earlier = origin.fact(before, metric, shape, unit=unit, first_day=before["first_day"], last_day=before["last_day"])
    return (told.sentence(), said("Before, {}: {}.", _when(origin, before), earlier))


def why_sentences(found: "Movement", *, last_day: date, expects: str = "", asked: str = "") -> tuple[Said, ...]:
    """Return why a metric moved, and that it did not where the question takes another direction for granted.

    Which metric stands for the one that is asked about is said first, and last that single weekdays are compared with whole weeks.

    Args:
        found: The movement.
        last_day: Last day of its later period.
        expects: `down` or `up`, where the question says so.
        asked: The metric of the question, where this one stands for it.
    """
    row = {"metric": found.metric, "feature": found.feature or "all", "last_day": last_day}
    whole = found.why.decompositions[0]
    change = whole.change
    name = _MOVEMENT.fact(row, "metric", value=found.metric.replace("_", " "))
    ends = {"low": change.low, "high": change.high, "grade": "D"}
    moved = _MOVEMENT.fact(row, "change", "{:+.3g}", value=change.value, **ends)
    sides = []
    for side, days in (("before", found.periods.before), ("after", found.periods.after)):
        first, last = days.start, days.end - timedelta(days=1)
        value = _MOVEMENT.fact(row, side, "{:.4g}", value=getattr(whole, side).value, first_day=first, last_day=last)
        ends_of = [_MOVEMENT.fact(row, f"{side}.{end}", value=day) for end, day in (("first", first), ("last", last))]
        when = said("on {}", ends_of[1]) if first == last else said("from {} to {}", *ends_of)
        sides.append(said("{} {}", value, when))
    answer = said("{}", _MOVEMENT.fact(row, "answer", value=found.answer, grade="D"))
    if expects and (change.value > 0) != (expects == "up"):
        verb = "did not fall" if expects == "down" else "did not rise"
    elif not change.excludes_zero:
        verb = "did not change beyond chance"
    else:
        verb = "rose" if change.value > 0 else "fell"
    of = said(" of {}", _MOVEMENT.fact(row, "feature")) if found.feature else Said()
    told = [said(f"The {{}}{{}} {verb}: it was {{}}, and {{}} ({{}}).", name, of, *sides, moved), answer]
    if asked:
        about = _MOVEMENT.fact(row, "asked", value=asked.replace("_", " "))
        told.insert(0, said("The change of {} is not split; that of the {} is, which is told instead.", about, name))
    before, after = found.periods.before, found.periods.after
    if (after.end - after.start).days % _WEEK != (before.end - before.start).days % _WEEK:
        told.append(said("The two periods hold different days of the week, which can be part of the change."))
    return tuple(told)


def health_sentences(row: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return the state of a feature, why, and whose it is.

    Args:
        row: A row of `briefs/feature_now.sql`.
    """
    name = _NOW.fact(row, "feature")
    owner = (said("It belongs to {}.", _NOW.fact(row, "owner")),) if row["owner"] else ()
    if row["state"] is None:
        return (said("{} is known, and no event of it was assessed on the newest day.", name), *owner)
    state = _NOW.fact(row, "state", value=row["state"].replace("_", " "))
    told = said("{} is {} on {}", name, state, _NOW.fact(row, "event_date"))
    if row["since"] is not None:
        told = said("{}, since {}", told, _NOW.fact(row, "since"))
    reason = said("{}: {}.", told, _NOW.fact(row, "reason")) if row["reason"] else said("{}.", told)
    return (reason, *owner)


def risk_sentences(row: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return how likely a feature is to degrade; empty where it was not scored.

    Args:
        row: A row of `briefs/feature_now.sql`.
    """
    if row["risk_score"] is None:
        return ()
    ends = {"low": row["risk_low"], "high": row["risk_high"]}
    told = said(
        "{} degrades within a week with a probability of {}",
        _NOW.fact(row, "feature"),
        _NOW.fact(row, "risk_score", "{:.1%}", unit="probability", **ends),
    )
    if row["risk_low"] is not None:
        told = said("{} ({} to {})", told, *(_NOW.fact(row, name, "{:.1%}") for name in ("risk_low", "risk_high")))
    return (said("{}: {}.", told, _NOW.fact(row, "risk_reason")) if row["risk_reason"] else said("{}.", told),)


def decided_sentences(row: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return the newest decision about a feature.

    Args:
        row: A row of `briefs/decided_of.sql`.
    """
    return (
        said(
            "On {}: {} {} ({}).",
            _DECIDED.fact(row, "event_date"),
            _DECIDED.fact(row, "action"),
            _DECIDED.fact(row, "feature"),
            _DECIDED.fact(row, "level"),
        ),
        said("{}", _DECIDED.fact(row, "reasons")).sentence(),
    )


def stood_sentences(rows: Sequence[Mapping[str, Any]], *, feature: str = "", state: str = "") -> tuple[Said, ...]:
    """Return how a feature stood in an earlier period, or which were in trouble; empty where none was assessed.

    Args:
        rows: Rows of `briefs/health_period.sql`.
        feature: The feature that is asked for; empty for those that were in trouble.
        state: The state in which they were; empty for each that is a trouble.
    """
    shown = [row for row in rows if feature or (row[f"{state}_days"] if state else row["trouble_from"] is not None)]
    if rows and not shown:
        when = _on(rows[0]["first_day"], rows[0]["last_day"])
        number = _STOOD.fact(rows[0], "features.all", "{:,}", value=len(rows), unit="features")
        of = state.replace("_", " ") or "degraded or at risk"
        return (said(f"None of {{}} features was {of} {{}}.", number, when),)
    return (*map(_stood, shown[:MOST]), *_others(_STOOD, shown, "feature"))


def _stood(row: Mapping[str, Any]) -> Said:
    name, when = _STOOD.fact(row, "feature"), _on(row["first_day"], row["last_day"])
    if row["first_day"] == row["last_day"]:
        told = said("{} was {} {}", name, _STOOD.fact(row, "state", value=row["state"].replace("_", " ")), when)
        told = said("{}, since {}", told, _STOOD.fact(row, "since")) if row["since"] else told
        return said("{}: {}.", told, _STOOD.fact(row, "reason")) if row["reason"] else said("{}.", told)
    healthy, degraded, at_risk, days = (
        _STOOD.fact(row, field, "{:,}", unit="days")
        for field in ("healthy_days", "degraded_days", "at_risk_days", "days")
    )
    if row["trouble_from"] is None:
        return said("{} was not degraded or at risk {}: it was healthy on {} of {} days.", name, when, healthy, days)
    return said(
        "{} was degraded on {} and at risk on {} of {} days {}, the first time on {} and the last on {}.",
        name,
        degraded,
        at_risk,
        days,
        when,
        *(_STOOD.fact(row, field) for field in ("trouble_from", "trouble_until")),
    )


def decided_then_sentences(rows: Sequence[Mapping[str, Any]]) -> tuple[Said, ...]:
    """Return what was decided in a period other than to watch; empty where nothing was decided at all.

    Args:
        rows: Rows of `briefs/decided_period.sql`.
    """
    if not rows:
        return ()
    acted = [row for row in rows if row["action"] != "monitor"]
    when, missing = _on(rows[0]["first_day"], rows[0]["last_day"]), _days_missing(rows)
    if not acted:
        number = _DECIDED_THEN.fact(rows[0], "decisions.all", "{:,}", value=len(rows), unit="decisions")
        return (
            said(f"Nothing but to watch was decided {{}}: {{}} decision{'' if len(rows) == 1 else 's'}.", when, number),
            *missing,
        )
    told = [
        sentence
        for row in acted[:MOST]
        for sentence in (
            said(
                "On {}: {} {} ({}).",
                *(_DECIDED_THEN.fact(row, name) for name in ("event_date", "action", "feature", "level")),
            ),
            said("{}", _DECIDED_THEN.fact(row, "reasons")).sentence(),
        )
    ]
    return (*told, *_others(_DECIDED_THEN, acted, "decision"), *missing)


def _days_missing(rows: Sequence[Mapping[str, Any]]) -> tuple[Said, ...]:
    """Return of how many days of the period there are decisions, where that is not of all."""
    asked, known = (rows[0]["last_day"] - rows[0]["first_day"]).days + 1, len({row["event_date"] for row in rows})
    if known == asked:
        return ()
    number = _DECIDED_THEN.fact(rows[0], "event_date.days", "{:,}", value=known, unit="days")
    return (said("Decisions are known of {} of {} days only.", number, constant("days asked for", asked, unit="days")),)


def risk_then_sentences(rows: Sequence[Mapping[str, Any]]) -> tuple[Said, ...]:
    """Return how likely features were to degrade on an earlier day; empty where none was scored then.

    Args:
        rows: Rows of `briefs/risk_of.sql`.
    """
    found = []
    for row in rows:
        ends = {"low": row["risk_low"], "high": row["risk_high"]}
        told = said(
            "On {}, {} was to degrade within a week with a probability of {}",
            _RISK_THEN.fact(row, "event_date"),
            _RISK_THEN.fact(row, "feature"),
            _RISK_THEN.fact(row, "risk_score", "{:.1%}", unit="probability", **ends),
        )
        if row["risk_low"] is not None:
            told = said(
                "{} ({} to {})", told, *(_RISK_THEN.fact(row, end, "{:.1%}") for end in ("risk_low", "risk_high"))
            )
        found.append(
            said("{}: {}.", told, _RISK_THEN.fact(row, "risk_reason")) if row["risk_reason"] else said("{}.", told)
        )
    return tuple(found)


def _on(first: date, last: date) -> Said:
    days = [constant("day asked for", each) for each in (first, last)]
    return said("on {}", days[0]) if first == last else said("from {} to {}", *days)


def _others(origin: Origin, rows: Sequence[Mapping[str, Any]], noun: str) -> tuple[Said, ...]:
    more = len(rows) - MOST
    if more <= 0:
        return ()
    number = origin.fact(rows[0], f"{noun}s.more", "{:,}", value=more, unit=f"{noun}s")
    return (said(f"And {{}} more {noun}{'' if more == 1 else 's'}.", number),)


def forecast_sentences(row: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return what is expected of a series on a day, with its interval and how often such intervals held.

    Args:
        row: A row of `briefs/forecast_of.sql`.
    """
    if row["value"] is None:
        return cannot(said("{}", _FORECAST.fact(row, "note")).sentence())
    shape = "{:.3g}" if abs(row["value"]) < 10 else "{:,.0f}"
    ends = {"low": row["low_80"], "high": row["high_80"]}
    told = said(
        "On {}, {} is expected to be {} ({} to {})",
        _FORECAST.fact(row, "forecast_date"),
        _FORECAST.fact(row, "series", value=row["series"].replace("_", " ")),
        _FORECAST.fact(row, "value", shape, **ends),
        _FORECAST.fact(row, "low_80", shape),
        _FORECAST.fact(row, "high_80", shape),
    )
    if row["coverage_80"] is None:
        return (said("{}; how often such an interval holds is not known yet.", told),)
    return (said("{}; such intervals held {} of the time so far.", told, _FORECAST.fact(row, "coverage_80", "{:.0%}")),)


def forecast_period_sentences(rows: Sequence[Mapping[str, Any]]) -> tuple[Said, ...]:
    """Return what is expected of a series on each day of a period: the days have an interval each, and none together.

    Args:
        rows: Rows of `briefs/forecast_of.sql`, one for each day.
    """
    series = _FORECAST.fact(rows[0], "series", value=rows[0]["series"].replace("_", " "))
    ends = [_FORECAST.fact(row, "forecast_date") for row in (rows[0], rows[-1])]
    told = said("Each day from {} to {} has a forecast of {}, and all of them together have none.", *ends, series)
    days = [forecast_sentences(row) for row in rows]
    missing = next((each for row, each in zip(rows, days, strict=True) if row["value"] is None), None)
    return missing or (told, *(sentence for each in days for sentence in each))


def telemetry_sentences(row: Mapping[str, Any]) -> tuple[Said, ...]:
    """Return the verdict on the telemetry of a day.

    Args:
        row: A row of `briefs/telemetry_of.sql`.
    """
    told = said(
        "The telemetry of {} is {}, with {} events",
        _TELEMETRY.fact(row, "event_date"),
        _TELEMETRY.fact(row, "verdict"),
        _TELEMETRY.fact(row, "events", "{:,}", unit="events"),
    )
    return (said("{}: {}.", told, _TELEMETRY.fact(row, "reason")) if row["reason"] else said("{}.", told),)


def fault_sentences(rows: Sequence[Mapping[str, Any]]) -> tuple[Said, ...]:
    """Return on which days of what is told the telemetry is at fault: that comes before any figure. Empty where on none.

    Args:
        rows: Rows of `briefs/faulty_of.sql`.
    """
    told = [
        said(
            "The telemetry of {} is {}: {}.",
            _FAULTY.fact(row, "event_date"),
            _FAULTY.fact(row, "verdict"),
            _FAULTY.fact(row, "reason"),
        )
        for row in rows[:MOST]
    ]
    if not told:
        return ()
    doubt = said("What is counted with such a day in it may be wrong, and no change need be behind it.")
    return (*told, *_others(_FAULTY, rows, "day"), doubt)


def _when(origin: Origin, row: Mapping[str, Any]) -> Said:
    first, last = origin.fact(row, "first_day"), origin.fact(row, "last_day")
    if row["first_day"] == row["last_day"]:
        return said("on {}", last)
    return said("from {} to {}", first, last)
