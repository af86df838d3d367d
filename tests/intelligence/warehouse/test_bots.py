"""Events of bots stay in telemetry, and count in no fact, session or metric."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from intelligence.catalog.product import product_from
from intelligence.catalog.summary import LEFT_OUT
from intelligence.interfaces.cli.terminal import left_out_parts, like_bots_parts
from intelligence.metrics.tables import FACT_FEATURE_METRICS, LIKE_A_BOT, USER_DAY
from intelligence.warehouse.tables import DIM_USERS, FACT_EVENTS, FACT_SESSIONS, FACT_VISIT_EVENTS
from resources.lake.builds import Versions, build_rules
from tests.intelligence.hand_made_lake import NOON, TWO_DAYS, Event, Warehouse, event

USERS = ("bot", "bot-1", "bot-2", "robot", "Bot-3", "probe[1]", "probe1", "o'brien", "u*", "u1", "u2", "10%")


def built(warehouse: Warehouse, events: Sequence[Event], bots: Sequence[str]) -> None:
    warehouse.put(*events)
    warehouse.declare(TWO_DAYS)
    for table in (DIM_USERS, FACT_VISIT_EVENTS, FACT_SESSIONS, FACT_FEATURE_METRICS, USER_DAY):
        warehouse.build(table, days=TWO_DAYS, bots=list(bots))


@pytest.mark.parametrize(
    ("bots", "left_out"),
    [
        ([], ()),
        (["bot"], ("bot",)),
        (["bot-*"], ("bot-1", "bot-2")),
        (["bot-1", "bot-2", "nobody"], ("bot-1", "bot-2")),
        (["?ot-*"], ("bot-1", "bot-2", "Bot-3")),
        (["[Bb]ot*"], ("bot", "bot-1", "bot-2", "Bot-3")),
        (["probe[1]"], ("probe[1]", "probe1")),
        (["o'brien"], ("o'brien",)),
        (["u*"], ("u*", "u1", "u2")),
        (["10%"], ("10%",)),
        (["*bot"], ("bot", "robot")),
        (["BOT"], ()),
        (["'; DROP TABLE x; --"], ()),
    ],
)
def test_an_id_or_a_pattern_leaves_out_whom_it_names(
    warehouse: Warehouse, bots: list[str], left_out: tuple[str, ...]
) -> None:
    warehouse.put(*(event(NOON + timedelta(seconds=n), user) for n, user in enumerate(USERS)))
    warehouse.build(DIM_USERS, days=TWO_DAYS, bots=bots)
    assert {user for user, is_bot in warehouse.rows(DIM_USERS, "user_id, is_bot") if is_bot} == set(left_out)


def test_events_of_bots_are_in_telemetry_alone_and_the_books_are_kept(warehouse: Warehouse) -> None:
    people = [event(NOON + timedelta(minutes=n), f"u{n % 4}", session_id="s" if n % 2 else None) for n in range(40)]
    script = [event(NOON + timedelta(seconds=n), "bot-7", error_count=1, session_id="b") for n in range(500)]
    built(warehouse, people, [])
    tables = (FACT_EVENTS, FACT_SESSIONS, FACT_FEATURE_METRICS, USER_DAY)
    without = [sorted(map(str, warehouse.rows(table, _columns(table)))) for table in tables]
    built(warehouse, [*people, *script], ["bot-*"])
    assert [sorted(map(str, warehouse.rows(table, _columns(table)))) for table in tables] == without
    warehouse.assert_claims(TWO_DAYS, *tables)
    assert warehouse.lake.frame("SELECT count(*) FROM telemetry.events").item() == 540
    (part,) = left_out_parts(warehouse.lake.frame(LEFT_OUT))
    assert str(part) == "500 events of 1 bot count in nothing but this table; they stay in telemetry.events."


def _columns(table: object) -> str:
    # Identities are numbered anew by the delivery.
    return "* EXCLUDE (event_id)" if table is FACT_EVENTS else "*"


def test_a_user_who_makes_a_quarter_of_a_day_is_named_with_the_setting(warehouse: Warehouse) -> None:
    people = [event(NOON + timedelta(minutes=n), f"u{n % 25}") for n in range(100)]
    built(warehouse, [*people, *(event(NOON + timedelta(seconds=n), "crawler") for n in range(300))], [])
    (part,) = like_bots_parts(warehouse.lake.frame(LIKE_A_BOT, dict(TWO_DAYS.parameters)))
    assert str(part).startswith(
        "crawler made 300 events on 2026-05-04, 75% of all. If it is a script, write `bots: [crawler]`"
    )
    built(warehouse, people, [])
    assert warehouse.lake.frame(LIKE_A_BOT, dict(TWO_DAYS.parameters)).is_empty()


def test_another_list_of_bots_rebuilds_every_day() -> None:
    plain = "name: Demo\nsources: [{name: app, files: x}]\n"
    versions = {
        Versions(build_rules(product_from(plain + bots))).of(FACT_EVENTS)
        for bots in ("", "bots: [u17]", "bots: ['u17*']")
    }
    assert len(versions) == 3
