"""Episodes of drift in a sequence of daily verdicts, the one retraining that each requests, and the notices about both."""

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
    """A period in which something that matters to a model has moved; its `key` does not change while it lasts.

    Attributes:
        model: Name of the model in the registry.
        model_version: Version of the champion when the episode began.
        champion: Version of the champion on the last day: `model_version`, or one that was trained because of the episode.
        first_day: First day on which something that matters had moved.
        last_day: Latest such day.
        ripe_day: Day on which enough consecutive days had moved to request a retraining; None before.
        reason: The reason of the verdict of the last day.
        is_over: Whether the episode has ended.
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
        """Return the identity of this episode, which no other has."""
        return f"drift of {self.model} version {self.model_version} since {self.first_day}"


@dataclass(frozen=True, slots=True)
class Retraining:
    """A training that drift requests: `key` is that of its episode, so that it is requested once; `cause` says why."""

    model: str
    key: str
    cause: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason why no training is requested now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Training:
    """A training that the gate has evaluated.

    Attributes:
        as_of: Last day of the telemetry that it was trained on.
        challenger: Version that it produced; 0 where none could be trained.
        decision: The gate's decision: promote, hold, reject or not_enough_evidence.
        reason: Why, in words.
    """

    as_of: date
    challenger: int
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message that people receive once.

    Attributes:
        key: Identity of the message; one whose key was sent already is not sent again.
        episode: Thread that the message belongs to.
        title: One line.
        text: The message itself.
        has_page: Whether a drift page shows more.
    """

    key: str
    episode: str
    title: str
    text: str
    has_page: bool = True


def episodes(watch: pl.DataFrame, trainings: Sequence[Training], *, rules: Drift) -> list[Episode]:
    """Return the episodes in one model's verdicts, oldest first.

    An episode begins on a day on which something that matters has moved, and is ripe after `consecutive_days` such days
    in a row. It ends after `consecutive_days` verdicts in a row without such a move, or with the next champion. A champion
    that was trained because of the episode continues it, since its training data contains few days after the change.
    Suspended and unknown days are ignored.

    Args:
        watch: One row per day and champion: event_date, model, model_version, state, that_matter, reason.
        trainings: Evaluated trainings of the model.
        rules: The section `drift` of product.yaml.
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
    """Return the episode on the first day of another champion: it continues if that one was trained because of it."""
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
    """Return the training that drift requests now, or why there is none.

    The result depends on stored rows only, so after a lost cursor, a repeated tick or a killed process the same training
    is requested and no second one. An episode needs no further training once one has used data up to the day on which it
    became ripe, whatever the gate decided.

    Args:
        watch: One row per day and champion: event_date, model, model_version, state, that_matter, reason.
        trainings: Evaluated trainings of the model.
        champion: Version of the present champion; None where there is none.
        newest_label: Last day whose outcome is known.
        trained_through: Last day whose outcome the champion has seen.
        rules: The section `drift` of product.yaml.
    """
    if watch.is_empty() or champion is None:
        return Waiting("No champion is watched yet.")
    newest_day = watch["event_date"].max()
    assert isinstance(newest_day, date)
    ongoing = [
        each for each in episodes(watch, trainings, rules=rules) if not each.is_over and each.champion == champion
    ]
    if not ongoing:
        return Waiting("The world looks as it did in training.")
    episode = ongoing[-1]
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
    """Return the notices for the newest days: one per episode, one for its training, one per period of faults.

    The same verdicts give notices with the same keys, so that none is sent twice.

    Args:
        watch: One row per day and champion: event_date, model, model_version, state, that_matter, reason.
        trainings: Evaluated trainings of the model.
        rules: The section `drift` of product.yaml.
        faulty: Days whose telemetry is faulty; `telemetry_notices` announces them, so suspended verdicts whose window
            contains one of them give no notice here.
    """
    if watch.is_empty():
        return []
    newest_day = watch["event_date"].max()
    assert isinstance(newest_day, date)
    oldest = newest_day - timedelta(days=FRESH_DAYS)
    found = []
    for episode in episodes(watch, trainings, rules=rules):
        if episode.last_day < oldest:
            continue
        title = f"{_named(episode.model)}: the world has moved since {episode.first_day}"
        found.append(Notice(f"{episode.key}: seen", episode.key, title, episode.reason))
        found += [_outcome(episode, each) for each in _since_ripe(episode, trainings)][:1]
    return found + _faults(watch, oldest, faulty)


def _outcome(episode: Episode, training: Training) -> Notice:
    result = {
        "promote": "retrained, and the gate lets the new version take its place",
        "hold": "retrained, and the champion stays",
        "reject": "retrained, and the new version was rejected",
    }.get(training.decision, "retrained, without enough evidence to judge")
    title = f"{_named(episode.model)}: {result}"
    return Notice(f"{episode.key}: trained", episode.key, title, training.reason)


def _faults(watch: pl.DataFrame, oldest: date, faulty: Collection[date]) -> list[Notice]:
    """Return one notice for each period of suspended days, with the reason of the first; its key is the same for all models."""
    found: dict[str, Notice] = {}
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
            found[key] = Notice(key, key, title, first_reason, has_page=False)
    return list(found.values())


def _named(model: str) -> str:
    return model.replace("_", " ").capitalize()
