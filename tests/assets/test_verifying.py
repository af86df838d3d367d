"""A changed flag is looked for in the telemetry: what does not show is doubted and told, once, and never on faulty data."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intelligence.actions.tables import ACTION_LOG
from intelligence.catalog.product import Source
from intelligence.core.tables import ALWAYS
from resources.intake.delivery import simulation_folder
from resources.models.registry import Registry
from resources.services.verification import VERIFIED_DAYS
from resources.twins.recorded import recorded_messages
from tests.assets.site import FLAG, Site, at_level
from tests.intelligence.decisions.day_of_evidence import DAY
from tests.platforms import ruled_by

USUAL = 300
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def site(tmp_path: Path, registry: Registry) -> Site:
    """Return an installation on which quiz was rolled back after a usual week, before the next day was made."""
    made = Site(tmp_path, registry)
    at_level(made, "auto")
    made.decide()
    made.act()
    for number in range(7):
        add_day(made, DAY - timedelta(days=number), USUAL, hours=-1)
    return made


def add_day(site: Site, day: date, users: int, *, verdict: str = "whole", hours: float = 1) -> None:
    """Add a day with so many users of quiz, taken in that many hours from now."""
    at = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)
    values: dict[str, Any] = {"day": day, "users": users, "verdict": verdict, "at": at}

    def insert(connection: Any) -> None:
        for table in ("metrics.fact_feature_metrics", "telemetry.day_quality"):
            connection.execute(f"DELETE FROM {table} WHERE event_date = $day", {"day": day})
        for table, columns in (
            ("metrics.fact_feature_metrics", "$day AS event_date, 'chat' AS feature, 10 AS users"),
            ("metrics.fact_feature_metrics", "$day AS event_date, 'quiz' AS feature, $users AS users"),
            ("metrics.kpi_day", "$day AS event_date, 'all' AS segment, 1000 AS dau"),
            ("telemetry.day_quality", "$day AS event_date, $verdict AS verdict"),
            ("telemetry.batches", "CAST($day AS VARCHAR) AS batch_id, [$day] AS days, $at AS ingested_at"),
        ):
            used = {name: value for name, value in values.items() if f"${name}" in columns}
            connection.execute(f"INSERT INTO {table} BY NAME SELECT {columns}", used)

    site.lake.commit(insert)


def flag_action(site: Site) -> Any:
    return next(entry for entry in site.announcer.outbox().entries() if entry.action.target == "flags")


@pytest.mark.proof
def test_a_rollback_that_nobody_followed_is_unconfirmed_told_once_in_its_thread_and_warned_of(site: Site) -> None:
    add_day(site, NEXT, USUAL)
    before = recorded_messages(site.folder)
    log = site.act()
    row = log.filter(target="flags").row(0, named=True)
    assert row["standing"] == "unconfirmed"
    assert row["reason"].startswith(f"30.0% of active users used it on {NEXT}, 30.0% on a usual day before")
    new = recorded_messages(site.folder)[len(before) :]
    assert len(new) == 1
    assert new[0].thread is not None
    assert row["reason"] in new[0].text
    assert f"intelligence settle {row['action_id'][:12]}" in new[0].text
    assert site.exposure() == 0.0
    again = site.act()
    assert again.equals(site.act())
    assert again.filter(target="flags").equals(log.filter(target="flags"))
    assert len(recorded_messages(site.folder)) == len(before) + 1
    site.lake.replace(ACTION_LOG, ALWAYS, "FROM entries", frames={"entries": again})
    claim = next(claim for claim in ACTION_LOG.claims if claim.name == "every_action_has_come_to_an_end")
    assert site.lake.frame(claim.contradictions)["action_id"].to_list() == [row["action_id"]]
    assert site.platform.outcomes.rows().is_empty(), "nobody can say what came of an action of which nobody can tell"


def test_a_rollback_that_shows_stays_confirmed_and_nobody_is_told(site: Site) -> None:
    add_day(site, NEXT, 0)
    before = len(recorded_messages(site.folder))
    log = site.act()
    assert log.filter(target="flags")["standing"].to_list() == ["confirmed"]
    assert log.equals(site.act())
    assert len(recorded_messages(site.folder)) == before


def test_a_faulty_day_doubts_nothing_and_the_next_sound_one_does(site: Site) -> None:
    add_day(site, NEXT, USUAL, verdict="partial")
    assert site.platform.verification.doubted() == []
    add_day(site, NEXT + timedelta(days=1), USUAL, verdict="unknown")
    assert site.platform.verification.doubted() == []
    add_day(site, NEXT + timedelta(days=2), USUAL)
    assert site.platform.verification.doubted() == [flag_action(site).id]


def test_a_day_that_was_made_before_the_change_is_none_after_it(site: Site) -> None:
    add_day(site, NEXT, USUAL, hours=-1)
    assert site.platform.verification.doubted() == []


def test_a_lake_that_was_filled_anew_makes_no_day_younger(site: Site) -> None:
    add_day(site, NEXT, USUAL)
    (simulator,) = site.platform.product.sources
    assert simulator.simulate
    file = simulation_folder(simulator.name, simulator.simulate, site.folder / "landing") / f"{NEXT}.parquet"
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (0, 0))
    assert site.platform.verification.doubted() == []


def test_where_days_happen_by_themselves_only_those_after_the_change_count(site: Site) -> None:
    site.platform = ruled_by(site.platform, sources=(Source(name="app", files=("events/*.csv",)),))
    add_day(site, NEXT, USUAL)
    assert site.platform.verification.doubted() == []
    add_day(site, datetime.now(UTC).date() + timedelta(days=1), USUAL)
    assert site.platform.verification.doubted() == [flag_action(site).id]


def test_what_a_person_found_is_not_doubted_again(site: Site) -> None:
    add_day(site, NEXT, USUAL)
    assert site.platform.verification.doubted() == [flag_action(site).id]
    site.announcer.outbox().settled(flag_action(site).id, happened=True, actor="ada", reason="a cache")
    assert site.platform.verification.doubted() == []
    assert flag_action(site).standing == "confirmed"


def undo(site: Site) -> None:
    site.announcer.outbox().undo_wanted(flag_action(site).id, actor="ada", reason="no")


def edit(site: Site) -> None:
    file, _ = site.announcer.flags([FLAG])
    file.path.write_text(file.text().replace('"defaultVariant": "off"', '"defaultVariant": "on"'))


def lock(site: Site) -> None:
    site.announcer.flags([FLAG])[1].lock(FLAG, actor="ada", reason="mine")


def release(site: Site) -> None:
    site.announcer.flags([FLAG])[1].released(FLAG, actor="ada", reason="looked at")


def lose(site: Site) -> None:
    site.announcer.flags([FLAG])[0].path.unlink()


def outlive(site: Site) -> None:
    later = DAY + timedelta(days=VERIFIED_DAYS + 1)
    site.lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO metrics.feature_health BY NAME SELECT * REPLACE ($later AS event_date)"
            " FROM metrics.feature_health",
            {"later": later},
        )
    )


@pytest.mark.parametrize("meanwhile", [undo, edit, lock, release, lose, outlive], ids=lambda each: each.__name__)
def test_an_action_that_does_not_stand_as_it_was_left_is_not_judged(site: Site, meanwhile: Any) -> None:
    add_day(site, NEXT, USUAL)
    meanwhile(site)
    assert site.platform.verification.doubted() == []


def test_an_action_that_was_undone_is_not_judged(site: Site) -> None:
    undo(site)
    site.act()
    add_day(site, NEXT, USUAL)
    assert site.platform.verification.doubted() == []
