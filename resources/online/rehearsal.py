"""A rehearsal of the stream on this machine: librdkafka's mock cluster as the broker, and a day of the simulated product.

Beside the day's own events it sends what streams carry: repeated messages, broken ones, and a user who sends far too many. A school
class uses three features all morning; then half of it gets a new release, on which one of these features fails.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from confluent_kafka import Producer

from intelligence.catalog.product import Product, Simulate, Source
from intelligence.core.errors import OnlineError
from intelligence.online.settings import OnlineRule
from intelligence.simulation.stream import simulated_day

TOPIC: Final = "rehearsal"
GREEDY: Final = "greedy_user"
# The producer waits for who reads: what it sends is not to be far ahead of what is decided.
MOST_AHEAD: Final = 500
NEW_RELEASE, _OLD_RELEASE, _PLATFORM = "9.1.0", "9.0.0", "ios"
# From 7:15 to 9:00 each pupil sends an event of each feature every 50 s; the release comes at 8:00 and fails every other time.
_PUPILS, _CLASS_MINUTES, _RELEASED_AFTER, _PUPIL_EVERY_S, _FAILS_EVERY = 50, 105, 45, 50, 2
_LESSONS: Final = 3
# Fast as the day goes by, a batch must not hold many of its minutes.
_TOGETHER: Final = 200
_REPEATED_EVERY, _BROKEN_EVERY, _GREEDY_EVENTS = 500, 1_000, 600
_GREEDY_EVERY: Final = timedelta(milliseconds=200)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    """A message to send.

    Attributes:
        at_ms: When, in ms since 1970 on the clock of the simulated day.
        key: Its key, the user.
        payload: Its content.
        feature: The feature that it is about, which its flag may hide; empty for what no flag hides.
    """

    at_ms: int
    key: str
    payload: bytes
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted: a release of which one feature fails.

    Attributes:
        feature: The feature that fails on the new release.
        sound: Features that the same people use on the same release, and that do not fail.
        released: When the release comes.
    """

    feature: str
    sound: tuple[str, ...]
    released: datetime


@contextmanager
def mock_brokers() -> Iterator[str]:
    """Start a Kafka broker of librdkafka inside this process, and yield its address."""
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 0})
    yield ",".join(f"{each.host}:{each.port}" for each in owner.list_topics(timeout=10).brokers.values())
    del owner


def rehearsed(product: Product) -> tuple[Product, Simulate]:
    """Return the product as it would be if its simulated events came through a topic, and what is simulated.

    A product without rules gets one, features without a flag get one each, and the policy may act by itself on any
    number of users, so that there is something to see.

    Args:
        product: The product.

    Raises:
        OnlineError: None of its sources is simulated.
    """
    simulated = next((source for source in product.sources if source.simulate), None)
    if simulated is None or simulated.simulate is None:
        raise OnlineError(
            product.name,
            "none of its sources is simulated, so that there is nothing to rehearse.",
            hint="Use --example small.",
        )
    source = Source(name=simulated.name, topics=(TOPIC,), timezone=simulated.timezone or product.timezone)
    rule = OnlineRule(name="too_fast", answer="throttle", counter="events", minutes=1, above=100, per_minute=30)
    online = product.online if product.online.rules else product.online.model_copy(update={"rules": (rule,)})
    decisions = product.decisions.at_level("auto")
    # Of few simulated users many use each feature: the usual limits would leave everything to a person.
    limits = decisions.limits.model_copy(update={"share_per_hour": 1.0, "share_per_day": 1.0})
    terms = product.feature_defaults
    changed = {
        "feature_defaults": terms if terms.flag_key else terms.model_copy(update={"flag_key": "{feature}"}),
        "sources": (source,),
        "aliases": (),
        "online": online.model_copy(update={"batch_events": min(online.batch_events, _TOGETHER)}),
        "decisions": decisions.model_copy(update={"limits": limits}),
    }
    return product.model_copy(update=changed), simulated.simulate


def planted(product: Product, simulate: Simulate) -> Planted:
    """Return what is planted on the first simulated day: in those of the most used features that may be touched without a person.

    Args:
        product: The product.
        simulate: What is simulated.

    Raises:
        OnlineError: Too few features may be touched without a person.
    """
    person = product.decisions.limits.person_from_tier
    used = simulated_day(simulate.plan(), simulate.first_day)["feature"].value_counts(sort=True)["feature"]
    free = [
        name
        for name in used
        if product.flag_of(name)
        and product.features.get(name, product.feature_defaults).tier > (-1 if person is None else person)
    ]
    if len(free) < _LESSONS:
        raise OnlineError(
            product.name,
            f"{len(free)} of its features have a flag and may be touched without a person; {_LESSONS} are needed.",
            hint="Simulate more features, or lower `decisions: limits: person_from_tier`.",
        )
    day, zone = simulate.first_day, ZoneInfo(product.timezone)
    begins = datetime(day.year, day.month, day.day, 7, 15, tzinfo=zone)
    return Planted(free[0], tuple(free[1:_LESSONS]), begins + timedelta(minutes=_RELEASED_AFTER))


def day_of_messages(simulate: Simulate, day: date, *, timezone: str, bad: Planted) -> Iterator[Sent]:
    """Yield the messages of a simulated day in the order of their times.

    Args:
        simulate: What is simulated.
        day: The day, one of those of the simulation.
        timezone: IANA name of the zone of the simulated times.
        bad: The release that is planted.
    """
    zone = ZoneInfo(timezone)
    own = (_event(row, zone) for row in simulated_day(simulate.plan(), day).iter_rows(named=True))
    morning = datetime(day.year, day.month, day.day, 9, tzinfo=zone)
    greedy = (_greedy(place, morning + place * _GREEDY_EVERY) for place in range(_GREEDY_EVENTS))
    for place, sent in enumerate(merge(own, greedy, _lessons(bad)), start=1):
        yield sent
        if place % _REPEATED_EVERY == 0:
            yield sent
        if place % _BROKEN_EVERY == 0:
            yield Sent(sent.at_ms, sent.key, sent.payload[: len(sent.payload) // 2])


def _lessons(bad: Planted) -> Iterator[Sent]:
    """Yield the events of the class; every other pupil has the new release once it is there."""
    begins = bad.released - timedelta(minutes=_RELEASED_AFTER)
    pause = _PUPIL_EVERY_S / (_PUPILS * _LESSONS)
    features = (bad.feature, *bad.sound)
    for place in range(int(_CLASS_MINUTES * 60 / pause)):
        at, (turn, feature) = begins + timedelta(seconds=place * pause), divmod(place, _LESSONS)
        pupil = turn % _PUPILS
        is_new = at >= bad.released and pupil % 2 == 0
        fails = is_new and feature == 0 and (turn // _PUPILS + pupil // 2) % _FAILS_EVERY == 0
        facts = {
            "event_id": f"lesson-{place}",
            "user_id": f"pupil_{pupil}",
            "feature": features[feature],
            "event_type": "use",
            "platform": _PLATFORM,
            "app_version": NEW_RELEASE if is_new else _OLD_RELEASE,
            "error_count": int(fails),
            "latency_ms": 200.0,
        }
        sent = _sent(facts, at)
        yield Sent(sent.at_ms, sent.key, sent.payload, features[feature])


def _event(row: Mapping[str, Any], zone: ZoneInfo) -> Sent:
    facts = {name: value for name, value in row.items() if value is not None}
    if "properties" in facts:
        facts["properties"] = msgspec.json.decode(facts["properties"])
    return _sent(facts, row["event_time"].replace(tzinfo=zone))


def _greedy(place: int, at: datetime) -> Sent:
    facts = {"event_id": f"greedy-{place}", "user_id": GREEDY, "feature": "homework_search", "event_type": "use"}
    return _sent(facts, at)


def _sent(facts: Mapping[str, Any], at: datetime) -> Sent:
    moment = at.astimezone(UTC)
    said = {**facts, "event_time": moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"}
    return Sent(int(moment.timestamp() * 1000), str(facts["user_id"]), _encoder.encode(said))


def send(
    messages: Iterator[Sent],
    *,
    brokers: str,
    speed: float,
    taken: Callable[[], int],
    is_stopped: Callable[[], bool],
    hides: Callable[[str], bool] = lambda _: False,
) -> int:
    """Send messages at the speed of their times, and return how many were sent.

    Args:
        messages: The messages, in the order of their times.
        brokers: Addresses of the brokers.
        speed: How many seconds of the messages' times pass in a second.
        taken: Returns how many messages were taken in already.
        is_stopped: Returns whether to stop.
        hides: Returns whether a feature is hidden by its flag, so that nobody can use it.
    """
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "log_level": 0})
    started, first, sent = time.monotonic(), 0, 0
    for message in messages:
        first = first or message.at_ms
        while not is_stopped() and (
            (message.at_ms - first) / 1000 / speed > time.monotonic() - started or sent - taken() > MOST_AHEAD
        ):
            producer.poll(0.01)
        if is_stopped():
            break
        if message.feature and hides(message.feature):
            continue
        producer.produce(TOPIC, message.payload, key=message.key, timestamp=message.at_ms)
        sent += 1
        producer.poll(0)
    producer.flush(10)
    return sent
