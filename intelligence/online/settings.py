"""The section `online` of product.yaml: windows, limits of memory, and the rules that stand above every score."""

from collections import Counter
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from intelligence.core.sections import Section
from intelligence.decisions.entity import Answer

CounterName = Literal["events", "errors", "crashes", "value"]
COUNTERS: Final[tuple[CounterName, ...]] = ("events", "errors", "crashes", "value")
MINUTES_PER_HOUR: Final = 60
OutcomeKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
# Each kind is a label of a metric.
_MOST_KINDS: Final = 20


def window_label(minutes: int) -> str:
    """Return the short name of a window, in hours from one hour on.

    >>> window_label(5), window_label(60), window_label(1440)
    ('5m', '1h', '24h')
    """
    return f"{minutes}m" if minutes < MINUTES_PER_HOUR else f"{minutes // MINUTES_PER_HOUR}h"


class OnlineRule(Section):
    """A rule above the score: a list of entities, a limit on a window (velocity), or a limit on the value of one event.

    Attributes:
        name: Its name in every decision that it led to.
        answer: The answer for those to whom it applies; `allow` is possible for lists only and goes before all other rules.
        entities: Ids of users to whom it applies; empty for a rule with a limit.
        counter: The counter of the window that must not exceed `above`.
        minutes: The window of the counter, one of `windows_minutes`.
        above: The limit of the counter; the rule applies from the first value above it.
        value_above: The limit of the value of a single event.
        per_minute: How many events per minute a throttled entity keeps; only with the answer `throttle`.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    answer: Answer
    entities: frozenset[str] = frozenset()
    counter: CounterName | None = None
    minutes: int | None = Field(None, ge=1)
    above: float | None = None
    value_above: float | None = None
    per_minute: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _has_one_condition(self) -> "OnlineRule":
        window = [each is not None for each in (self.counter, self.minutes, self.above)]
        if any(window) and not all(window):
            raise ValueError(f"`{self.name}` limits a window: it needs `counter`, `minutes` and `above`")
        if [bool(self.entities), all(window), self.value_above is not None].count(True) != 1:
            raise ValueError(
                f"`{self.name}` needs exactly one condition: `entities`, or `counter` with `minutes` and `above`,"
                " or `value_above`"
            )
        if self.answer == "allow" and not self.entities:
            raise ValueError(f"`{self.name}` allows by a limit; only a list of `entities` can allow")
        if (self.answer == "throttle") != (self.per_minute is not None):
            raise ValueError(f"`{self.name}`: `per_minute` belongs to the answer `throttle`, and only to it")
        return self

    @cached_property
    def predictor(self) -> str:
        """Return the name of the window's figure that the rule limits; empty where it limits none."""
        return f"{self.counter}_{window_label(self.minutes)}" if self.counter and self.minutes else ""


class Guard(Section):
    """When the guard of the stream takes a new release for a bad one; see docs/online.md.

    Attributes:
        short_minutes: Length of the window that shows whether the trouble is there now.
        long_minutes: Length of the window that shows whether it is more than a moment.
        burn: How many times as many events as promised must fail, in both windows.
        confidence: How sure it must be, in the long window, that the promise is broken, and that the older releases fail less at
            the same time.
        least_users: Least number of users of the release, and of the older ones, in the long window.
        every_s: How often the windows are looked at, in seconds of the stream.
        warming_minutes: How long the stream must have been read before anything is judged.
        most_behind_minutes: How old the newest event may be; an older one means a lag, silence or a clock that is wrong.
        least_volume: Least share of the usual number of users that the last minutes must have.
        most_out_of_time: Greatest share of users a minute whose events come too late or bear a time that lies ahead.
    """

    short_minutes: int = Field(5, ge=1, le=60)
    long_minutes: int = Field(60, ge=1, le=60)
    burn: float = Field(5, ge=1)
    confidence: float = Field(0.999, ge=0, le=1)
    least_users: int = Field(20, ge=1)
    every_s: float = Field(15, gt=0)
    warming_minutes: int = Field(15, ge=1)
    most_behind_minutes: float = Field(5, gt=0)
    least_volume: float = Field(0.6, ge=0, le=1)
    most_out_of_time: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _windows_differ(self) -> "Guard":
        if self.short_minutes > self.long_minutes:
            raise ValueError(
                f"has short_minutes of {self.short_minutes}, more than long_minutes of {self.long_minutes}"
            )
        return self


class Outcomes(Section):
    """What may become true of a decision later; see docs/online.md.

    Attributes:
        topics: Topics from which outcomes are read.
        harmful: Kinds of outcomes that make an event harmful.
        harmless: All other kinds.
        days: How many days an event may take to turn out harmful, from 1 to 365; before, nothing is learned from it.
    """

    topics: tuple[str, ...] = ()
    harmful: tuple[OutcomeKind, ...] = ("chargeback", "complaint", "abuse")
    harmless: tuple[OutcomeKind, ...] = ("recovered", "false_alarm")
    days: int = Field(7, ge=1, le=365)

    @model_validator(mode="after")
    def _kinds_differ(self) -> "Outcomes":
        repeated = [name for name, times in Counter(self.all).items() if times > 1]
        if repeated:
            raise ValueError(f"names the kind `{repeated[0]}` more than once")
        if len(self.all) > _MOST_KINDS:
            raise ValueError(f"names {len(self.all)} kinds of outcomes, more than {_MOST_KINDS}")
        return self

    @property
    def all(self) -> tuple[str, ...]:
        """Return all kinds."""
        return (*self.harmful, *self.harmless)


class Online(Section):
    """How the stream is read and decided on; see docs/online.md.

    Attributes:
        windows_minutes: Lengths of the windows, ascending: up to an hour in minutes, beyond it in whole hours.
        lateness_minutes: How late an event may come after newer ones of its partition and still count in windows.
        most_entities: Greatest number of entities whose windows are kept; the one not seen for longest is evicted.
        most_series: The same for feature × release × platform.
        remembered_hours: How long decisions are kept, and with them the ids by which repeated events are recognised.
        batch_events: Greatest number of events that are read, decided and committed at once.
        snapshot_events: Number of events after which the windows are stored; fewer are replayed after a crash.
        file_events: Number of events after which a file for the lake is cut.
        file_seconds: Greatest age of events that wait for such a file.
        throttled_per_minute: How many events per minute an entity keeps that its score throttles.
        requests_per_second: How many events and questions a caller of the decision API may send a second through a proxy.
        rules: The rules above the score.
        guard: When a new release counts as bad.
        outcomes: What may become true of a decision later.
        ppo: Whether a policy that is learned by PPO competes in `intelligence online learn`; it needs the extra `rl`.
    """

    windows_minutes: tuple[int, ...] = (1, 5, 60, 1440)
    lateness_minutes: int = Field(10, ge=0, le=1440)
    most_entities: int = Field(100_000, ge=1)
    most_series: int = Field(2_000, ge=1)
    remembered_hours: int = Field(48, ge=1)
    batch_events: int = Field(10_000, ge=1, le=100_000)
    snapshot_events: int = Field(100_000, ge=1)
    file_events: int = Field(50_000, ge=1)
    file_seconds: float = Field(10, gt=0)
    throttled_per_minute: float = Field(30, gt=0)
    requests_per_second: float = Field(1_000, gt=0, le=1_000_000)
    rules: tuple[OnlineRule, ...] = ()
    guard: Guard = Guard()
    outcomes: Outcomes = Outcomes()
    ppo: bool = False

    @model_validator(mode="after")
    def _windows_are_in_order(self) -> "Online":
        windows = self.windows_minutes
        if not windows or windows[0] < 1 or list(windows) != sorted(set(windows)):
            raise ValueError(
                f"has windows_minutes {list(windows)}: write different lengths from 1 up, the shortest first"
            )
        odd = [each for each in windows if each > MINUTES_PER_HOUR and each % MINUTES_PER_HOUR]
        if odd or windows[-1] > 7 * 24 * MINUTES_PER_HOUR:
            raise ValueError(
                f"has a window of {(odd or windows[-1:])[0]} minutes: beyond an hour whole hours up to a week are counted"
            )
        return self

    @model_validator(mode="after")
    def _rules_can_be_told_apart(self) -> "Online":
        repeated = [name for name, times in Counter(rule.name for rule in self.rules).items() if times > 1]
        if repeated:
            raise ValueError(f"has the rule `{repeated[0]}` more than once")
        for rule in self.rules:
            if rule.minutes is not None and rule.minutes not in self.windows_minutes:
                raise ValueError(
                    f"has the rule `{rule.name}` on {rule.minutes} minutes; `windows_minutes` has"
                    f" {', '.join(map(str, self.windows_minutes))}"
                )
        return self

    @property
    def short_windows(self) -> tuple[int, ...]:
        """Return the windows that are counted by the minute."""
        return tuple(each for each in self.windows_minutes if each <= MINUTES_PER_HOUR)

    @property
    def long_windows(self) -> tuple[int, ...]:
        """Return the windows that are counted by the hour, in hours."""
        return tuple(each // MINUTES_PER_HOUR for each in self.windows_minutes if each > MINUTES_PER_HOUR)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Return the names of the windows' figures, in the order of the columns that `EntityWindows.counted` returns.

        >>> Online(windows_minutes=(1, 1440)).predictors[3:6]
        ('value_1m', 'events_24h', 'errors_24h')
        """
        labels = [window_label(each) for each in self.windows_minutes]
        return (*(f"{counter}_{label}" for label in labels for counter in COUNTERS), "since_last_s")
