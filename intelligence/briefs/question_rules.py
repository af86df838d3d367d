"""The rules by which a tool is chosen for a question, in their order; each takes out the words that it understands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from intelligence.briefs.periods import WEEK, Period
from intelligence.briefs.question import Plan, Rest, Vocabulary

# What people call a metric, the longest first; the product's name of it, and the feature's name of it.
METRIC_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "monthly active users": ("mau", ""),
    "monthly users": ("mau", ""),
    "weekly active users": ("wau", ""),
    "weekly users": ("wau", ""),
    "average number of daily users": ("dau", "users"),
    "daily active users": ("dau", "users"),
    "daily users": ("dau", "users"),
    "active users": ("dau", "users"),
    "users a day": ("dau", "users"),
    "users per day": ("dau", "users"),
    "share of users without a crash": ("crash_free_user_rate", ""),
    "users without a crash": ("crash_free_user_rate", ""),
    "crash-free users": ("crash_free_user_rate", ""),
    "conversion rate": ("conversion_rate", ""),
    "converted users": ("converted_users", ""),
    "conversions": ("converted_users", ""),
    "conversion": ("conversion_rate", ""),
    "mean rating": ("mean_rating", "mean_rating"),
    "average rating": ("mean_rating", "mean_rating"),
    "number of ratings": ("ratings", "ratings"),
    "how many ratings": ("ratings", "ratings"),
    "ratings": ("mean_rating", "mean_rating"),
    "rating": ("mean_rating", "mean_rating"),
    "error rate": ("", "error_rate"),
    "failure rate": ("", "error_rate"),
    "failed events": ("", "failed_events"),
    "how many errors": ("", "failed_events"),
    "number of errors": ("", "failed_events"),
    "errors": ("", "error_rate"),
    "crash rate": ("", "crash_rate"),
    "crashes": ("", "crash_rate"),
    "slow rate": ("", "slow_rate"),
    "share of slow events": ("", "slow_rate"),
    "slow events": ("", "slow_rate"),
    "latency": ("", "p95_latency_ms"),
    "revenue": ("value", ""),
    "value": ("value", ""),
    "sessions": ("sessions", ""),
    "visits": ("sessions", ""),
    "events": ("events", "usage_count"),
    "uses": ("", "usage_count"),
    "usage": ("", "usage_count"),
    "dau": ("dau", "users"),
    "wau": ("wau", ""),
    "mau": ("mau", ""),
    "users": ("dau", "users"),
    "people": ("dau", "users"),
}
# The metric whose change can be split, for each metric that is asked about.
SPLIT: Final[Mapping[str, str]] = {
    "converted_users": "conversion_rate",
    "conversion_rate": "conversion_rate",
    "error_rate": "error_rate",
    "failed_events": "error_rate",
    "crash_rate": "crash_rate",
    "slow_rate": "slow_rate",
    "p95_latency_ms": "slow_rate",
    "mean_rating": "bad_rating_rate",
    "events": "events_per_user",
    "usage_count": "events_per_user",
}
# Metrics of which more is worse.
_BAD: Final = ("error_rate", "failed_events", "crash_rate", "slow_rate", "p95_latency_ms")
SERIES: Final[Mapping[str, str]] = {
    "dau": "dau",
    "wau": "wau",
    "mau": "mau",
    "conversion_rate": "conversion_rate",
    "value": "value",
    "mean_rating": "mean_rating",
}
FALLING: Final = (
    "fall",
    "fell",
    "fallen",
    "drop",
    "dropped",
    "decline",
    "declined",
    "decrease",
    "decreased",
    "down",
    "lower",
)
RISING: Final = (
    "rise",
    "rose",
    "risen",
    "grow",
    "grew",
    "increase",
    "increased",
    "up",
    "jump",
    "jumped",
    "higher",
    "climb",
)
CHANGING: Final = (*FALLING, *RISING, "worse", "better", "change", "changed", "move", "moved", "changes")


def _took_any(rest: Rest, *words: str) -> bool:
    found = False
    while rest.took(*words):
        found = True
    return found


Names = Mapping[str, str]
_Rule = Callable[[Rest, Names, Period | None, Vocabulary], Plan | None]


def chosen(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> tuple[Plan | None, list[str]]:
    """Return the plan of the first rule that holds, and the words that it did not understand; None and all words without one.

    Args:
        rest: The question, without its names and days.
        names: The names of an experiment and a feature, by kind; empty where none is named.
        period: The days that are named; None where none are.
        known: What it may name.
    """
    for rule in (
        _why,
        _answers,
        _coming,
        _owner,
        _experiments,
        _decisions,
        _people,
        _unusual,
        _telemetry,
        _risk,
        _needs,
        _health,
        _metric,
    ):
        own = replace(rest)
        made = rule(own, names, period, known)
        if made is not None:
            return made, own.words
    return None, rest.words


def _metric_in(rest: Rest, names: Names) -> str:
    for words, (of_product, of_feature) in METRIC_WORDS.items():
        name = of_feature if names["feature"] else of_product or of_feature
        if name and rest.took(words):
            return name
    return ""


def _days(period: Period | None, day: date, *, length: int = 1) -> dict[str, str]:
    first, last = period or (day - timedelta(days=length - 1), day)
    return {"first": str(first), "last": str(last)}


def _when(period: Period | None, day: date) -> dict[str, str]:
    """Return the days that are asked for; none where that is the newest one."""
    return {} if period in (None, (day, day)) else _days(period, day)


def _of(names: Names) -> dict[str, str]:
    return {"feature": names["feature"]} if names["feature"] else {}


def _why(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    asks = re.search(r"(?<![\w-])(why|what caused|what explains|where does|what is behind)(?![\w-])", rest.text)
    if not asks:
        return None
    asked = _metric_in(rest, names)
    if not asked:
        rest.took("why")
        if names["feature"] and _took_any(rest, "degraded", "in trouble", "at risk", "unhealthy", "broken", "bad"):
            is_of_a_day = period is None or period[0] == period[1]
            return Plan("health", {**_of(names), **(_when(period, known.day) if is_of_a_day else {})})
        return None
    if asked not in SPLIT:
        known_of = ", ".join(dict.fromkeys(SPLIT.values()))
        return Plan("", why_not=f"Why {asked} changed is not known: changes are split of {known_of}")
    _took_any(rest, "why", "where")
    metric = SPLIT[asked]
    return Plan(
        "why",
        {"metric": metric, **_of(names), **_days(period, known.day, length=WEEK)},
        expects=_expected(rest, asked),
        asked="" if asked == metric else asked,
    )


def _expected(rest: Rest, asked: str) -> str:
    """Return which way the question takes it for granted that the metric moved whose change is split; empty where it does not."""
    worse, better = _took_any(rest, "worse"), _took_any(rest, "better")
    down, up = _took_any(rest, *FALLING), _took_any(rest, *RISING)
    _took_any(rest, *CHANGING, "caused", "explains", "behind", "lie")
    if asked in _BAD:
        down, up = down or better, up or worse
    else:
        down, up = down or worse, up or better
    if asked == "mean_rating":
        # A lower rating is a higher rate of bad ones.
        down, up = up, down
    return "down" if down and not up else "up" if up and not down else ""


def _answers(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    of_answers = ("bad answer rate", "rate of bad answers", "share of bad answers", "bad answers", "answers")
    if not names["feature"] or not _took_any(rest, *of_answers):
        return None
    if period is None and _took_any(rest, "version"):
        _took_any(rest, "which", "worse")
    _took_any(rest, "bad", "quality")
    return Plan("answers", {**_of(names), **_days(period, known.day, length=WEEK)})


def _coming(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    if names["feature"] or not _took_any(rest, "forecast", "expected", "expect", "predicted", "will"):
        return None
    metric = _metric_in(rest, names)
    if metric not in SERIES:
        return None
    _took_any(rest, "there", "be")
    if period:
        first, last = period
        if first <= known.day:
            return None
        return Plan(
            "forecast",
            {"series": SERIES[metric], **({"day": str(first)} if first == last else _days(period, known.day))},
        )
    # Seven days are no day.
    if rest.took("in the next week", "the next week", "next week", "in the next seven days", "the next seven days"):
        coming = (known.day + timedelta(days=1), known.day + timedelta(days=WEEK))
        return Plan("forecast", {"series": SERIES[metric], **_days(coming, known.day)})
    ahead = 28
    for phrase, days in (("in four weeks", 28), ("in two weeks", 14), ("in a week", WEEK), ("tomorrow", 1)):
        if rest.took(phrase):
            ahead = days
            break
    return Plan("forecast", {"series": SERIES[metric], "day": str(known.day + timedelta(days=ahead))})


def _owner(rest: Rest, names: Names, _: Period | None, __: Vocabulary) -> Plan | None:
    if names["feature"] and _took_any(rest, "owns", "owner", "responsible", "belongs", "team", "belong"):
        _took_any(rest, "who", "whom", "which", "whose")
        return Plan("health", _of(names))
    return None


def _experiments(rest: Rest, names: Names, _: Period | None, __: Vocabulary) -> Plan | None:
    named = names["experiment"]
    if not (_took_any(rest, "experiments", "experiment", "a/b test", "test", "tests", "variant") or named):
        return None
    told = ("verdict", "effect", "result", "results", "outcome", "lift", "stand", "standing")
    if named:
        of_one = ("ship", "shipped", "work", "worked", "end", "ended", "roll back", "healthy", "keep", "decided")
        _took_any(rest, *told, *of_one, "running", "run", "which")
        return Plan("experiments", {"experiment": named})
    if _took_any(rest, "running"):
        _took_any(rest, "which")
        return Plan("experiments", {"state": "running"})
    # Every one is listed, so that no word may choose some: "which experiments have an effect".
    if not _took_any(rest, "which"):
        _took_any(rest, *told)
    return Plan("experiments")


def _decisions(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    of_all = ("decisions", "decision", "decided", "decide", "proposed", "propose", "recommended", "recommend")
    # What was decided is known of a feature and of a period, what was done of the newest day; a kind of action chooses some.
    newest = not names["feature"] and period in (None, (known.day, known.day))
    of_one = ("roll back", "rollback", "throttle", "action") if names["feature"] else ()
    if not _took_any(rest, *of_all, *of_one, *(("done",) if newest else ())):
        return None
    _took_any(rest, "policy", "platform", "which", "actions", *(() if names["feature"] else ("feature", "features")))
    return Plan("decisions", {**_of(names), **_when(period, known.day)})


def _people(rest: Rest, names: Names, _: Period | None, __: Vocabulary) -> Plan | None:
    if names["feature"]:
        return None
    if _took_any(rest, "funnels", "funnel", "lose users", "losing users", "lost", "drop off", "widest drop", "lose"):
        # Where users are lost is known, and not which users.
        _took_any(
            rest, "which step", "which steps", "which funnel", "step", "steps", "where", "most users", "most people"
        )
        _took_any(rest, "users", "people")
        return Plan("funnels")
    if _took_any(
        rest, "retention", "retained", "stay", "stays", "come back", "coming back", "newcomers", "cohorts", "cohort"
    ):
        _took_any(
            rest, "four weeks later", "after four weeks", "new users", "new people", "users", "people", "who", "rate"
        )
        return Plan("retention")
    return None


def _unusual(rest: Rest, names: Names, _: Period | None, __: Vocabulary) -> Plan | None:
    if names["feature"]:
        return None
    words = (
        "unusual",
        "anomalies",
        "anomaly",
        "strange",
        "incidents",
        "incident",
        "wrong",
        "happened",
        "happening",
        "news",
    )
    if not _took_any(rest, *words):
        return None
    _took_any(rest, "open", "anything", "something", "going on", "which")
    return Plan("incidents")


def _telemetry(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    words = ("telemetry", "data quality", "data", "pipeline")
    if names["feature"] or not _took_any(rest, *words):
        return None
    _took_any(
        rest,
        "whole",
        "complete",
        "sound",
        "at fault",
        "faulty",
        "partial",
        "missing",
        "ok",
        "trusted",
        "trust",
        "quality",
        "fault",
    )
    first, last = period or (known.day, known.day)
    return Plan("telemetry", {"day": str(first)}) if first == last else None


def _risk(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    # A state, and no probability.
    if re.search(r"(?<![\w-])at risk(?! of)(?![\w-])", rest.text) or not _took_any(
        rest, "likely to degrade", "likeliest to degrade", "risk of degrading", "will degrade", "degrade next", "risk"
    ):
        return None
    _took_any(
        rest, "within a week", "within the next week", "next week", "next", "of degrading", "degrade", "degrading"
    )
    _took_any(rest, "most", "likely", "which", *(("high",) if names["feature"] else ("feature", "features")))
    when = _when(period, known.day)
    is_of_a_day = bool(when) and when["first"] == when["last"]
    return Plan("risk", {**_of(names), **({"day": when["first"]} if is_of_a_day else {})})


def _needs(rest: Rest, names: Names, _: Period | None, __: Vocabulary) -> Plan | None:
    if names["feature"] or not _took_any(
        rest, "needs me", "needs a person", "needs attention", "to do", "need to do", "brief", "matters"
    ):
        return None
    _took_any(rest, "need", "person", "day")
    return Plan("brief", {"kind": "week" if rest.took("week", "weekly") else "day"})


def _health(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    states = {state: bool(_took_any(rest, state)) for state in ("degraded", "at risk")}
    words = ("in trouble", "unhealthy", "broken", "misses", "miss")
    more = ("healthy", "health", "state", "status", "doing") if names["feature"] else ()
    is_of_any = _took_any(rest, *words, *more)
    if not is_of_any and not any(states.values()):
        return None
    if names["feature"] and period is not None and period[0] != period[1]:
        _took_any(rest, "days")
    _took_any(rest, "objective", "objectives", "goal", "promise", "promises", "since", "when", "which")
    _took_any(rest, *(() if names["feature"] else ("feature", "features")))
    # Of one feature the state is told, whatever it is.
    only = (
        []
        if names["feature"] or is_of_any
        else [state.replace(" ", "_") for state, is_named in states.items() if is_named]
    )
    chosen_state = {"state": only[0]} if len(only) == 1 else {}
    return Plan("health", {**_of(names), **chosen_state, **_when(period, known.day)})


def _metric(rest: Rest, names: Names, period: Period | None, known: Vocabulary) -> Plan | None:
    metric = _metric_in(rest, names)
    if not metric:
        return None
    is_of_product = any(metric == of_product for of_product, _ in METRIC_WORDS.values())
    if not names["feature"] and not is_of_product:
        return None
    segments = {form: name for name in known.segments for form in (name.casefold(), f"{name.casefold()}s")}
    segment = segments.get(rest.took(*segments), "")
    if segment and names["feature"]:
        return None
    rest.took("segment")
    _took_any(rest, *CHANGING)
    of = {"segment": segment} if segment else _of(names)
    return Plan("metric", {"metric": metric, **of, **_days(period, known.day)})
