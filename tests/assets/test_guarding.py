"""What the guard of the stream touched, the night's batch does not touch again, and the other way round."""

from datetime import timedelta

import pytest

from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.settings import Limits
from tests.assets.site import FLAG, Site, at_level, of_quiz
from tests.intelligence.decisions.day_of_evidence import DAY
from tests.resources.online.guarded import RELEASED, Guarded


@pytest.fixture
def site_without_blast(site: Site) -> Site:
    at_level(site, "auto", limits=Limits(share_per_hour=1, share_per_day=1, cooldown_days=3))
    return site


def rolled_back_online(site: Site, day: object) -> Guarded:
    guarded = Guarded(site.platform, site.folder, day)  # type: ignore[arg-type]
    guarded.run(range(RELEASED + 5))
    assert [each.decision.action for each in guarded.done()] == ["rollback"]
    assert site.exposure() == 0.0
    return guarded


def taken_back(site: Site) -> None:
    """Let a person take everything back, so that only the policy's memory keeps the feature from being touched."""
    (entry,) = [each for each in site.announcer.outbox().entries() if each.action.target == "flags"]
    site.announcer.outbox().undo_wanted(entry.id, actor="ada", reason="it was not the release")
    site.platform.actions.delivered()
    assert site.exposure() == 1.0


def test_the_night_keeps_the_decision_of_the_guard_as_it_was_made(site_without_blast: Site) -> None:
    site = site_without_blast
    guarded = rolled_back_online(site, DAY)
    taken_back(site)
    kept = of_quiz(site.decide())
    (done,) = guarded.done()
    assert (kept["decision_id"], kept["action"]) == (done.decision.decision_id, "rollback")
    assert "on the stream" in kept["reasons"]
    log = site.act()
    assert log.filter(target="flags").height == 1
    assert site.exposure() == 1.0
    assert site.platform.explanations.story_of("quiz")["decision"]["decision_id"] == kept["decision_id"]
    after = of_quiz(site.decide(site.next_day()))
    assert after["action"] not in TOUCHING
    assert "cooldown" in after["lowered_by"]


def test_a_night_that_decides_a_day_late_knows_what_the_guard_has_done_since(site_without_blast: Site) -> None:
    site = site_without_blast
    rolled_back_online(site, DAY + timedelta(days=1))
    taken_back(site)
    made = of_quiz(site.decide())
    assert made["action"] not in TOUCHING
    assert "cooldown" in made["lowered_by"]


def test_what_the_night_touched_the_guard_leaves(site_without_blast: Site) -> None:
    site = site_without_blast
    assert of_quiz(site.decide())["action"] == "rollback"
    site.act()
    taken_back(site)
    guarded = Guarded(site.platform, site.folder, DAY + timedelta(days=1))
    guarded.run(range(RELEASED + 5))
    assert [each.decision.action for each in guarded.done() if each.decision.action in TOUCHING] == []
    assert site.exposure() == 1.0
    assert len([each for each in site.announcer.outbox().entries() if each.action.payload.get("flag") == FLAG]) == 1


def test_what_the_guard_touched_counts_for_the_limits_of_the_night(site_without_blast: Site) -> None:
    site = site_without_blast
    rolled_back_online(site, DAY)
    _, used = site.platform.decisions.begun(DAY)
    assert (used.touches_today, used.share_today > 0) == (1, True)
