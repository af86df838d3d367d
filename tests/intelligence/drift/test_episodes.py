"""Each episode requests one retraining, none is lost, none follows a single day, and people are notified once."""

from datetime import date, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.drift.episodes import Retraining, Training, Waiting, episodes, notices, retraining
from intelligence.drift.settings import Drift

FIRST = date(2026, 6, 1)
RULES = Drift(consecutive_days=3, cooldown_days=7, retrains_per_week=1, new_label_days=0)
STATES = {"m": "moved", "i": "moved", "s": "steady", "x": "suspended", "u": "unknown"}


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def watch(states: str, *, version: int = 1, start: int = 0) -> pl.DataFrame:
    """Return one verdict per letter and day: m moved, i moved without importance, s steady, x suspended, u unknown, - none."""
    rows = [
        (
            day(start + place),
            "user_churn",
            version,
            STATES[each],
            ["events_7d"] if each == "m" else [],
            f"{each}{place}",
        )
        for place, each in enumerate(states)
        if each != "-"
    ]
    columns = {
        "event_date": pl.Date,
        "model": pl.String,
        "model_version": pl.Int64,
        "state": pl.String,
        "that_matter": pl.List(pl.String),
        "reason": pl.String,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def requested(
    verdicts: pl.DataFrame, *trainings: Training, rules: Drift = RULES, **facts: object
) -> Retraining | Waiting:
    known = {"champion": 1, "newest_label": day(90), "trained_through": day(0), **facts}
    return retraining(verdicts, trainings, rules=rules, **known)


def trained(number: int, decision: str = "promote") -> Training:
    return Training(day(number), 2, decision, "because")


def test_a_day_of_chance_is_no_episode_that_requests_anything() -> None:
    found = requested(watch("ssmssmss"))
    assert isinstance(found, Waiting)


def test_as_many_days_in_a_row_as_configured_are_ripe_and_request_one_training() -> None:
    assert isinstance(requested(watch("ssmm")), Waiting)
    found = requested(watch("ssmmm"))
    assert isinstance(found, Retraining)
    assert found.cause == f"drift since {day(2)}. m4"
    (episode,) = episodes(watch("ssmmm"), [], rules=RULES)
    assert (episode.first_day, episode.ripe_day, episode.is_over) == (day(2), day(4), False)
    assert found.key == episode.key


def test_the_key_stays_while_the_episode_lasts() -> None:
    keys = {requested(watch("ss" + "m" * length)).key for length in range(3, 12)}
    assert len(keys) == 1


def test_what_moves_without_mattering_begins_no_episode_and_ends_one() -> None:
    assert episodes(watch("iiiii"), [], rules=RULES) == []
    assert episodes(watch("mmmiii"), [], rules=RULES)[0].is_over


def test_suspended_and_unknown_days_neither_count_nor_end() -> None:
    assert episodes(watch("mmxx"), [], rules=RULES)[0].ripe_day is None
    assert episodes(watch("mmxxum"), [], rules=RULES)[0].ripe_day == day(5)
    assert not episodes(watch("mmmxxxxxxss"), [], rules=RULES)[0].is_over
    assert episodes(watch("mmmxxxxxxssxs"), [], rules=RULES)[0].is_over


def test_a_lost_day_does_not_lose_the_retraining() -> None:
    assert isinstance(requested(watch("mm-m")), Retraining)
    assert isinstance(requested(watch("mmm" + "-" * 5)), Retraining)
    assert isinstance(requested(watch("mmmss")), Retraining)


def test_an_episode_that_is_over_requests_nothing_and_a_new_one_has_another_key() -> None:
    assert isinstance(requested(watch("mmmsss")), Waiting)
    first, second = episodes(watch("mmmsssmmm"), [], rules=RULES)
    assert first.is_over
    assert first.key != second.key


def test_what_was_trained_for_needs_no_second_training_whatever_the_gate_said() -> None:
    for decision in ("promote", "hold", "reject", "not_enough_evidence"):
        found = requested(watch("mmm" + "m" * 30), trained(2, decision))
        assert isinstance(found, Waiting)
        assert decision in found.reason


def test_a_training_from_before_the_episode_was_ripe_settles_nothing_but_has_its_cooldown() -> None:
    during = requested(watch("s" * 5 + "mmmm"), trained(4))
    assert isinstance(during, Waiting)
    assert "at least 7 lie between two" in during.reason
    assert isinstance(requested(watch("s" * 5 + "m" * 6), trained(3)), Retraining)


def test_no_more_trainings_in_a_week_than_the_budget() -> None:
    rules = RULES.model_copy(update={"cooldown_days": 1})
    verdicts = watch("s" * 6 + "mmm")
    found = requested(verdicts, trained(5), rules=rules)
    assert isinstance(found, Waiting)
    assert "1 trainings a week" in found.reason
    two = rules.model_copy(update={"retrains_per_week": 2})
    assert isinstance(requested(verdicts, trained(5), rules=two), Retraining)
    none = rules.model_copy(update={"retrains_per_week": 0})
    assert isinstance(requested(verdicts, rules=none), Waiting)


def test_without_new_outcomes_a_training_would_learn_nothing_and_waits_for_them() -> None:
    rules = RULES.model_copy(update={"new_label_days": 5})
    few = requested(watch("mmm"), rules=rules, newest_label=day(4), trained_through=day(0))
    assert isinstance(few, Waiting)
    assert "4 days is known" in few.reason
    assert isinstance(requested(watch("mmm"), rules=rules, newest_label=day(5), trained_through=day(0)), Retraining)
    assert isinstance(requested(watch("mmm"), rules=rules, newest_label=None, trained_through=day(0)), Waiting)


def test_another_champion_ends_the_episode_of_the_one_before() -> None:
    verdicts = pl.concat([watch("mmm"), watch("s", version=2, start=3)])
    assert episodes(verdicts, [], rules=RULES)[0].is_over
    assert isinstance(requested(verdicts, champion=2), Waiting)
    assert isinstance(requested(watch("mmm"), champion=2), Waiting)
    assert isinstance(requested(watch("mmm"), champion=None), Waiting)


def test_days_of_the_champion_before_do_not_make_the_next_ones_episode_ripe() -> None:
    verdicts = pl.concat([watch("mm"), watch("m", version=2, start=2)])
    assert isinstance(requested(verdicts, champion=2), Waiting)
    found = requested(pl.concat([watch("mm"), watch("mmm", version=2, start=2)]), champion=2)
    assert isinstance(found, Retraining)
    assert "version 2" in found.key


def test_a_champion_that_was_trained_for_an_episode_continues_it_until_it_is_steady() -> None:
    verdicts = pl.concat([watch("ssmmm"), watch("m" * 20, version=2, start=5)])
    (episode,) = episodes(verdicts, [trained(4)], rules=RULES)
    assert (episode.model_version, episode.champion, episode.is_over) == (1, 2, False)
    assert isinstance(requested(verdicts, trained(4), champion=2), Waiting)
    assert len(titles_of(verdicts, trained(4))) == 2
    calm_again = pl.concat([verdicts, watch("sssmmm", version=2, start=25)])
    assert isinstance(requested(calm_again, trained(4), champion=2), Retraining)


def test_a_champion_that_somebody_put_there_begins_a_new_episode() -> None:
    verdicts = pl.concat([watch("ssmmm"), watch("mmm" + "m" * 9, version=3, start=5)])
    assert len(episodes(verdicts, [trained(4)], rules=RULES)) == 2
    assert isinstance(requested(verdicts, trained(4), champion=3), Retraining)


def test_no_verdict_at_all_requests_nothing() -> None:
    assert isinstance(requested(watch("")), Waiting)


@settings(max_examples=150, deadline=None)
@given(states=st.text("mmmmsxui-", min_size=1, max_size=40), data=st.data())
def test_however_often_and_whenever_it_is_requested_an_episode_is_trained_for_once(
    states: str, data: st.DataObject
) -> None:
    """Days follow one another; ticks are missed or repeated, and the trainings that they request may be late or fail."""
    trainings: list[Training] = []
    answered: list[str] = []
    for newest in range(len(states)):
        verdicts = watch(states[: newest + 1])
        for _ in range(data.draw(st.integers(0, 2), label="ticks")):
            found = requested(verdicts, *trainings)
            assert requested(verdicts, *trainings) == found
            if isinstance(found, Retraining) and data.draw(st.booleans(), label="carried out"):
                answered.append(found.key)
                decision = data.draw(st.sampled_from(["promote", "hold", "reject", "not_enough_evidence"]))
                trainings.append(trained(newest, decision))
    assert len(answered) == len(set(answered))
    ages = sorted(each.as_of for each in trainings)
    assert all((later - earlier).days >= RULES.cooldown_days for earlier, later in pairwise(ages))


@given(states=st.text("msxu", min_size=3, max_size=30))
def test_every_ripe_episode_that_lasts_is_requested_until_it_is_trained_for(states: str) -> None:
    for episode in episodes(watch(states), [], rules=RULES):
        if not episode.is_over and episode.ripe_day:
            assert isinstance(requested(watch(states)), Retraining)


def titles_of(verdicts: pl.DataFrame, *trainings: Training) -> dict[str, str]:
    return {notice.key: notice.title for notice in notices(verdicts, trainings, rules=RULES)}


def test_people_are_notified_once_of_an_episode_and_once_of_what_its_training_came_to() -> None:
    keys: set[str] = set()
    for length in range(1, 14):
        verdicts = watch("ss" + "m" * length)
        keys |= titles_of(verdicts, *([trained(6, "hold")] if length > 5 else [])).keys()
    assert len(keys) == 2
    one_thread = {notice.episode for notice in notices(watch("ssmmmmmm"), [trained(6, "hold")], rules=RULES)}
    assert len(one_thread) == 1


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        ("promote", "the gate lets the new version take its place"),
        ("hold", "the champion stays"),
        ("reject", "was rejected"),
        ("not_enough_evidence", "without enough evidence"),
    ],
)
def test_what_a_training_came_to_is_said_in_words(decision: str, words: str) -> None:
    titles = titles_of(watch("mmm"), trained(2, decision)).values()
    assert any(words in title for title in titles)
    assert all(title.startswith("User churn: ") for title in titles)


def test_a_period_of_faulty_days_is_announced_once_however_long_and_whatever_its_words() -> None:
    keys: set[str] = set()
    for length in range(1, 20):
        keys |= titles_of(watch("ss" + "x" * length)).keys()
    assert len(keys) == 1
    assert len(titles_of(watch("xxsxx"))) == 2


def test_what_is_long_over_is_not_announced_any_more() -> None:
    assert titles_of(watch("mmm" + "s" * 12)) == {}
    assert titles_of(watch("xx" + "s" * 12)) == {}
    assert titles_of(watch("")) == {}
