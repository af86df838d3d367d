"""Drafts for people: an incident review, a ticket and a page of requirements, made from facts and marked as drafts.

What only a person can know is asked for and left empty: a draft never answers a question that no fact answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from intelligence.briefs.brief import Brief, Section, whole
from intelligence.briefs.composing import Known, decision_brief, incident_brief, moved_sentences
from intelligence.core.errors import BriefError
from intelligence.core.facts import Origin, Said, said

MARK: Final = "Draft, made by rules from facts of {}. Nobody has confirmed it; check it before it is used."
_TROUBLE: Final = Origin("metrics.feature_health", "catalog/summary/in_trouble.sql", ("feature",))
_TROUBLED: Final = Origin("metrics.feature_health", "briefs/troubled.sql", ("feature",))
_ASKED_OF_PEOPLE: Final[Mapping[str, tuple[str, ...]]] = {
    "review": (
        "What did users see?",
        "What set it off, and what made it possible?",
        "What helped, what did not, and what was luck?",
        "What is done so that it does not happen again, by whom and by when?",
    ),
    "requirements": (
        "Who needs this, and what do they try to do?",
        "What is in scope, and what is not?",
        "Which solutions were considered?",
        "Who decides that it is done?",
    ),
    "ticket": (),
}


def drafted(known: Known, kind: str, subject: str) -> Brief:
    """Return a draft.

    Args:
        known: What was read of the newest day.
        kind: `review` of an incident, `ticket` or `requirements` of a feature in trouble.
        subject: The feature, or the incident; a part of its name is enough where only one has it.

    Raises:
        BriefError: There is no such kind of draft, or nothing of that name to draft it about.
    """
    if kind not in _DRAFTS:
        raise BriefError(kind, "there is no such draft.", hint=f"Ask for one of {', '.join(_DRAFTS)}.")
    query, key, write = _DRAFTS[kind]
    rows = list(known.rows(query))
    same = [row for row in rows if row[key] == subject] or [row for row in rows if subject in row[key]]
    if len(same) != 1:
        names = ", ".join(row[key] for row in rows) or "none"
        problem = "several have such a name." if same else "there is nothing of that name to draft it about."
        raise BriefError(f"{kind} {subject}".strip(), problem, hint=f"On {known.day} there are: {names}.")
    made = write(known, same[0])
    asked = tuple(said(question) for question in _ASKED_OF_PEOPLE[kind])
    mark = Section("Draft", (said(MARK, whole(known.day)),))
    rest = (Section("For a person to answer", asked),) if asked else ()
    return Brief(made.kind, made.subject, made.day, said("Draft: {}", made.title), (mark, *made.sections, *rest))


def _review(known: Known, row: Mapping[str, Any]) -> Brief:
    return incident_brief(known, row)


def _ticket(known: Known, row: Mapping[str, Any]) -> Brief:
    return decision_brief(known, row)


def _requirements(known: Known, row: Mapping[str, Any]) -> Brief:
    feature, objective = _TROUBLE.fact(row, "feature"), _TROUBLE.fact(row, "worst_objective")
    title = said("requirements for {}, which misses its objective for {}", feature, objective)
    problem = [
        said("{} is {} since {}.", feature, _TROUBLE.fact(row, "state"), _TROUBLE.fact(row, "since")),
        said("{}.", _TROUBLE.fact(row, "reason")),
    ]
    affected = [said("{} users had an event of it on {}.", _TROUBLE.fact(row, "users", "{:,}"), whole(known.day))]
    affected += [
        said(
            "In the last seven days it was degraded on {}, with {} bad events beyond its promise.",
            _TROUBLED.fact(each, "days", "{} days"),
            _TROUBLED.fact(each, "excess", "{:,.0f}", unit="events"),
        )
        for each in known.rows("troubled")
        if each["feature"] == row["feature"] and each["excess"] is not None
    ]
    goal: list[Said] = [
        said(
            "Bad events are at {} times what is promised; the goal is once at most, on each day of four weeks.",
            _TROUBLE.fact(row, "burn_1d", "{:.1f}"),
        )
    ]
    why = moved_sentences(known, (row["feature"],))
    sections = {
        "Problem": problem,
        "Who is affected": affected,
        "Goal": goal,
        "What is known of the cause": why or [said("Nothing that the evidence carries.")],
        "Owner": [said("{}", _TROUBLE.fact(row, "owner"))] if row["owner"] else [],
    }
    kept = tuple(Section(heading, tuple(told)) for heading, told in sections.items() if told)
    return Brief("incident", row["feature"], known.day, title, kept)


_DRAFTS: Final[Mapping[str, tuple[str, str, Callable[[Known, Mapping[str, Any]], Brief]]]] = {
    "review": ("incidents", "episode", _review),
    "ticket": ("decided", "feature", _ticket),
    "requirements": ("trouble", "feature", _requirements),
}
DRAFTS: Final = tuple(_DRAFTS)
