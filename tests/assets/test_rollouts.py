"""A rollout of a real flag over the lake: started, advanced on what users met, held, rolled back, refused and taken up again."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from intelligence.actions.flags import exposure
from intelligence.catalog.summary import EXPERIMENTS_SEEN
from intelligence.core.errors import ActionError
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.decisions.rollout_settings import Rollout
from intelligence.decisions.settings import Limits
from intelligence.experiments.tables import EXPERIMENT_MOMENTS, FACT_EXPOSURES
from resources.flags.provider import flag_client, served_variant
from resources.services.experiments import ExperimentService
from tests.assets.site import Site, at_level
from tests.intelligence.decisions.day_of_evidence import DAY
from tests.platforms import ruled_by

FLAG = "chat"
USERS = [f"c{number}" for number in range(8_000)]
DAILY = [
    "metrics.feature_health", "metrics.fact_feature_metrics", "telemetry.day_quality", "risk.feature_risk",
    "risk.feature_panel", "drift.model_watch",
]  # fmt: skip


class Rolling:
    """A site whose feature chat is behind a flag that is off for everybody."""

    def __init__(self, site: Site) -> None:
        self.site, self.day = site, DAY
        at_level(site, "auto", limits=Limits(share_per_hour=1, share_per_day=1, touches_per_day=9))
        site.announcer.flags([FLAG])
        self.edit(defaultVariant="off")
        self.take_in(DAY)

    def edit(self, **rule: Any) -> None:
        """Change the flag as a person with an editor does."""
        file, _ = self.site.announcer.flags([FLAG])
        document = file.document()
        document["flags"][FLAG].update(rule)
        file.path.write_text(json.dumps(document))

    def take_in(self, day: date) -> None:
        """Record that the telemetry of a day came in now."""
        batch = {"days": [day], "ingested_at": datetime.now(UTC).replace(tzinfo=None)}
        self.site.lake.commit(
            lambda connection: connection.execute(
                "INSERT INTO telemetry.batches BY NAME SELECT $days AS days, $ingested_at AS ingested_at", batch
            )
        )

    @property
    def share(self) -> float | None:
        return exposure(self.site.announcer.flags([FLAG])[0].document(), FLAG)

    def start(self, *steps: float) -> None:
        self.site.platform.rollouts.started(FLAG, steps or (5, 50, 100), actor="ada", reason="new")

    def pass_a_day(self, *, fails: float = 0.002) -> None:
        """Let the next day pass: the flag serves its users, and this share of the events of those who have the feature fails."""
        self.day += timedelta(days=1)
        self.take_in(self.day)
        client, random = flag_client(self.site.announcer.flags([FLAG])[0].path), np.random.default_rng(self.day.day)
        variants = [served_variant(client, FLAG, True, user)[0] for user in USERS]
        rate = np.where(np.array(variants) == "on", fails, 0.002)
        failed = random.binomial(5, rate)
        users = pl.DataFrame({"user_id": USERS, "variant": variants, "failed": failed})
        rows = users.join(pl.DataFrame({"n": range(5)}), how="cross").select(
            "user_id", "variant", event_date=pl.lit(self.day), feature=pl.lit(FLAG), experiment=pl.lit(FLAG),
            error_count=(pl.col("n") < pl.col("failed")).cast(pl.Int64), crashed=pl.lit(False), is_duplicate=pl.lit(False),
            session_id=pl.lit("s"),
        )  # fmt: skip
        days = users.select("user_id", event_date=pl.lit(self.day), events=pl.lit(5), crashed_events=pl.lit(0))

        def insert(connection: Any) -> None:
            for name in DAILY:
                query = f"INSERT INTO {name} BY NAME SELECT * REPLACE ($day AS event_date) FROM {name} WHERE event_date = $first"
                connection.execute(query, {"day": self.day, "first": DAY})
            for name, frame in (("telemetry.raw_events", rows), ("metrics.user_day", days)):
                connection.register("rows_to_insert", frame)
                connection.execute(f"INSERT INTO {name} BY NAME FROM rows_to_insert")
                connection.unregister("rows_to_insert")

        self.site.lake.commit(insert)

    def act(self) -> dict[str, Any]:
        """Return the decision about the rollout, after it was acted on."""
        found = self.site.decide(self.day)
        self.site.act()
        return found.filter(scope="rollout").row(0, named=True)

    def advances(self) -> list[str]:
        entries = self.site.announcer.outbox().entries()
        return [entry.standing for entry in entries if entry.action.kind == "advance"]


@pytest.fixture
def rolling(site: Site) -> Rolling:
    return Rolling(site)


def test_a_good_version_is_raised_step_by_step_to_everybody_and_each_step_once(rolling: Rolling) -> None:
    rolling.start()
    for _ in range(2):
        made = rolling.act()
        assert (made["action"], made["level"], rolling.share, len(rolling.advances())) == ("advance", "auto", 0.05, 1)
    rolling.pass_a_day()
    made = rolling.act()
    assert (made["action"], rolling.share) == ("monitor", 0.05)
    assert "1 of 2 whole days" in made["reasons"]
    rolling.pass_a_day()
    made = rolling.act()
    assert (made["action"], rolling.share) == ("advance", 0.5), made["reasons"]
    assert json.loads(made["evidence"])["units"]["on"] == pytest.approx(400, abs=80)
    for _ in range(2):
        rolling.pass_a_day()
        rolling.act()
    assert (rolling.share, rolling.advances()) == (1.0, ["confirmed"] * 3)
    rolling.pass_a_day()
    assert "finished" in rolling.act()["reasons"]
    (row,) = rolling.site.platform.rollouts.shown()
    assert (row["flag"], row["step"], row["feature"]) == (FLAG, 1.0, FLAG)


def test_a_bad_version_is_rolled_back_in_its_first_step_and_not_tried_again(rolling: Rolling) -> None:
    rolling.start()
    rolling.act()
    rolling.pass_a_day(fails=0.1)
    made = rolling.act()
    assert (made["action"], made["level"], rolling.share) == ("rollback", "auto", 0.0), made["reasons"]
    rolling.pass_a_day()
    made = rolling.act()
    assert (made["action"], rolling.share) == ("monitor", 0.0)
    assert "it was rolled back" in made["reasons"]
    rolling.start()
    assert rolling.act()["action"] == "advance", "a person may begin again"


def test_what_a_person_does_to_the_flag_wins(rolling: Rolling) -> None:
    rolling.start()
    rolling.act()
    rolling.pass_a_day()
    rolling.pass_a_day()
    rolling.edit(targeting={"fractional": [["on", 10], ["off", 90]]})
    made = rolling.act()
    assert (made["action"], rolling.share) == ("monitor", 0.1)
    assert "what somebody else changed stays" in made["reasons"]


def test_a_step_waits_for_a_person_and_a_refusal_holds(rolling: Rolling) -> None:
    at_level(rolling.site, "approve")
    rolling.start()
    assert rolling.act()["level"] == "approve"
    assert (rolling.advances(), rolling.share) == (["planned"], 0.0)
    (entry,) = [each for each in rolling.site.announcer.outbox().entries() if each.action.kind == "advance"]
    assert entry.action.title == "advance: chat to 0.05 of all users"
    rolling.site.announcer.outbox().rejected(entry.id, actor="ada", reason="not now")
    rolling.pass_a_day()
    assert "a person refused it" in rolling.act()["reasons"]
    assert rolling.advances() == ["rejected"]


def test_a_step_that_was_killed_between_deciding_and_planning_is_made_once_by_the_next_run(rolling: Rolling) -> None:
    rolling.start()
    rolling.site.decide(DAY)
    assert rolling.site.platform.actions.is_left_behind(DAY)
    for _ in range(2):
        rolling.site.act()
    assert (rolling.advances(), rolling.share) == (["confirmed"], 0.05)


def test_a_stop_refuses_the_step_that_waits_and_leaves_the_flag(rolling: Rolling) -> None:
    at_level(rolling.site, "approve")
    rolling.start()
    rolling.act()
    assert rolling.site.platform.rollouts.stopped(FLAG, actor="ada", reason="a bug") == 0.0
    assert rolling.advances() == ["rejected"]
    assert rolling.site.decide(DAY).filter(scope="rollout", feature="other").is_empty()
    with pytest.raises(ActionError, match="it is not running"):
        rolling.site.platform.rollouts.stopped(FLAG, actor="ada", reason="again")


def test_a_rollout_of_product_yaml_runs_by_itself_until_it_is_stopped(rolling: Rolling) -> None:
    declared = (Rollout(flag=FLAG, steps=(20, 100)),)
    rolling.site.platform = ruled_by(rolling.site.platform, rollouts=declared)
    assert rolling.act()["action"] == "advance"
    assert rolling.share == 0.2
    rolling.site.platform.rollouts.stopped(FLAG, actor="ada", reason="a bug")
    rolling.pass_a_day()
    assert rolling.site.decide(rolling.day).filter(scope="rollout").is_empty()


@pytest.mark.parametrize(
    ("rule", "steps", "says"),
    [
        ({"defaultVariant": "on"}, (5, 100), "everybody has the feature already"),
        ({"state": "DISABLED"}, (5, 100), "the state of the flag is DISABLED"),
        ({"targeting": {"if": [True, "on"]}}, (5, 100), "more than a `fractional` rule"),
        ({"targeting": {"fractional": [["on", 10], ["off", 90]]}}, (5, 100), "to 0.1 of all users, which is none of 5, 100"),
        ({}, (50, 5, 100), "50, 5, 100: each has to be larger"),
        ({}, (5, 50), "the last has to be 100"),
    ],
)  # fmt: skip
def test_what_cannot_be_rolled_out_is_refused(
    rolling: Rolling, rule: dict[str, Any], steps: tuple[float, ...], says: str
) -> None:
    rolling.edit(**rule)
    with pytest.raises(ActionError, match=says):
        rolling.start(*steps)


def test_an_unknown_flag_and_a_locked_one_are_refused(rolling: Rolling) -> None:
    with pytest.raises(ActionError, match="no feature has it as `flag_key`"):
        rolling.site.platform.rollouts.started("nothing", None, actor="ada", reason="new")
    rolling.site.announcer.flags([FLAG])[1].lock(FLAG, actor="eve", reason="mine")
    with pytest.raises(ActionError, match="eve has locked the flag: mine"):
        rolling.start()


def test_what_a_rollout_marks_is_no_experiment_with_fixed_shares(rolling: Rolling) -> None:
    rolling.start()
    rolling.act()
    for _ in range(2):
        rolling.pass_a_day()
    days = Days(DAY, rolling.day + timedelta(days=1))
    lake, platform = rolling.site.lake, rolling.site.platform
    lake.replace(FACT_EXPOSURES, days, sql("experiments/fact_exposures.sql"))
    newest = Days(rolling.day, days.end)
    plain = ExperimentService(platform.product, lake)
    moments = plain.moments_of(days)
    assert platform.experiments.moments_of(days).height == 0
    lake.replace(EXPERIMENT_MOMENTS, days, "FROM moments", frames={"moments": moments})
    _, verdicts = plain.standing_of(newest)
    assert verdicts["verdict"].to_list() == ["review"], "5 % where 50 % are expected"
    assert [frame.height for frame in platform.experiments.standing_of(newest)] == [0, 0]
    rolling.act()
    assert lake.frame(EXPERIMENTS_SEEN).height == 0
