"""The guard on made streams: no finding over days without a bad release, and how soon it finds one.

The windows are fed without a broker and without a store; what is asked is the guard's own function, every 15 s of the stream. A finding
is the most that can be acted on: the policy may still do less. Features fail at different rates, some nearly as often as they may;
users are of very different activity; releases come and spread all day; one client retries a failing call without end, and each hour a
feature fails for everybody, whatever the release, as when a server is down.
"""

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from intelligence.online.events import StreamEvent
from intelligence.online.guard import Finding, Promise, Pulse, findings, stream_fault
from intelligence.online.settings import Online
from intelligence.online.windows import MINUTE_MS, FeatureWindows

FEATURES, PLATFORMS, USERS = 20, ("ios", "android", "web"), 4_000
PER_MINUTE = 300
PROMISES = {f"feature_{number}": Promise(0.02, 0.01) for number in range(FEATURES)}
# A release comes to a platform every four hours and spreads to all its users within two.
EVERY, SPREADS = 240, 120
LOOK_MS = 15_000
WANTED_MINUTES = 2.0
# The stream with a bad release is busy enough for twenty users of a feature on a release and a platform within a minute.
BUSY, BAD_AT, _BAD, SHARES = 2_500, 40, 2, (0.15, 0.3, 0.6)


@dataclass
class World:
    """A product's stream, made minute by minute."""

    seed: int
    per_minute: int = PER_MINUTE
    bad_at: int | None = None
    bad_share: float = 0.0

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)
        self.rates = self.draw.uniform(0.001, 0.018, FEATURES)
        weights = self.draw.pareto(1.2, USERS) + 0.1
        self.weights = weights / weights.sum()
        self.platform = self.draw.integers(0, len(PLATFORMS), USERS)
        self.turn = self.draw.random(USERS)
        self.first_seen = {}
        self.first_bad: int | None = None

    def release(self, user: int, minute: int) -> int:
        """Return the number of the release that a user has; a bad one comes to half of the users of its platform at once."""
        if self.bad_at is not None and self.platform[user] == 0:
            return 1 + (minute >= self.bad_at and self.turn[user] < 0.5)
        number, since = divmod(minute + int(self.platform[user]) * 80, EVERY)
        return number if self.turn[user] < since / SPREADS else number - 1

    def minute(self, minute: int) -> list[StreamEvent]:
        """Return the events of a minute in order."""
        day = 1.0 if self.bad_at is not None else 0.6 - 0.4 * np.cos(2 * np.pi * minute / 1440)
        number = int(self.draw.poisson(self.per_minute * day))
        users = self.draw.choice(USERS, number, p=self.weights)
        features = self.draw.integers(0, FEATURES, number)
        at = np.sort(self.draw.integers(0, MINUTE_MS, number)) + minute * MINUTE_MS
        chance, found = self.draw.random(number), []
        outage = (minute // 60) % FEATURES if minute % 60 < 3 else -1
        for place in range(number):
            user, feature = int(users[place]), int(features[place])
            release, rate = self.release(user, minute), self.rates[feature]
            if feature == outage:
                rate = 0.5
            if self.bad_at is not None and feature == 0 and self.platform[user] == 0 and release == _BAD:
                rate = self.bad_share
            found.append(self._event(at[place], user, feature, release, bool(chance[place] < rate)))
        # One client without end: on the newest release, failing.
        found += [self._event(minute * MINUTE_MS + 59_000, 0, 1, self.release(0, minute), True) for _ in range(60)]
        return found

    def _event(self, at_ms: int, user: int, feature: int, release: int, fails: bool) -> StreamEvent:
        platform = PLATFORMS[int(self.platform[user])]
        name, minute = f"{release}.0", int(at_ms) // MINUTE_MS
        self.first_seen.setdefault((platform, name), minute)
        if fails and self.bad_at is not None and feature == 0 and platform == "ios" and release == _BAD:
            self.first_bad = int(at_ms) if self.first_bad is None else self.first_bad
        return StreamEvent("", int(at_ms), f"u{user}", f"feature_{feature}", platform, name, fails, False, None, None)


def watched(world: World, minutes: int) -> tuple[list[tuple[int, Finding]], int]:
    """Return the findings over a stream with their times, and the number of minutes in which the guard was suspended."""
    online, pulse = Online(), dict[int, Pulse]()
    windows, looked, found, suspended = FeatureWindows(online), 0, [], set()
    for minute in range(1, minutes):
        events = world.minute(minute)
        pulse[minute] = Pulse(len({each.entity for each in events}), len(events), 0)
        pulse.pop(minute - 120, None)
        start = 0
        for quarter in range(1, 5):
            end = next(
                (n for n in range(start, len(events)) if events[n].at_ms >= minute * MINUTE_MS + quarter * LOOK_MS),
                len(events),
            )
            windows.count(events[start:end])
            start, looked = end, looked + 1
            if stream_fault(pulse, minute=minute, now_ms=None, settings=online.guard):
                suspended.add(minute)
                continue
            seen = findings(
                windows, minute=minute, first_seen=world.first_seen, promises=PROMISES, oldest_days=14, least_harmed=5,
                settings=online.guard,
            )  # fmt: skip
            found += [(minute * MINUTE_MS + quarter * LOOK_MS, each) for each in seen]
    return found, len(suspended)


def main() -> int:
    """Measure, print, and return 1 where the demand is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    started, false = time.perf_counter(), 0
    for seed in range(given.seeds):
        found, suspended = watched(World(seed), given.hours * 60)
        false += len(found)
        words = ", ".join(f"{each.feature} {each.platform} {each.release}" for _, each in found[:3])
        print(
            f"seed {seed}: {given.hours} h without a bad release: {len(found)} findings {words}, {suspended} minutes suspended",
            flush=True,
        )
    late = 0
    for share in SHARES:
        took = []
        for seed in range(given.seeds):
            world = World(100 + seed, BUSY, bad_at=BAD_AT, bad_share=share)
            found, _ = watched(world, BAD_AT + 20)
            false += sum(
                (each.feature, each.platform, each.release) != ("feature_0", "ios", f"{_BAD}.0") for _, each in found
            )
            took.append((found[0][0] - world.first_bad) / MINUTE_MS if found and world.first_bad else float("inf"))
        late += sum(each > WANTED_MINUTES for each in took) if share == max(SHARES) else 0
        times = ", ".join(f"{each:.1f}" for each in sorted(took))
        print(
            f"half of a platform gets a release of which {share:.0%} of the events of a feature fail: found after {times} minutes",
            flush=True,
        )
    print(f"{time.perf_counter() - started:.0f} s")
    print(f"Demand: no finding without a bad release: {'not met' if false else 'met'}")
    is_late = late > given.seeds / 10
    print(
        f"Demand: {max(SHARES):.0%} found within {WANTED_MINUTES:g} minutes of the first bad event in nine of ten streams:"
        f" {'not met' if is_late else 'met'}"
    )
    return 1 if false or is_late else 0


if __name__ == "__main__":
    sys.exit(main())
