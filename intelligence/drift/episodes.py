"""From verdicts to what has to be done: episodes of drift, the one retraining of each, and what people are told."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.drift.settings import Drift

DAYS_PER_WEEK: Final = 7
FRESH_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of days on which something that matters had moved; `key` stays the same while it lasts.

    `champion` is who was champion on its last day: the one on whose watch it began, or one that was trained for it.
    """

    model: str
    model_version: int
    champion: int
    first_day: date
    last_day: date
    ripe_day: date | None
    reason: str
    is_over: bool

    @property
    def key(self) -> str:
        """Return what tells this episode from every other."""
        return f"drift of {self.model} version {self.model_version} since {self.first_day}"


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that drift asks for, once for its episode."""

    model: str
    key: str
    cause: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing is trained now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Training:
    """A training that was judged: as of which day, and the gate's decision with its reason."""

    as_of: date
    challenger: int
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told once: `key` is its identity, `episode` the thread that it belongs to."""

    key: str
    episode: str
    title: str
    text: str
    has_page: bool = True


def episodes(watch: pl.DataFrame, trainings: Sequence[Training], *, rules: Drift) -> list[Episode]:
    """Return the episodes in one model's verdicts, oldest first.

    `watch` has a row per day: event_date, model, model_version, state, that_matter, reason. An episode begins on a day on
    which something that matters has moved, and is ripe once `consecutive_days` in a row have found it. It ends after as
    many steady verdicts, or with the champion; but one that was trained for it has seen too little of the new world to
    find it ordinary, and goes on with it. Suspended and unknown days neither count nor end it.
    """
    found: list[Episode] = []
    run = steady = 0
    for row in watch.sort("event_date", "model_version").iter_rows(named=True):
        if found and found[-1].champion != row["model_version"]:
            found[-1], run = _under(row["model_version"], found[-1], trainings), 0
        if row["state"] == "moved" and row["that_matter"]:
            run, steady = run + 1, 0
            if not found or found[-1].is_over:
                day, version = row["event_date"], row["model_version"]
                found.append(Episode(row["model"], version, version, day, day, None, row["reason"], is_over=False))
            last = found[-1]
            ripe = last.ripe_day or (row["event_date"] if run >= rules.consecutive_days else None)
            found[-1] = replace(last, last_day=row["event_date"], ripe_day=ripe, reason=row["reason"])
        elif row["state"] in ("steady", "moved"):
            run, steady = 0, steady + 1
            if found and steady >= rules.consecutive_days:
                found[-1] = replace(found[-1], is_over=True)
    return found


def _under(champion: int, episode: Episode, trainings: Sequence[Training]) -> Episode:
    """Return the episode on the first day of another champion: it goes on where that one was trained for it."""
    trained_for_it = not episode.is_over and champion in {each.challenger for each in _since_ripe(episode, trainings)}
    return replace(episode, champion=champion) if trained_for_it else replace(episode, is_over=True)


def _since_ripe(episode: Episode, trainings: Sequence[Training]) -> list[Training]:
    return [each for each in trainings if episode.ripe_day and each.as_of >= episode.ripe_day]


def retraining(
    watch: pl.DataFrame,
    trainings: Sequence[Training],
    *,
    champion: int | None,
    newest_label: date | None,
    trained_through: date | None,
    rules: Drift,
) -> Retraining | Waiting:
    """Return the training that drift asks for now, or why there is none.

    Everything is read from what is stored, so that a lost cursor, a repeated tick or a killed process asks for the same
    training and for no second one: an episode whose ripeness a training has seen is settled, whatever the gate said of it.
    """
    if watch.is_empty() or champion is None:
        return Waiting("No champion is watched yet.")
    newest_day = watch["event_date"].max()
    assert isinstance(newest_day, date)
    standing = [
        each for each in episodes(watch, trainings, rules=rules) if not each.is_over and each.champion == champion
    ]
    if not standing:
        return Waiting("The world looks as it did in training.")
    episode = standing[-1]
    new_days = (newest_label - trained_through).days if newest_label and trained_through else 0
    reason = _settled(episode, trainings, rules) or _too_soon(trainings, newest_day, new_days, rules)
    if reason:
        return Waiting(reason)
    return Retraining(episode.model, episode.key, f"drift since {episode.first_day}. {episode.reason}")


def _settled(episode: Episode, trainings: Sequence[Training], rules: Drift) -> str | None:
    if episode.ripe_day is None:
        return f"Something has moved since {episode.first_day}, on fewer than {rules.consecutive_days} days in a row."
    since = _since_ripe(episode, trainings)
    return f"This episode was trained for as of {since[-1].as_of}: {since[-1].decision}." if since else None


def _too_soon(trainings: Sequence[Training], newest_day: date, new_days: int, rules: Drift) -> str | None:
    ages = [(newest_day - each.as_of).days for each in trainings]
    if ages and min(ages) < rules.cooldown_days:
        return f"The last training is {min(ages)} days old; at least {rules.cooldown_days} lie between two."
    if sum(age < DAYS_PER_WEEK for age in ages) >= rules.retrains_per_week:
        return f"No more than {rules.retrains_per_week} trainings a week."
    if new_days < rules.new_label_days:
        return f"The outcome of {max(new_days, 0)} days is known that the champion did not see; {rules.new_label_days} are asked for."
    return None


def notices(
    watch: pl.DataFrame, trainings: Sequence[Training], *, rules: Drift, faulty: Collection[date] = ()
) -> list[Notice]:
    """Return what has to be told of the newest days: each episode once, what its training came to, each stretch of faults.

    Of verdicts that are suspended for the telemetry of the days `faulty` people are told as of these days themselves.
    The same verdicts give the same notices, whose keys say what was told already.
    """
    if watch.is_empty():
        return []
    newest_day = watch["event_date"].max()
    assert isinstance(newest_day, date)
    oldest = newest_day - timedelta(days=FRESH_DAYS)
    told = []
    for episode in episodes(watch, trainings, rules=rules):
        if episode.last_day < oldest:
            continue
        title = f"{_named(episode.model)}: the world has moved since {episode.first_day}"
        told.append(Notice(f"{episode.key}: seen", episode.key, title, episode.reason))
        told += [_outcome(episode, each) for each in _since_ripe(episode, trainings)][:1]
    return told + _faults(watch, oldest, faulty)


def _outcome(episode: Episode, training: Training) -> Notice:
    result = {
        "promote": "retrained, and the gate lets the new version take its place",
        "hold": "retrained, and the champion stays",
        "reject": "retrained, and the new version was rejected",
    }.get(training.decision, "retrained, without enough evidence to judge")
    title = f"{_named(episode.model)}: {result}"
    return Notice(f"{episode.key}: trained", episode.key, title, training.reason)


def _faults(watch: pl.DataFrame, oldest: date, faulty: Collection[date]) -> list[Notice]:
    """Return one notice for each stretch of suspended days; its first reason stands for all, and for every model."""
    told: dict[str, Notice] = {}
    key, first_reason = "", None
    for row in watch.sort("event_date", "model_version").iter_rows(named=True):
        if row["state"] != "suspended":
            first_reason = None
            continue
        if first_reason is None:
            key, first_reason = f"telemetry at fault since {row['event_date']}", row["reason"]
        week = {row["event_date"] - timedelta(days=back) for back in range(DAYS_PER_WEEK)}
        if row["event_date"] >= oldest and not week & {*faulty}:
            title = "Telemetry is not whole: nothing is judged, trained or decided"
            told[key] = Notice(key, key, title, first_reason, has_page=False)
    return list(told.values())


def _named(model: str) -> str:
    return model.replace("_", " ").capitalize()
