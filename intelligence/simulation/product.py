"""The simulated product: its features, and the releases of its apps."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from intelligence.simulation.draws import Bools, Floats, Ints, generator
from intelligence.simulation.plan import DAYS_PER_CYCLE

PLATFORMS: Final = ("web", "ios", "android")
PLATFORM_SHARES: Final = (0.42, 0.26, 0.32)
RELEASES_PER_CYCLE: Final = 6
ADOPTION_DAYS: Final = 3.0
NEW_FEATURE_SHARE: Final = 0.1

_ANSWERS: Final = ("tutor_answer", "tutor_hint", "essay_feedback", "lesson_summary")
_TEACHER_AREAS: Final = (
    *("gradebook", "attendance", "roster", "rubric", "curriculum", "assignment", "classroom", "worksheet"),
    *("exam", "question_bank", "seating_plan", "report_card", "parent_message", "timetable", "announcement"),
)
_STUDENT_AREAS: Final = (
    *("quiz", "homework", "flashcards", "reading", "lesson", "exercise", "notebook", "video", "glossary", "essay"),
    *("whiteboard", "practice", "forum", "chat", "study_group", "calendar", "planner", "badge", "leaderboard"),
    *("streak", "library", "spelling", "grammar", "vocabulary", "math_editor", "code_lab", "lab_report", "podcast"),
    *("portfolio", "project"),
)
_CAPABILITIES: Final = (
    *("autosave", "export", "search", "import", "preview", "sharing", "reminders", "comments", "history"),
    *("templates", "upload", "download", "filters", "sync", "offline_mode", "dark_mode", "bookmarks", "tags"),
    *("notifications", "analytics", "print", "translation", "dictation", "read_aloud", "versioning", "permissions"),
    *("duplication", "archive", "scoring", "timer", "progress", "recommendations", "attachments", "review", "drafts"),
    *("scheduling", "editor", "statistics", "shortcuts", "onboarding", "widgets", "insights", "backup", "checklist"),
    "highlights",
)


def simulated_feature_names(count: int) -> tuple[str, ...]:
    """Return `count` distinct snake_case names of features; a larger count only appends names.

    >>> simulated_feature_names(6)
    ('tutor_answer', 'tutor_hint', 'essay_feedback', 'lesson_summary', 'quiz_autosave', 'homework_export')
    >>> len(set(simulated_feature_names(5_000)))
    5000
    """
    areas = (*_STUDENT_AREAS, *_TEACHER_AREAS)
    pairs = len(areas) * len(_CAPABILITIES)

    def name(index: int) -> str:
        edition, pair = divmod(index, pairs)
        block, area = divmod(pair, len(areas))
        stem = f"{areas[area]}_{_CAPABILITIES[(area + block) % len(_CAPABILITIES)]}"
        return f"{stem}_{edition + 1}" if edition else stem

    return (*_ANSWERS, *(name(index) for index in range(count - len(_ANSWERS))))[:count]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The features in the order of `names`; each array has one element per feature.

    Attributes:
        names: The features' names.
        answers: Whether a language model writes the feature's content.
        student_weight: Weight of the feature's use by students.
        teacher_weight: Weight of the feature's use by teachers.
        introduced: Index of the first day on which the feature exists.
        median_latency_ms: Median latency in ms.
        error_rate: Probability that an event fails, crashes included.
        crash_share: Probability that a failed event crashes.
        completion_rate: Probability that an event is a completion.
        mean_rating: Mean rating, in stars.
    """

    names: tuple[str, ...]
    answers: Bools
    student_weight: Floats
    teacher_weight: Floats
    introduced: Ints
    median_latency_ms: Floats
    error_rate: Floats
    crash_share: Floats
    completion_rate: Floats
    mean_rating: Floats

    def weights(self, index: int) -> tuple[Floats, Floats]:
        """Return the shares of the features in the use by students and by teachers on the day `index`, each summing to 1."""
        present = np.where(self.introduced == 0, 1.0, np.clip((index - self.introduced + 1) / 10, 0, 1))
        student, teacher = self.student_weight * present, self.teacher_weight * present
        return student / student.sum(), teacher / teacher.sum()

    def popularity(self, index: int) -> Floats:
        """Return the shares of the features in the use by all users on the day `index`."""
        student, teacher = self.weights(index)
        return student * 0.85 + teacher * 0.15


@lru_cache(maxsize=16)
def catalogue(features: int, seed: int) -> Catalogue:
    """Return the features of a product; a feature does not depend on how many there are.

    Args:
        features: Number of features.
        seed: Seed of the plan.
    """

    def uniform(subject: str) -> Floats:
        return generator(seed, f"feature {subject}").random(features)

    names = simulated_feature_names(features)
    taught = np.array([name.startswith(_TEACHER_AREAS) for name in names])
    popularity = (0.012 + uniform("popularity")) ** -0.8
    lean = 0.8 + 0.4 * uniform("segment affinity")
    veteran = np.arange(features) < len(_ANSWERS)
    is_new = (uniform("novelty") < NEW_FEATURE_SHARE) & ~veteran
    error_rate = 0.001 + 0.003 * uniform("error rate")
    latency = 220 * np.exp(0.5 * generator(seed, "feature latency").standard_normal(features))
    return Catalogue(
        names=names,
        answers=np.array([name in _ANSWERS for name in names]),
        student_weight=popularity * np.where(taught, 0.5, lean),
        teacher_weight=popularity * np.where(taught, 2.5, 2 - lean),
        introduced=np.where(is_new, 5 + np.floor(70 * uniform("introduction")), 0).astype(np.int64),
        median_latency_ms=np.clip(latency, 80, 600),
        error_rate=error_rate,
        crash_share=0.0005 / error_rate,
        completion_rate=0.16 * (0.7 + 0.6 * uniform("completion")),
        mean_rating=3.9 + 0.6 * uniform("rating"),
    )


def releases(seed: int, cycle: int) -> Ints:
    """Return the day index of each release in a cycle: one row per platform, one column per release.

    A platform has a release about every 15 days. One platform, the same in every cycle, has its last release of a cycle
    late enough to affect the cycle's last days.

    Args:
        seed: Seed of the plan.
        cycle: Number of the cycle; -1 is the one before the plan's first day.
    """
    phase = generator(seed, "release phase").permutation([0, 5, 9])
    jitter = generator(seed, "release jitter", cycle + 1).integers(1, 4, size=(len(PLATFORMS), RELEASES_PER_CYCLE))
    start = cycle * DAYS_PER_CYCLE
    return np.asarray(start + phase[:, None] + 15 * np.arange(RELEASES_PER_CYCLE) + jitter, dtype=np.int64)


def adoption(days_since_release: int | Ints) -> Floats:
    """Return the share of users on a release: 28 % on its first day, 90 % after a week.

    >>> adoption(np.array([0, 6])).round(2).tolist()
    [0.28, 0.9]
    """
    return np.asarray(1 - np.exp(-(np.asarray(days_since_release) + 1) / ADOPTION_DAYS), dtype=np.float64)


@lru_cache(maxsize=256)
def current_releases(seed: int, index: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return for each platform its three newest releases on a day, newest first, as (number, index of the release's day).

    Args:
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
    """
    cycle = index // DAYS_PER_CYCLE
    days = np.concatenate([releases(seed, cycle - 1), releases(seed, cycle)], axis=1)
    first_number = cycle * RELEASES_PER_CYCLE
    return tuple(
        tuple((first_number + int(k), int(row[k])) for k in np.flatnonzero(row <= index)[::-1][:3]) for row in days
    )
