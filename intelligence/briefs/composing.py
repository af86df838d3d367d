"""How briefs are composed: what was read of the newest day, told by rules, the most important first."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.briefs.answers import worse_answer_sentences
from intelligence.briefs.brief import DONE, HAPPENED, NEEDS, NEXT, USE, WHY, Brief, brief, whole
from intelligence.briefs.morning import (
    coming_sentence,
    is_usual,
    losing_sentence,
    staying_sentences,
    unassessed_sentence,
    unjudged_sentence,
    unusual_sentences,
    week_sentence,
    wrong_sentences,
)
from intelligence.core.facts import AT_LEAST, Fact, Origin, Said, joined, said
from intelligence.core.sql import sql

QUERIES: Final[Mapping[str, str]] = {
    name: sql(f"briefs/{name}.sql")
    for name in (
        *("weeks", "unusual", "judged", "coming", "cohorts", "funnels", "wrong", "moved", "decided", "watched"),
        *("answer_changes", "asked_for", "risks", "faulty", "troubled", "incidents", "counted"),
    )
} | {
    "trouble": sql("catalog/summary/in_trouble.sql"),
    "evidence": sql("catalog/summary/evidence.sql"),
    "experiments": sql("catalog/summary/experiments.sql"),
}
_TROUBLE: Final = Origin("metrics.feature_health", "catalog/summary/in_trouble.sql", ("feature",))
_MOVED: Final = Origin("causality.degradations", "briefs/moved.sql", ("feature",))
_DECIDED: Final = Origin("decisions.feature_decisions", "briefs/decided.sql", ("scope", "feature"))
_WATCHED: Final = Origin("decisions.feature_decisions", "briefs/watched.sql", ("event_date",))
_ASKED: Final = Origin("actions.action_log, actions.outcomes", "briefs/asked_for.sql", ("action_id",))
_RISKS: Final = Origin("risk.feature_risk", "briefs/risks.sql", ("feature",))
_FAULTY: Final = Origin("telemetry.day_quality", "briefs/faulty.sql", ("event_date",))
_TROUBLED: Final = Origin("metrics.feature_health", "briefs/troubled.sql", ("feature",))
_INCIDENT: Final = Origin("signals.episodes", "briefs/incidents.sql", ("episode",))
_COUNTED: Final = Origin("metrics.feature_health", "briefs/counted.sql", ("event_date",))
_EXPERIMENT: Final = Origin(
    "experiments.experiment_verdicts, experiments.experiment_results",
    "catalog/summary/experiments.sql",
    ("experiment", "variant"),
)
# More than so many of a kind are not told one by one: a brief is one page.
MOST: Final = 5
_ENDED: Final = ("ship", "roll_back", "review", "stop")
_OPEN_ENDS: Final = {
    "planned": "waits for a person",
    "unconfirmed": "may or may not have been done",
    "failed": "was not done",
}
_OF_ANSWERS: Final = "bad_answer_rate"
_SAID: Final = {"rollback": "roll back", "advance": "take the next step of"}
_LEVELS: Final = {
    "shadow": "written down and not sent",
    "advise": "told to people",
    "approve": "for a person to approve",
    "auto": "done without a person",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of the newest day.

    Attributes:
        day: The newest day with figures.
        read: The rows of QUERIES.
        unknown: Kinds of data that the product does not have, such as `conversion`.
        least_days: Days of history before it can be said what is unusual.
    """

    day: date
    read: Mapping[str, pl.DataFrame]
    unknown: Collection[str] = ()
    least_days: int = 28

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Return the rows of a query; those that name no day are of the newest one."""
        return ({"event_date": self.day, **row} for row in self.read[name].iter_rows(named=True))

    def first(self, name: str) -> dict[str, Any] | None:
        """Return the first row of a query; None without one."""
        return next(self.rows(name), None)


def briefs_of(known: Known) -> list[Brief]:
    """Return all briefs of the newest day: the day, the week, and one for each decision, experiment and incident.

    Args:
        known: What was read.
    """
    return [
        day_brief(known),
        week_brief(known),
        *(decision_brief(known, row) for row in known.rows("decided")),
        *(experiment_brief(known, row) for row in known.rows("experiments")),
        *(incident_brief(known, row) for row in known.rows("incidents")),
    ]


def day_brief(known: Known) -> Brief:
    """Return the brief of the day: one sentence where nothing happened.

    Args:
        known: What was read.
    """
    day = whole(known.day)
    if is_silent(known):
        counted = known.first("counted")
        calm = (
            said(
                "Nothing happened on {} that needs anybody: none of {} assessed features is in trouble, and nothing is unusual.",
                day,
                _COUNTED.fact(counted, "assessed", "{:,}", unit="features"),
            )
            if counted
            else said("Nothing happened on {} that needs anybody.", day)
        )
        return brief("day", "", known.day, said("Brief of {}", day), {HAPPENED: [calm]})
    return brief(
        "day",
        "",
        known.day,
        said("Brief of {}", day),
        {
            NEEDS: [*_needs(known), *_waiting(known)],
            HAPPENED: [
                *(trouble_sentences(known) if known.read["trouble"].height else ()),
                *_doubted(known, first=known.day),
                *filter(None, [unassessed_sentence(known.day, dict(known.read["evidence"].iter_rows()))]),
                joined(" ", unusual_told(known)),
                week_sentence(known.read["weeks"], unknown=known.unknown),
                *_worse_answers(known),
            ],
            WHY: moved_sentences(known)[:MOST],
            NEXT: [
                coming_sentence(known.first("coming")),
                *wrong_sentences(known.first("wrong")),
                *_risks(known),
                *(_experiment_sentence(row) for row in _running(known)),
            ],
            DONE: [*_done(known), *_watched(known)],
            USE: [*staying_sentences(known.read["cohorts"]), losing_sentence(known.read["funnels"])],
        },
    )


def trouble_sentences(known: Known, state: str = "") -> tuple[Said, ...]:
    """Return which features are in trouble on the newest day, or that none is.

    Args:
        known: What was read.
        state: The state that is asked for; empty for each that is a trouble.
    """
    troubles = [row for row in known.rows("trouble") if state in ("", row["state"])]
    if not troubles:
        return (said(f"No feature is {state.replace('_', ' ') or 'in trouble'} on {{}}.", whole(known.day)),)
    return (*(_in_trouble(row) for row in troubles[:MOST]), *_more(troubles, "feature"))


def unusual_told(known: Known) -> tuple[Said, ...]:
    """Return what is unusual on the newest day, or why that cannot be said.

    Args:
        known: What was read.
    """
    judged = unjudged_sentence(known.first("judged"), least_days=known.least_days)
    return tuple(unusual_sentences(known.read["unusual"], judged))


def running_sentences(known: Known) -> tuple[Said, ...]:
    """Return the verdicts on the experiments that run on the newest day, or that none does.

    Args:
        known: What was read.
    """
    told = tuple(map(_experiment_sentence, _running(known)))
    return told or (said("No experiment is running on {}.", whole(known.day)),)


def is_silent(known: Known) -> bool:
    """Return whether nothing happened on the newest day that anybody needs to know.

    Args:
        known: What was read.
    """
    empty = ("trouble", "unusual", "wrong", "decided")
    worse = any(row["verdict"] == "worse" and row["shown_on"] == known.day for row in known.rows("answer_changes"))
    judged = unjudged_sentence(known.first("judged"), least_days=known.least_days)
    faulty = any(row["event_date"] == known.day for row in known.rows("faulty"))
    ended = any(row["event_date"] == known.day and row["verdict"] in _ENDED for row in known.rows("experiments"))
    waits = any(row["standing"] in _OPEN_ENDS for row in known.rows("asked_for"))
    calm = not judged and is_usual(known.read["weeks"], unknown=known.unknown) and known.read["weeks"].height > 1
    return calm and not (faulty or ended or waits or worse) and all(known.read[name].is_empty() for name in empty)


def week_brief(known: Known) -> Brief:
    """Return the brief of the seven days that end with the newest one.

    Args:
        known: What was read.
    """
    first = known.day - timedelta(days=6)
    troubled = list(known.rows("troubled"))
    ended = [row for row in known.rows("experiments") if row["event_date"] >= first and row["verdict"] in _ENDED]
    calm = [] if troubled else [said("No feature was degraded in these seven days.")]
    return brief(
        "week",
        "",
        known.day,
        said("Brief of the week to {}", whole(known.day)),
        {
            NEEDS: [*_needs(known), *_waiting(known)],
            HAPPENED: [
                week_sentence(known.read["weeks"], unknown=known.unknown),
                *(_was_degraded(row) for row in troubled[:MOST]),
                *_more(troubled, "feature"),
                *calm,
                *_doubted(known, first=first),
                *(_experiment_sentence(row) for row in ended),
                *_worse_answers(known),
            ],
            WHY: moved_sentences(known)[:MOST],
            NEXT: [
                coming_sentence(known.first("coming")),
                *wrong_sentences(known.first("wrong")),
                *_risks(known),
                *(_experiment_sentence(row) for row in _running(known)),
            ],
            DONE: [*_done(known), *_watched(known)],
            USE: [*staying_sentences(known.read["cohorts"]), losing_sentence(known.read["funnels"])],
        },
    )


def decision_brief(known: Known, row: Mapping[str, Any]) -> Brief:
    """Return the brief of one decision of the newest day.

    Args:
        known: What was read.
        row: A row of `briefs/decided.sql`.
    """
    done = [each for each in known.rows("asked_for") if each["decision_id"] == row["decision_id"]]
    why_not = json.loads(row["why_not"] or "{}")
    others = [
        said("Not {}: {}.", _of_json(row, "why_not", kind, kind), _of_json(row, "why_not", f"{kind} reason", reason))
        for kind, reason in why_not.items()
        if kind != "monitor"
    ]
    return brief(
        "decision",
        row["feature"],
        known.day,
        said("{} {} on {}", _worded(_DECIDED, row, "action"), _DECIDED.fact(row, "feature"), whole(known.day)),
        {
            NEEDS: [_asks(row)] if row["level"] != "auto" else [],
            HAPPENED: [said("{}", _DECIDED.fact(row, "reasons"))],
            WHY: moved_sentences(known, (row["feature"],)),
            DONE: [
                _worth(row),
                *(_action_sentence(each) for each in done[:MOST]),
                *([] if done else [said("No action follows from it so far.")]),
                *others,
            ],
        },
    )


def experiment_brief(known: Known, row: Mapping[str, Any]) -> Brief:
    """Return the brief of one variant of an experiment, with its newest verdict.

    Args:
        known: What was read.
        row: A row of `catalog/summary/experiments.sql`.
    """
    problems = [
        said("It is not sound: {}.", _EXPERIMENT.fact(row, f"problems.{place}", value=problem))
        for place, problem in enumerate(row["problems"] or (), start=1)
    ]
    units = said(
        "{} units were in control and {} in the variant.",
        _EXPERIMENT.fact(row, "units_control", "{:,}", unit="units"),
        _EXPERIMENT.fact(row, "units_variant", "{:,}", unit="units"),
    )
    over = row["verdict"] in _ENDED
    owner = _EXPERIMENT.fact(row, "owner") if row["owner"] else None
    asks = said("{}: {}?", owner, _worded(_EXPERIMENT, row, "verdict")) if owner else said("Who owns it is not known.")
    grade = row["grade"] or "D"
    return brief(
        "experiment",
        f"{row['experiment']} · {row['variant']}",
        known.day,
        said("{} · {}", _EXPERIMENT.fact(row, "experiment"), _EXPERIMENT.fact(row, "variant")),
        {
            NEEDS: [asks] if over else [],
            HAPPENED: [_experiment_sentence(row), units],
            WHY: [
                said("{} (grade {}).", _EXPERIMENT.fact(row, "reason"), _EXPERIMENT.fact(row, "grade", value=grade)),
                *problems,
            ],
            NEXT: [said("It runs until {}.", _EXPERIMENT.fact(row, "until"))] if row["until"] and not over else [],
        },
    )


def incident_brief(known: Known, row: Mapping[str, Any]) -> Brief:
    """Return the brief of one trouble that is open.

    Args:
        known: What was read.
        row: A row of `briefs/incidents.sql`.
    """
    about = set(row["features"] or ())
    decided = [each for each in known.rows("decided") if each["feature"] in about]
    trouble = [each for each in known.rows("trouble") if each["feature"] in about]
    causes = (
        [said("At the same time (a coincidence, grade D): {}.", _INCIDENT.fact(row, "likely_cause", grade="D"))]
        if row["likely_cause"]
        else []
    )
    breaks = (
        [said("If the trend goes on, a promise breaks on {}.", _INCIDENT.fact(row, "breaks_on"))]
        if row["breaks_on"]
        else []
    )
    return brief(
        "incident",
        row["episode"],
        known.day,
        said("Incident since {}: {}", _INCIDENT.fact(row, "first_day"), _INCIDENT.fact(row, "metric")),
        {
            NEEDS: [_asks(each) for each in decided if each["level"] != "auto"],
            HAPPENED: [
                said("{}.", _INCIDENT.fact(row, "title")),
                said(
                    "It is {}, and was seen on {} of {} days, on {} the last time.",
                    _INCIDENT.fact(row, "severity"),
                    _INCIDENT.fact(row, "anomalous_days", unit="days"),
                    _INCIDENT.fact(row, "days", unit="days"),
                    _INCIDENT.fact(row, "last_day"),
                ),
                *map(_in_trouble, trouble),
            ],
            WHY: [*moved_sentences(known, about), *causes],
            NEXT: breaks,
            DONE: [*map(_worth, decided)] or [said("Nothing was decided about it on {}.", whole(known.day))],
        },
    )


def moved_sentences(known: Known, features: Collection[str] | None = None) -> list[Said]:
    """Return where the change of each degraded feature lies: a part of the product, or a version of what answers there.

    Args:
        known: What was read.
        features: Only these features; None for all.
    """
    found: list[Said] = []
    for row in known.rows("moved"):
        if features is not None and row["feature"] not in features:
            continue
        changes = known.read["answer_changes"].filter(feature=row["feature"])
        of_versions = worse_answer_sentences(changes, most=1) if row["metric"] == _OF_ANSWERS else ()
        found += of_versions or [moved_sentence(row)]
    return found


def _worse_answers(known: Known) -> tuple[Said, ...]:
    """Return which versions made answers worse, but for those that are why a feature is in trouble."""
    why = {row["feature"] for row in known.rows("moved") if row["metric"] == _OF_ANSWERS}
    return worse_answer_sentences(known.read["answer_changes"].filter(~pl.col("feature").is_in(list(why))))


def moved_sentence(row: Mapping[str, Any]) -> Said:
    """Return where the change of a degraded feature's metric lies, with its grade.

    Args:
        row: A row of `briefs/moved.sql`.
    """
    what = said("The {} of {}", _worded(_MOVED, row, "metric"), _MOVED.fact(row, "feature"))
    if row["change"] is None or row["low"] is None:
        return said("{}: not enough evidence to say by how much it changed.", what).sentence()
    ends = {"low": row["low"], "high": row["high"], "grade": row["grade"]}
    told = said(
        f"{{}} {'rose' if row['change'] > 0 else 'fell'} from {{}} to {{}}: {{}} ({{}} to {{}})",
        what,
        _MOVED.fact(row, "before", "{:.2%}", unit="share"),
        _MOVED.fact(row, "after", "{:.2%}", unit="share"),
        _MOVED.fact(row, "change", "{:+.3f}", unit="share", **ends),
        _MOVED.fact(row, "low", "{:+.3f}"),
        _MOVED.fact(row, "high", "{:+.3f}"),
    ).sentence()
    told = Said(told.pieces[:-1])
    if row["suspect"] is None or row["accounts_for"] is None:
        return said("{}; no part of the product stands out beyond chance.", told)
    return said(
        "{}; {} of it lies in {}: {} there against {} elsewhere (where, not why: grade {}).",
        told,
        _MOVED.fact(row, "accounts_for", "{:.0%}", unit="share", grade=row["grade"]),
        _MOVED.fact(row, "suspect"),
        _MOVED.fact(row, "rate", "{:.1%}", unit="share"),
        _MOVED.fact(row, "elsewhere", "{:.1%}", unit="share"),
        _MOVED.fact(row, "grade"),
    )


def _needs(known: Known) -> list[Said]:
    return [_asks(row) for row in known.rows("decided") if row["level"] != "auto"][:MOST]


def _asks(row: Mapping[str, Any]) -> Said:
    owner = said("{}: ", _DECIDED.fact(row, "owner")) if row["owner"] else Said()
    return said(
        f"{{}}{{}} {{}}? It is proposed, and {_LEVELS.get(row['level'], 'not sent')}.",
        owner,
        _worded(_DECIDED, row, "action"),
        _DECIDED.fact(row, "feature"),
    )


def _waiting(known: Known) -> list[Said]:
    return [
        said(f"{{}}: {_OPEN_ENDS[row['standing']]}.", _ASKED.fact(row, "title"))
        for row in known.rows("asked_for")
        if row["standing"] in _OPEN_ENDS
    ][:MOST]


def _in_trouble(row: Mapping[str, Any]) -> Said:
    return said(
        "{} is {} since {}: {}.",
        _TROUBLE.fact(row, "feature"),
        _worded(_TROUBLE, row, "state"),
        _TROUBLE.fact(row, "since"),
        _TROUBLE.fact(row, "reason"),
    )


def _was_degraded(row: Mapping[str, Any]) -> Said:
    now = "is so still" if row["state"] == "degraded" else "is not any more"
    return said(
        f"{{}} was degraded on {{}} of these days, from {{}} to {{}}, and {now}: {{}} bad events beyond its promise.",
        _TROUBLED.fact(row, "feature"),
        _TROUBLED.fact(row, "days", unit="days"),
        _TROUBLED.fact(row, "first_day"),
        _TROUBLED.fact(row, "last_day"),
        _TROUBLED.fact(row, "excess", "{:,.0f}", unit="events"),
    )


def _more(rows: Sequence[Mapping[str, Any]], noun: str) -> list[Said]:
    if len(rows) <= MOST:
        return []
    rest = len(rows) - MOST
    origin = _TROUBLED if "days" in rows[0] else _TROUBLE
    number = origin.fact(rows[0], "rows.more", "{:,}", value=rest, unit="features")
    return [said(f"And {{}} more {noun}{'' if rest == 1 else 's'}.", number)]


def _doubted(known: Known, *, first: date) -> list[Said]:
    return [
        said(
            "The telemetry of {} is {}: {}.",
            _FAULTY.fact(row, "event_date"),
            _FAULTY.fact(row, "verdict"),
            _FAULTY.fact(row, "reason"),
        )
        for row in known.rows("faulty")
        if row["event_date"] >= first
    ]


def _risks(known: Known) -> list[Said]:
    rows = list(known.rows("risks"))
    if not rows:
        return []
    told = [
        said(
            "{} {} ({} to {})",
            _RISKS.fact(row, "feature"),
            _RISKS.fact(row, "risk_score", "{:.1%}", unit="probability", low=row["risk_low"], high=row["risk_high"]),
            _RISKS.fact(row, "risk_low", "{:.1%}", unit="probability"),
            _RISKS.fact(row, "risk_high", "{:.1%}", unit="probability"),
        )
        for row in rows
        if row["risk_low"] is not None
    ]
    return [said("The likeliest to degrade within a week: {}.", joined(", ", told))] if told else []


def _running(known: Known) -> list[Mapping[str, Any]]:
    return [row for row in known.rows("experiments") if row["event_date"] == known.day and row["verdict"] not in _ENDED]


def _experiment_sentence(row: Mapping[str, Any]) -> Said:
    name = said("{} · {}", _EXPERIMENT.fact(row, "experiment"), _EXPERIMENT.fact(row, "variant"))
    day = _EXPERIMENT.fact(row, "event_date")
    told = said("{}: {} on {}", name, _worded(_EXPERIMENT, row, "verdict"), day)
    if row["until"] and row["verdict"] not in _ENDED:
        told = said("{}, until {}", told, _EXPERIMENT.fact(row, "until"))
    if row["relative"] is None:
        return said("{}; no effect is shown.", told)
    ends = {"low": row["relative_low"], "high": row["relative_high"], "grade": row["grade"]}
    return said(
        "{}; {} {} ({} to {}), grade {}.",
        told,
        _EXPERIMENT.fact(row, "metric"),
        _EXPERIMENT.fact(row, "relative", "{:+.1%}", unit="relative change", **ends),
        _EXPERIMENT.fact(row, "relative_low", "{:+.1%}", unit="relative change"),
        _EXPERIMENT.fact(row, "relative_high", "{:+.1%}", unit="relative change"),
        _EXPERIMENT.fact(row, "grade", value=row["grade"] or "D"),
    )


def _worth(row: Mapping[str, Any]) -> Said:
    told = said("Decided: {} {}", _worded(_DECIDED, row, "action"), _DECIDED.fact(row, "feature"))
    if row["confidence"] is not None:
        sure = _DECIDED.fact(row, "confidence", AT_LEAST, unit="probability")
        told = said("{}, with a confidence of at least {}", told, sure)
    return said(
        f"{{}}: worth {{}} users spared harm for a day less its cost; {_LEVELS.get(row['level'], 'not sent')}.",
        told,
        _DECIDED.fact(row, "score", "{:,.0f}", unit="users"),
    )


def _done(known: Known) -> list[Said]:
    decided, asked = list(known.rows("decided")), list(known.rows("asked_for"))
    told = [*map(_worth, decided[:MOST]), *map(_action_sentence, asked[:MOST])]
    return told or [said("Nothing was to be done.")]


def _action_sentence(row: Mapping[str, Any]) -> Said:
    told = said("{}: {}", _ASKED.fact(row, "title"), _ASKED.fact(row, "standing"))
    return said("{}; {}.", told, _ASKED.fact(row, "came_of_it")) if row["came_of_it"] else said("{}.", told)


def _watched(known: Known) -> list[Said]:
    row = known.first("watched")
    return [said("{} features are watched and left alone.", _WATCHED.fact(row, "features", "{:,}"))] if row else []


def _worded(origin: Origin, row: Mapping[str, Any], name: str) -> Fact:
    words = str(row[name])
    return origin.fact(row, name, value=_SAID.get(words, words.replace("_", " ")))


def _of_json(row: Mapping[str, Any], field: str, name: str, value: str) -> Fact:
    return _DECIDED.fact(row, f"{field}.{name}", value=value)
