"""Trouble in nearly everything at once is a fault of measurement; what a feature or a release really does is not."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from intelligence.simulation.faults import CHANGES
from intelligence.simulation.stream import SimulationPlan, simulated_day
from intelligence.telemetry.measured import DayMeasured
from intelligence.telemetry.measurement import measurement_faults
from intelligence.telemetry.measurement_base import Fault
from tests.intelligence.telemetry.measured_product import LAST, day, measured, sound_days, used_again

Change = Callable[[pl.DataFrame], pl.DataFrame]
LAST_NIGHT = datetime(2026, 3, 2)
IOS = pl.col("platform") == "ios"
LATE = pl.col("event_time").dt.hour() >= 15
RATED = pl.col("rating").is_not_null()


@pytest.fixture(scope="module")
def before() -> dict[date, DayMeasured]:
    return sound_days()


@pytest.fixture(scope="module")
def today() -> pl.DataFrame:
    return day(0)


def faults(before: dict[date, DayMeasured], events: pl.DataFrame) -> tuple[Fault, ...]:
    return measurement_faults(LAST, {**before, **measured(events)}, sound=lambda *_: True)


def changed(condition: pl.Expr | bool, **values: object) -> Change:
    """Return the change of these columns where the condition holds."""
    where = pl.lit(condition) if isinstance(condition, bool) else condition
    found = {
        name: pl.when(where).then(value if isinstance(value, pl.Expr) else pl.lit(value)).otherwise(pl.col(name))
        for name, value in values.items()
    }
    return lambda events: events.with_columns(**found)


def main_release(events: pl.DataFrame) -> pl.Expr:
    platform, release, _ = events.group_by("platform", "app_version").len().sort("len", "platform").row(-1)
    return (pl.col("platform") == platform) & (pl.col("app_version") == release)


def main_feature(events: pl.DataFrame, rank: int = -1) -> pl.Expr:
    return pl.col("feature") == events.group_by("feature").len().sort("len", "feature").row(rank)[0]


def again(events: pl.DataFrame, **later: float) -> pl.DataFrame:
    return events.with_columns(
        event_id=pl.lit("x") + pl.col("event_id"), event_time=pl.col("event_time") + timedelta(**later)
    )


def in_main_release(**values: object) -> Change:
    return lambda events: changed(main_release(events), **values)(events)


LATENCY, DURATION = pl.col("latency_ms"), pl.col("duration_s")
ONE, NONE = pl.lit(1, dtype=pl.Int64), pl.lit(None, dtype=pl.Float64)
FAULTS: dict[str, tuple[str, Change]] = {
    "microseconds in one release": ("latency_ms", in_main_release(latency_ms=LATENCY * 1_000)),
    "seconds on one platform": ("latency_ms", changed(IOS, latency_ms=LATENCY / 1_000)),
    "microseconds everywhere": ("latency_ms", changed(True, latency_ms=LATENCY * 1_000)),
    "nanoseconds everywhere": ("latency_ms", changed(True, latency_ms=LATENCY * 1e6)),
    "microseconds from three o'clock on": ("latency_ms", changed(LATE, latency_ms=LATENCY * 1_000)),
    "minutes of duration": ("duration_s", changed(True, duration_s=DURATION / 60)),
    "cents of value": ("value", changed(True, value=pl.col("value") * 100)),
    "latency and duration changed places": ("latency_ms", changed(True, latency_ms=DURATION, duration_s=LATENCY)),
    "errors stuck at 1": ("error_count", changed(True, error_count=ONE)),
    "errors stuck on one platform": ("error_count", changed(IOS, error_count=ONE)),
    "errors stuck in one release": ("error_count", in_main_release(error_count=ONE)),
    "errors stuck from three o'clock on": ("error_count", changed(LATE, error_count=ONE)),
    "crashes stuck": ("crashed", changed(True, crashed=True)),
    "every rating 1": ("rating", changed(RATED, rating=1.0)),
    "every rating 5": ("rating", changed(RATED, rating=5.0)),
    "every rating 3": ("rating", changed(RATED, rating=3.0)),
    "every rating 1 on one platform": ("rating", changed(RATED & IOS, rating=1.0)),
    "ratings upside down": ("rating", changed(True, rating=6 - pl.col("rating"))),
    "latency cut at a cap": ("latency_ms", changed(True, latency_ms=LATENCY.clip(upper_bound=300))),
    "latency 0 in a third": ("latency_ms", changed(pl.col("event_id").hash(3) % 3 == 0, latency_ms=0.0)),
    "latency cut to whole numbers": ("latency_ms", changed(True, latency_ms=LATENCY.floor())),
    "no latency on one platform": ("latency_ms", changed(IOS, latency_ms=NONE)),
    "no errors in one release": ("error_count", in_main_release(error_count=pl.lit(None, dtype=pl.Int64))),
    "one platform for all": ("platform", changed(True, platform="unknown")),
    "one old release for all": ("app_version", changed(True, app_version="1.0.0")),
    "a silent platform": ("platform ios", lambda events: events.filter(~IOS)),
    "a silent region": ("region emea", lambda events: events.filter(pl.col("region") != "emea")),
    "yesterday again, added": ("repeated events", lambda events: pl.concat([events, again(day(1), days=1)])),
    "yesterday again, instead": ("repeated events", lambda _: again(day(1), days=1)),
    "half of yesterday again": (
        "repeated events",
        lambda events: pl.concat([events, again(day(1).filter(LATE), days=1)]),
    ),
    "the day before yesterday again": ("repeated events", lambda events: pl.concat([events, again(day(2), days=2)])),
    "everything sent twice": ("repeated events", lambda events: pl.concat([events, again(events, milliseconds=900)])),
    "one platform sent twice": (
        "repeated events",
        lambda events: pl.concat([events, again(events.filter(IOS), milliseconds=900)]),
    ),
    "one time for all": ("event_time", lambda events: events.with_columns(event_time=events["event_time"][100])),
    "one time for the late": (
        "event_time",
        lambda events: changed(LATE, event_time=pl.lit(events["event_time"][-100]))(events),
    ),
    "one user": ("user_id", changed(True, user_id="u")),
    "one user on one platform": ("user_id", changed(IOS, user_id="u")),
    "a user for each event": ("user_id", changed(True, user_id=pl.col("event_id"))),
    "one session": ("session_id", changed(True, session_id="s")),
    "a session for each event": ("session_id", changed(True, session_id=pl.col("event_id"))),
    "names mixed up": ("feature", lambda events: CHANGES["mixed_up_names"](events, events)),
    "all features renamed": ("feature", changed(True, feature=pl.lit("app/") + pl.col("feature"))),
    "every second event dropped": ("volume", lambda events: events.filter(pl.col("event_id").hash(1) % 2 == 0)),
    "every second event dropped on its way, by time": ("volume", lambda events: events.gather_every(2)),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_measurement_is_named(kind: str, before: dict[date, DayMeasured], today: pl.DataFrame) -> None:
    subject, change = FAULTS[kind]
    found = {fault.subject: fault for fault in faults(before, change(today))}
    assert subject in found, found
    assert (found[subject].column is None) == (
        (
            subject.split(" ")[0]
            in ("platform", "region", "repeated", "event_time", "user_id", "session_id", "feature")
            and subject != "platform"
        )
        or subject == "volume"
    )


def test_the_words_name_the_column_the_part_the_factor_and_the_features(
    before: dict[date, DayMeasured], today: pl.DataFrame
) -> None:
    (fault,) = faults(before, in_main_release(latency_ms=LATENCY * 1_000)(today))
    assert fault.words.startswith("latency_ms of release 3."), fault.words
    assert "is 1,000 times what it was, in 12 of 12 features: a change of unit?" in fault.words
    (fault,) = faults(before, changed(True, error_count=ONE)(today))
    assert "set in 100% of the events in 12 of 12 features" in fault.words
    assert "everything else is as always" in fault.words


def failing(rate: float, condition: pl.Expr) -> Change:
    def change(events: pl.DataFrame) -> pl.DataFrame:
        fails = (pl.col("event_id").hash(5) % 1_000 < rate * 1_000) & condition
        finished = pl.col("event_type").is_in(["complete", "subscribe"])
        found = changed(fails, error_count=pl.lit(2, dtype=pl.Int64))(events)
        return changed(fails & finished, event_type="use")(found)

    return change


HOUR = pl.col("event_time").dt.hour()
OUTAGES: dict[str, Change] = {
    "simulated": lambda events: CHANGES["outage"](events, events),
    "six hours": failing(0.95, HOUR.is_between(11, 16)),
    "three hours": failing(0.7, HOUR.is_between(13, 15)),
    "all day, a third": failing(0.3, pl.lit(value=True)),
    "all day, everything": failing(1.0, pl.lit(value=True)),
    "one platform": failing(0.8, IOS & (HOUR >= 12)),
    "one release, in all features": lambda events: failing(0.15, main_release(events))(events),
}


@pytest.mark.parametrize("kind", OUTAGES)
def test_failures_everywhere_are_an_outage_in_doubt_whatever_they_are(
    kind: str, before: dict[date, DayMeasured], today: pl.DataFrame
) -> None:
    found = {fault.subject: fault for fault in faults(before, OUTAGES[kind](today))}
    assert found["failures"].column is None
    assert "Either an outage or a fault of measurement, look now" in found["failures"].words


def test_an_outage_says_from_when_to_when_and_what_speaks_for_it(
    before: dict[date, DayMeasured], today: pl.DataFrame
) -> None:
    words = faults(before, OUTAGES["simulated"](today))[0].words
    assert "from 12:00 to 18:00 UTC" in words
    assert "for an outage speaks that" in words
    assert "fewer events came meanwhile" in words


def in_main_feature(**values: object) -> Change:
    return lambda events: changed(main_feature(events), **values)(events)


def retries_of_one_user(events: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        [
            events,
            *(
                again(events.head(1), seconds=n).with_columns(event_id=pl.lit(f"r{n}"), error_count=ONE)
                for n in range(250)
            ),
        ]
    )


def twice_the_users(events: pl.DataFrame) -> pl.DataFrame:
    others = again(events, microseconds=1).with_columns(
        pl.col("user_id") + "n",
        pl.col("session_id") + "n",
        LATENCY.shuffle(1),
        DURATION.shuffle(2),
    )
    return pl.concat([events, others])


def flood(count: int, *, everywhere: bool = False, users: int = 1, **values: object) -> Change:
    """Return the change by which a few clients send so many events more, of one feature or of all, with these values."""

    def change(events: pl.DataFrame) -> pl.DataFrame:
        drawn = events if everywhere else events.filter(main_feature(events, 3))
        number = pl.int_range(pl.len())
        sent = drawn.sample(count, with_replacement=True, seed=count).with_columns(
            event_id=pl.format("bot{}", number),
            user_id=pl.format("client{}", number % users),
            session_id=pl.format("visit{}", number % users),
            event_time=pl.col("event_time").dt.truncate("1d")
            + pl.duration(microseconds=number * (86_000_000_000 // count)),
        )
        return pl.concat([events, changed(True, **values)(sent)])

    return change


FLOODS: dict[str, Change] = {
    "3,000 failures of one client": flood(3_000, error_count=ONE),
    "3,000 failures of one client, all alike": flood(3_000, error_count=ONE, latency_ms=80.0, duration_s=1.0),
    "3,000 sound events of one client": flood(3_000),
    "3,000 sound events of one client on everything": flood(3_000, everywhere=True),
    "8,000 sound events of one client on everything": flood(8_000, everywhere=True),
    "3,000 events of one client on everything, all alike": flood(
        3_000, everywhere=True, latency_ms=80.0, duration_s=1.0
    ),
    "1,500 crashes of one client": flood(1_500, crashed=True, error_count=ONE),
    "400 failures of one client": flood(400, error_count=ONE),
    "3,000 failures of two clients": flood(3_000, users=2, error_count=ONE),
    "3,000 failures of three clients, all alike": flood(3_000, users=3, error_count=ONE, latency_ms=80.0),
    "3,000 failures of one client on everything": flood(3_000, everywhere=True, error_count=ONE),
    "600 failures of one client on everything": flood(600, everywhere=True, error_count=ONE),
}
SOUND: dict[str, Change] = {
    "nothing at all": lambda events: events,
    "one feature slower by a thousand": in_main_feature(latency_ms=LATENCY * 1_000),
    "one feature slower by twenty": in_main_feature(latency_ms=LATENCY * 20),
    "one feature fails wholly": in_main_feature(error_count=ONE),
    "one feature crashes wholly": in_main_feature(error_count=ONE, crashed=True),
    "one feature is rated 1": lambda events: changed(main_feature(events) & RATED, rating=1.0)(events),
    "two features fail wholly": lambda events: changed(
        main_feature(events) | main_feature(events, -2), error_count=ONE
    )(events),
    "a release breaks one feature": lambda events: changed(
        main_feature(events) & main_release(events), error_count=ONE
    )(events),
    "a release slows everything by 1.8": in_main_release(latency_ms=LATENCY * 1.8),
    "everything slower by 3": changed(True, latency_ms=LATENCY * 3),
    "everything faster by 2": changed(True, latency_ms=LATENCY / 2),
    "a holiday": lambda events: events.filter(pl.col("user_id").hash(3) % 10 < 3),
    "a campaign": twice_the_users,
    "a new feature": changed(pl.col("event_id").hash(1) % 10 < 3, feature="brand_new"),
    "a feature is gone": lambda events: events.filter(~main_feature(events)),
    "a new release for everybody at once": changed(True, app_version="4.0.0"),
    "a client that tries again and again": retries_of_one_user,
    **FLOODS,
}


@pytest.mark.parametrize("kind", SOUND)
def test_what_the_product_really_does_is_no_fault_of_measurement(
    kind: str, before: dict[date, DayMeasured], today: pl.DataFrame
) -> None:
    assert faults(before, SOUND[kind](today)) == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_days_of_a_product_of_a_single_part_are_sound(seed: int) -> None:
    """A rough count of one part's moments strays by an eighth, which is no fault."""
    draw = random.Random(seed)
    days = [
        pl.DataFrame(
            {
                "event_time": sorted(
                    LAST_NIGHT + timedelta(days=number, seconds=draw.randrange(86_400)) for _ in range(600)
                ),
                "event_id": [f"e{number}-{place}" for place in range(600)],
                "user_id": [f"u{draw.randrange(150)}" for _ in range(600)],
                "feature": [draw.choice(("orders", "search", "export", "inbox")) for _ in range(600)],
                "latency_ms": [float(draw.randrange(50, 900)) for _ in range(600)],
            }
        )
        for number in range(40)
    ]
    columns = day(0).select("event_type", "platform", "app_version", "region").head(1)
    rest = day(0).drop(*days[0].columns, *columns.columns).clear(1)
    found = measured(
        pl.concat(
            [
                pl.concat(
                    [
                        each,
                        columns.sample(600, with_replacement=True, seed=1),
                        rest.sample(600, with_replacement=True, seed=1),
                    ],
                    how="horizontal",
                )
                for each in days
            ]
        )
    )
    reported = {when: measurement_faults(when, found, sound=lambda *_: True) for when in found}
    assert {when: each for when, each in reported.items() if each} == {}


def test_too_little_history_or_too_few_features_are_not_enough_evidence(
    before: dict[date, DayMeasured], today: pl.DataFrame
) -> None:
    broken = changed(True, error_count=ONE)(today)
    few = {when: before[when] for when in sorted(before)[-4:]}
    assert faults(few, broken) == ()
    kept = pl.col("feature").is_in(sorted(today["feature"].unique())[:2])
    small = measured(pl.concat([day(number).filter(kept) for number in range(9, 0, -1)]))
    assert faults(small, broken.filter(kept)) == ()
    assert measurement_faults(LAST + timedelta(days=1), before, sound=lambda *_: True) == ()


def test_a_part_that_has_always_been_otherwise_is_no_fault(today: pl.DataFrame) -> None:
    micro = changed(IOS, latency_ms=LATENCY * 1_000)
    before = measured(micro(pl.concat([day(number) for number in range(9, 0, -1)])))
    assert faults(before, micro(today)) == ()
    assert [fault.subject for fault in faults(before, today)] == ["latency_ms"]


def test_a_working_day_that_lies_hours_beside_is_a_clock_that_is_off(today: pl.DataFrame) -> None:
    midnight = pl.col("event_time").dt.truncate("1d")
    office = (
        midnight
        + timedelta(hours=8)
        + pl.duration(microseconds=(pl.col("event_time") - midnight).dt.total_microseconds() // 3)
    )
    days = [day(number).with_columns(event_time=office) for number in range(9, 0, -1)]
    before, now = measured(pl.concat(days)), today.with_columns(event_time=office)
    assert faults(before, now) == ()
    off = now.with_columns(pl.col("event_time") - timedelta(hours=5))
    (fault,) = faults(before, off)
    assert (fault.subject, fault.words) == ("event_time", "the whole day lies 5 hours ahead of what is usual")


@pytest.mark.parametrize("quiet_day", [2, 3])
def test_one_name_for_all_is_seen_at_the_weekend_too(quiet_day: int, before: dict[date, DayMeasured]) -> None:
    events = changed(True, platform="unknown")(day(-quiet_day))
    found = measurement_faults(LAST + timedelta(days=quiet_day), {**before, **measured(events)}, sound=lambda *_: True)
    assert [fault.subject for fault in found] == ["platform"]


def with_uses(usual: list[int]) -> pl.DataFrame:
    """Return a sound day on which the features have so many events each."""
    names = [f"f{number}" for number, count in enumerate(usual) for _ in range(count)]
    return day(0).head(len(names)).with_columns(feature=pl.Series(names).sample(fraction=1, shuffle=True, seed=1))


@pytest.mark.parametrize(
    ("uses", "is_found"),
    [
        ([314, 574, 698, 405, 250, 349, 267, 418], True),
        ([314, 418, 267, 349, 250, 405, 698, 574], True),
        ([250, 698, 405, 574, 349, 267, 418, 314], False),  # one feature takes another's place
        ([600, 720, 390, 250, 340, 262, 412, 300], False),
    ],
)
def test_names_that_changed_places_are_told_from_a_change_of_use(uses: list[int], *, is_found: bool) -> None:
    usual = [574, 698, 405, 250, 349, 267, 418, 314]
    events = [with_uses(usual).with_columns(pl.col("event_time") - timedelta(days=back)) for back in range(1, 8)]
    found = faults(measured(pl.concat(events)), with_uses(uses))
    assert ("feature" in [fault.subject for fault in found]) is is_found


# A clean product of which one release gives way to another on a Saturday, which is much quieter than the days before.
QUIET = SimulationPlan(features=4, events_per_day=1_200, seed=11, first_day=date(2026, 5, 4), planted=False)
SATURDAY = 75


@pytest.mark.parametrize("loved", [1, 4, 6])
def test_half_of_the_features_loved_and_a_release_that_ends_on_a_saturday_are_no_fault(loved: int) -> None:
    days = []
    for number in range(SATURDAY - 20, SATURDAY + 8):
        events = simulated_day(QUIET, QUIET.date_of(number))
        half = events.filter(pl.col("feature").is_in(("essay_feedback", "tutor_answer")))
        times = loved if number >= SATURDAY - 7 else 1
        days += [events, *(used_again(half, time) for time in range(1, times))]
    found = measured(pl.concat(days))
    for number in range(SATURDAY - 7, SATURDAY + 8):
        day = QUIET.date_of(number)
        known = {each: found[each] for each in found if each <= day}
        assert measurement_faults(day, known, sound=lambda *_: True) == (), day
