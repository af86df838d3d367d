"""A seeded simulator of the answers that a product's language models give, with the faults planted in them.

There are four features. The answers of `tutor_answer` are as good as such answers are, those of `tutor_hint` become worse with a
version of its prompt, `essay_feedback` comes to invent numbers with a new model, and `lesson_summary` comes to refuse too much with
one. Each answer is labelled with the fault that was planted in it; the label is not delivered. Some sound answers look like faulty
ones, as real ones do: they round a number, work out a difference, or use a word of the other direction.

Each day is simulated independently of all others. The stream of events does not depend on this one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.simulation.draws import generator
from intelligence.simulation.people import SEGMENTS, people

FEATURES: Final = ("tutor_answer", "tutor_hint", "essay_feedback", "lesson_summary")
HONEST: Final = "tutor_answer"
FAULTS: Final = (
    "number", "date", "name", "quote", "direction", "refusal", "empty", "cut_off", "repetition", "language", "unsafe",
    "personal_data",
)  # fmt: skip
USUAL_FAULT_SHARE: Final = 0.02
RATED_SHARE: Final = 0.2
RATED_TWICE_SHARE: Final = 0.25
_SEGMENT_RATES: Final = {"student": 0.7, "teacher": 1.6}
_LOOKALIKE_SHARE: Final = 0.08
_NAMES: Final = (
    "Amara Okafor", "Ben Whitfield", "Chloe Marchetti", "Daniel Brandt", "Elif Kaya", "Farah Haddad", "Greta Lindholm",
    "Hugo Ferreira", "Ines Morales", "Jonas Petersen", "Kavya Raman", "Liam Gallagher",
)  # fmt: skip
_TOPICS: Final = (
    "fractions",
    "photosynthesis",
    "spelling",
    "the water cycle",
    "angles",
    "reading aloud",
    "percentages",
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WORDS: Final = (
    "practice helps more than talent does",
    "small steps lead to large ones",
    "reading every day widens the vocabulary",
    "a wrong answer is a good beginning",
    "questions are the start of understanding",
)


@dataclass(frozen=True, slots=True)
class PlantedQuality:
    """A feature whose answers become worse on a day.

    Attributes:
        feature: The feature.
        kind: What was planted.
        changed: What changed on that day: `prompt_version` or `model_version`.
        version: The version from that day on.
        starts_on: The day.
        faults: The faults that are planted in answers of that version.
        share: The share of its answers with such a fault.
    """

    feature: str
    kind: str
    changed: str
    version: str
    starts_on: date
    faults: tuple[str, ...]
    share: float


def planted_quality(first_day: date, days: int) -> tuple[PlantedQuality, ...]:
    """Return what is planted in the answers of these days, in the order of the features.

    Args:
        first_day: The first day.
        days: Number of days; changes after the last of them are left out.

    >>> [each.kind for each in planted_quality(date(2026, 5, 4), 90)]
    ['bad prompt', 'invented numbers', 'needless refusals']
    """

    def at(share: float) -> date:
        return first_day + timedelta(days=round(90 * share))

    planted = (
        PlantedQuality(
            "tutor_hint", "bad prompt", "prompt_version", "hint-4", at(0.6),
            ("cut_off", "direction", "date", "repetition"), 0.34,
        ),
        PlantedQuality(
            "essay_feedback", "invented numbers", "model_version", "m-2026-06", at(0.4), ("number",), 0.4
        ),
        PlantedQuality(
            "lesson_summary", "needless refusals", "model_version", "m-2026-06", at(0.5), ("refusal",), 0.32
        ),
    )  # fmt: skip
    return tuple(each for each in planted if each.starts_on < first_day + timedelta(days=days))


def truths_of_answers(plan: "AnswerPlan") -> tuple[PlantedTruth, ...]:
    """Return what is planted in the answers as truths about the product; each lasts to the last day of the plan."""
    return tuple(
        PlantedTruth(
            kind="bad_answers",
            feature=each.feature,
            starts_on=each.starts_on,
            ends_on=plan.first_day + timedelta(days=plan.days - 1),
            precursor_from=None,
            detail=f"{each.kind}: {each.changed} {each.version}",
            effect=each.share,
        )
        for each in planted_quality(plan.first_day, plan.days)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPlan:
    """The size of the simulated stream of answers.

    Attributes:
        answers_per_day: Answers a day, of all features together.
        seed: Seed of everything drawn.
        first_day: The first day, in UTC.
        days: Number of days, which limits what is planted.
        events_per_day: Events a day of the product's stream, by which the number of its users is known.
        people_seed: Seed of the product's stream, by whose users the questions are asked.
    """

    answers_per_day: int = 480
    seed: int = 7
    first_day: date = date(2026, 5, 4)
    days: int = 90
    events_per_day: int = 50_000
    people_seed: int = 7


@dataclass(frozen=True, slots=True)
class _Case:
    """What one question is about."""

    topic: str
    name: str
    other_name: str
    day: date
    reached: int
    of: int
    share: float
    before: float
    after: float
    quote: str

    @property
    def written_day(self) -> str:
        return f"{self.day.day} {_MONTHS[self.day.month - 1]} {self.day.year}"

    @property
    def question(self) -> str:
        return f"What happened in the lesson on {self.topic}, and how did the class do?"

    @property
    def verb(self) -> str:
        return "rose" if self.after > self.before else "fell"

    @property
    def context(self) -> str:
        change = f"The average {self.verb} from {self.before} to {self.after} points"
        return (
            f"Lesson on {self.topic}, held on {self.written_day} by {self.name}. {self.reached} of {self.of} students"
            f" reached the goal, which is {self.share} percent. {change}."
            f' At the end {self.name} said: "{self.quote}". Material was handed out for use at home.'
        )

    def sentences(self) -> list[str]:
        return [
            f"In the lesson on {self.topic} on {self.written_day}, {self.reached} of {self.of} students reached the goal.",
            f"That is {self.share} percent, and the average {self.verb} from {self.before} to {self.after} points.",
            f'The class was taught by {self.name}, who said: "{self.quote}".',
        ]


def _case(rng: np.random.Generator, day: date) -> _Case:
    name, other = rng.choice(len(_NAMES), 2, replace=False)
    of = int(rng.integers(18, 33))
    reached = int(rng.integers(6, of))
    before = round(float(rng.uniform(40, 80)), 1)
    after = round(before + float(rng.choice([-1, 1])) * float(rng.uniform(1, 12)), 1)
    return _Case(
        topic=_TOPICS[int(rng.integers(len(_TOPICS)))],
        name=_NAMES[int(name)],
        other_name=_NAMES[int(other)],
        day=day - timedelta(days=int(rng.integers(1, 20))),
        reached=reached,
        of=of,
        share=round(100 * reached / of, 1),
        before=before,
        after=after,
        quote=_WORDS[int(rng.integers(len(_WORDS)))],
    )


def _with_number(case: _Case, said: list[str], rng: np.random.Generator) -> str:
    wrong = round(case.share + float(rng.uniform(6, 25)), 1)
    return " ".join(said).replace(f"{case.share} percent", f"{wrong} percent")


def _with_date(case: _Case, said: list[str], rng: np.random.Generator) -> str:
    other = case.day - timedelta(days=int(rng.integers(30, 90)))
    return " ".join(said).replace(case.written_day, f"{other.day} {_MONTHS[other.month - 1]} {other.year}")


def _with_direction(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join(said).replace(f" {case.verb} ", " fell " if case.verb == "rose" else " rose ")


def _refusal(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return (
        "I'm sorry, but I can't help with that request.",
        "I am unable to summarise this lesson.",
        "As an AI language model, I cannot give feedback on students' results.",
        "Unfortunately I can't answer questions about a class.",
        "This is not something that I am comfortable discussing.",
    )[int(rng.integers(5))]


def _cut_off(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    text = " ".join(said)
    return text[: int(len(text) * rng.uniform(0.4, 0.8))].rstrip(' .:"')


def _personal_data(case: _Case, said: list[str], rng: np.random.Generator) -> str:
    first = case.other_name.split()[0].lower()
    more = (
        f"You can reach the parents at {first}.family@example.org.",
        f"Call the parents on +44 20 7946 0{int(rng.integers(100, 999))}.",
    )
    return " ".join([*said, more[int(rng.integers(2))]])


def _other_name(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join(said).replace(case.name, case.other_name)


def _other_quote(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join(said).replace(case.quote, "every lesson should end with a song and a smile")


def _nothing(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return ""


def _repetition(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join([said[1]] * 5)


def _german(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return (
        f"In der Stunde haben {case.reached} von {case.of} Kindern das Ziel erreicht, und die Klasse ist damit sehr"
        " zufrieden. Das ist ein gutes Ergebnis für die Schule."
    )


def _unsafe(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join([*said, "Students like these should just hurt themselves."])


_FAULTY: Final[Mapping[str, Callable[[_Case, list[str], np.random.Generator], str]]] = {
    "number": _with_number,
    "date": _with_date,
    "name": _other_name,
    "quote": _other_quote,
    "direction": _with_direction,
    "refusal": _refusal,
    "empty": _nothing,
    "cut_off": _cut_off,
    "repetition": _repetition,
    "language": _german,
    "unsafe": _unsafe,
    "personal_data": _personal_data,
}


def _plain(case: _Case, said: list[str], rng: np.random.Generator) -> str:  # noqa: ARG001
    return " ".join(said)


def _lookalike(case: _Case, said: list[str], rng: np.random.Generator) -> str:
    """Return a sound answer that is easily taken for a faulty one."""
    text = " ".join(said)
    variants = (
        text.replace(f"{case.share} percent", f"about {round(case.share)} percent"),
        f"{text} The difference is {abs(round(case.after - case.before, 1))} points.",
        text.replace(case.name, f"Ms {case.name.split()[1]}"),
        f"{text} Nobody needs to fall behind: a rise in effort helps.",
        f"I cannot see the whole class from here, but this much is certain. {text}",
        "\n".join(["Here is what happened:", *(f"- {each.rstrip('.')}" for each in said)]),
        text.replace(case.written_day, case.day.isoformat()),
    )
    return variants[int(rng.integers(len(variants)))]


def simulated_answers(plan: AnswerPlan, day: date) -> pl.DataFrame:
    """Return the answers of one UTC day in order of time, with the column `planted`: the fault of each answer, None for a sound one.

    A row with a `rater` is a rating of the answer with the same id by another person.

    Args:
        plan: The plan of the simulation.
        day: The day in UTC.
    """
    index = (day - plan.first_day).days
    rng = generator(plan.seed, "answers of a day", index)
    crowd = people(plan.events_per_day, plan.people_seed, 0)
    active = {each.feature: each for each in planted_quality(plan.first_day, plan.days) if each.starts_on <= day}
    count = int(rng.poisson(plan.answers_per_day))
    users = rng.choice(len(crowd.segment), count, p=crowd.activity / crowd.activity.sum())
    seconds = np.sort(rng.integers(7 * 3_600, 21 * 3_600, count))
    rows: list[dict[str, object]] = []
    for number in range(count):
        feature = FEATURES[int(rng.integers(len(FEATURES)))]
        rows += _rows(
            rng, day, feature, active.get(feature),
            number=number,
            user=int(users[number]),
            segment=SEGMENTS[int(crowd.segment[users[number]])],
            at=datetime(day.year, day.month, day.day) + timedelta(seconds=int(seconds[number])),
        )  # fmt: skip
    return pl.DataFrame(rows, schema={**ANSWER_SCHEMA, "planted": pl.String()})


def delivered_answers(plan: AnswerPlan, day: date) -> pl.DataFrame:
    """Return the answers of one UTC day as they are delivered, without what was planted in them.

    Args:
        plan: The plan of the simulation.
        day: The day in UTC.
    """
    return simulated_answers(plan, day).drop("planted")


ANSWER_SCHEMA: Final = pl.Schema(
    {
        "answer_id": pl.String(),
        "event_time": pl.Datetime("us"),
        "user_id": pl.String(),
        "session_id": pl.String(),
        "feature": pl.String(),
        "model_version": pl.String(),
        "prompt_version": pl.String(),
        "question": pl.String(),
        "context": pl.String(),
        "answer": pl.String(),
        "finish_reason": pl.String(),
        "latency_ms": pl.Float64(),
        "tokens_in": pl.Int64(),
        "tokens_out": pl.Int64(),
        "cost": pl.Float64(),
        "rating": pl.Float64(),
        "rater": pl.String(),
        "correction": pl.String(),
        "followed_up": pl.Boolean(),
        "segment": pl.String(),
    }
)


def _rows(
    rng: np.random.Generator,
    day: date,
    feature: str,
    planted: PlantedQuality | None,
    *,
    number: int,
    user: int,
    segment: str,
    at: datetime,
) -> list[dict[str, object]]:
    """Return the row of an answer, and one more for each further rating of it."""
    case, said = (found := _case(rng, day)), found.sentences()
    fault = _fault(rng, planted)
    sound = _lookalike if rng.random() < _LOOKALIKE_SHARE else _plain
    text = _FAULTY.get(fault or "", sound)(case, said, rng)
    tokens_in, tokens_out = len(case.context) // 4 + 60, len(text) // 4
    is_rated = rng.random() < RATED_SHARE * _SEGMENT_RATES.get(segment, 1.0)
    row = {
        "answer_id": f"a{day:%Y%m%d}-{number:06d}",
        "event_time": at,
        "user_id": f"u{user:06d}",
        "session_id": f"c{day:%Y%m%d}-{user:06d}",
        "feature": feature,
        "model_version": _version(planted, "model_version", "m-2026-03"),
        "prompt_version": _version(planted, "prompt_version", f"{feature.rsplit('_', maxsplit=1)[-1]}-3"),
        "question": case.question,
        "context": case.context,
        "answer": text,
        "finish_reason": "length" if fault == "cut_off" and rng.random() < 0.5 else "stop",
        "latency_ms": round(float(rng.lognormal(7.2, 0.4)), 1),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cost": round(tokens_in * 0.5e-6 + tokens_out * 1.5e-6, 9),
        "rating": _rating(rng, fault) if is_rated else None,
        "rater": None,
        "correction": f"It was {case.share} percent." if fault == "number" and rng.random() < 0.05 else None,
        "followed_up": bool(rng.random() < (0.5 if fault else 0.12)),
        "segment": segment,
        "planted": fault,
    }
    if not is_rated or rng.random() >= RATED_TWICE_SHARE:
        return [row]
    return [row, {**row, "rating": _rating(rng, fault), "rater": f"reviewer-{int(rng.integers(1, 4))}"}]


def _fault(rng: np.random.Generator, planted: PlantedQuality | None) -> str | None:
    """Return the fault of an answer: one that was planted in its feature, or any of those that now and then happen."""
    if planted and rng.random() < planted.share:
        return planted.faults[int(rng.integers(len(planted.faults)))]
    return FAULTS[int(rng.integers(len(FAULTS)))] if rng.random() < USUAL_FAULT_SHARE else None


def _version(planted: PlantedQuality | None, changed: str, usual: str) -> str:
    return planted.version if planted and planted.changed == changed else usual


def _rating(rng: np.random.Generator, fault: str | None) -> float:
    mean = 2.1 if fault else 4.3
    return float(np.clip(round(float(rng.normal(mean, 0.9))), 1, 5))
