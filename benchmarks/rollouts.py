"""Guarded rollouts of bad and of good versions: what is stopped, what arrives, and who meets the harm.

Users of a simulated product are served by a real file of flags, read through OpenFeature, and the platform's own target raises or
rolls back the flag. On each day those who are active use the feature, and some of their events fail. A bad version fails 2 points
more often than the old one; a good one fails as often. At the end of each day `rollout_decision` decides, at the level `auto`.

An unguarded release would have shown the version to all users on the same days. Demanded: each bad version is rolled back in its
first step, each good one arrives at everybody, and no user who has the feature loses it by an advance.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.measuring import demand, tell
from intelligence.actions.action import Action, Kind
from intelligence.actions.flags import exposure, first_document
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.rollout_evidence import StepEvidence, step_evidence
from intelligence.decisions.rollout_settings import Rollout
from intelligence.decisions.rollouts import RolloutDecision, RolloutStanding, rollout_decision
from intelligence.decisions.settings import Decisions
from intelligence.metrics.registry import METRICS, required_columns
from resources.flags.file import FlagFile
from resources.flags.provider import flag_client, served_variant
from resources.flags.record import FlagRecord
from resources.flags.target import Flags
from resources.state.store import state_at

FLAG = "new-editor"
START = date(2026, 7, 6)
MOST_DAYS = 60
ACTIVE = 0.35
EVENTS = 3.0
FAILS = 0.02
CRASHES = 0.002
WORSE = 0.02
REACH = 0.2

Bools = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass
class Site:
    """A file of flags on local disk in which the feature is off for everybody, and the target that changes it."""

    folder: Path
    users: list[str]
    flags: Flags = field(init=False)
    changes: int = 0

    def __post_init__(self) -> None:
        record = FlagRecord(state_at(f"sqlite:///{self.folder}/state.db"), lambda: datetime.now(UTC))
        self.flags = Flags(FlagFile(self.folder / "flags.flagd.json", record), record)
        document = first_document([FLAG])
        document["flags"][FLAG]["defaultVariant"] = "off"
        self.flags.file.write(document, instead_of="")

    def has_it(self) -> Bools:
        """Return for each user whether the flag serves the variant that is on."""
        client = flag_client(self.flags.file.path)
        return np.array([served_variant(client, FLAG, True, user)[0] == "on" for user in self.users])

    def exposure(self) -> float | None:
        """Return the share of users to whom the flag shows the feature."""
        return exposure(self.flags.file.document(), FLAG)

    def carry_out(self, made: RolloutDecision, day: date) -> None:
        """Change the flag as decided; the target reads the change back through OpenFeature."""
        self.changes += 1
        kind = Kind.ADVANCE if made.word == "advance" else Kind.ROLLBACK
        payload = {"flag": FLAG, "share": made.share}
        action = Action(f"d{self.changes}", kind, "flags", FLAG, day, FLAG, "", made.reason, payload)
        self.flags.sent(action, None)


@dataclass(frozen=True)
class Ran:
    """What became of one rollout."""

    end: str
    share: float
    days: int
    moved_back: int
    met: int
    met_unguarded: int
    harm: float
    harm_unguarded: float
    reason: str


@dataclass
class Uses:
    """What each user did on the days of a step."""

    size: int
    sums: dict[str, Numbers] = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget all earlier days."""
        metrics = [METRICS[use.metric] for use in Rollout(flag=FLAG).guardrails]
        self.sums = {name: np.zeros(self.size) for name in required_columns(metrics)}

    def add(self, active: Bools, events: Numbers, failed: Numbers, crashed: Bools) -> None:
        """Add a day."""
        for name, values in (
            ("active_days", active),
            ("crash_free_days", active & ~crashed),
            ("feature_events", events),
            ("feature_failed_events", failed),
        ):
            self.sums[name] += values

    def evidence(self, rollout: Rollout, has_it: Bools, share: float, days: int) -> StepEvidence:
        """Return the evidence of the step."""
        seen = self.sums["active_days"] > 0
        columns = {name: values[seen] for name, values in self.sums.items()}
        frame = pl.DataFrame({"variant": np.where(has_it[seen], "on", "off"), **columns})
        values = frame.with_columns(exposed_on=pl.lit(START))
        return step_evidence(values, rollout, share=share, variants=("off", "on"), days=days)


def ran(seed: int, *, users: int, worse: float) -> Ran:
    """Return what becomes of a version that fails `worse` more often, in [0, 1], among so many users."""
    random = np.random.default_rng([seed, round(1e4 * worse)])
    rollout, policy, uses = Rollout(flag=FLAG, feature=FLAG), Decisions().at_level("auto"), Uses(users)
    chance = random.beta(1.4, 1.4 * (1 - ACTIVE) / ACTIVE, users)
    prone = random.gamma(4.0, 0.25, users)
    ever = np.zeros(users, dtype=bool)
    met, moved_back, harm, harm_unguarded, share = ever.copy(), 0, 0.0, 0.0, 0.0
    has_it, began, evidence = ever.copy(), START, None
    made = RolloutDecision("hold", "")
    with tempfile.TemporaryDirectory(prefix="rollout-") as folder:
        site = Site(Path(folder), [f"{seed}-user-{number}" for number in range(users)])
        for number in range(MOST_DAYS):
            day = START + timedelta(days=number)
            if share:
                active = random.random(users) < chance
                events = active * (1.0 + random.poisson(EVENTS - 1, users))
                rate = np.clip(prone * FAILS + worse * has_it, 0, 1)
                failed = random.binomial(events.astype(int), rate).astype(float)
                uses.add(active, events, failed, active & (random.random(users) < CRASHES))
                ever |= active
                met |= active & has_it
                harm += worse * float(events[has_it].sum())
                harm_unguarded += worse * float(events.sum())
                evidence = uses.evidence(rollout, has_it, share, (day - began).days + 1) if share < 1 else None
            facts = FeatureFacts(
                event_date=day, feature=FLAG, tier=2, flag_key=FLAG, exposure=site.exposure(), is_locked=False,
                is_held=False, quality="whole", share_of_users=REACH,
            )  # fmt: skip
            made = rollout_decision(
                rollout, RolloutStanding(share=share, began=began, evidence=evidence), facts, policy
            )
            if made.word == "finished":
                break
            if made.word == "hold":
                continue
            site.carry_out(made, day)
            now = site.has_it()
            if made.word == "roll_back":
                demand(not now.any(), f"{now.sum()} users have the feature after a rollback")
                break
            moved_back += int((has_it & ~now).sum())
            has_it, share, began, evidence = now, made.share or 0.0, day + timedelta(days=1), None
            uses.begin()
        site.flags.record.state.close()
    return Ran(
        made.word, share, number + 1, moved_back, int(met.sum()), int(ever.sum()), harm, harm_unguarded, made.reason
    )


def told(name: str, seeds: int, *, users: int, worse: float) -> list[Ran]:
    """Return what becomes of one version for each seed, and print it."""
    found = []
    for seed in range(seeds):
        each = ran(seed, users=users, worse=worse)
        found.append(each)
        print(
            f"{name:4} seed {seed}: {each.end.replace('_', ' '):9} at {each.share:4.0%} after {each.days:2} days;"
            f" {each.met:,} of {each.met_unguarded:,} users had it; {each.harm:,.0f} of {each.harm_unguarded:,.0f} more"
            f" failures than before",
            flush=True,
        )
        tell(each.reason)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="versions of each kind")
    parser.add_argument("--users", type=int, default=40_000, help="users of the product")
    chosen = parser.parse_args()
    begun = time.process_time()
    bad = told("bad", chosen.seeds, users=chosen.users, worse=WORSE)
    good = told("good", chosen.seeds, users=chosen.users, worse=0.0)
    first = Rollout(flag=FLAG).shares[0]
    passed = [each for each in bad if each.end != "roll_back" or each.share > first]
    arrived = [each for each in good if each.end == "finished"]
    met, unguarded = sum(each.met for each in bad), sum(each.met_unguarded for each in bad)
    harm, all_harm = sum(each.harm for each in bad), sum(each.harm_unguarded for each in bad)
    print(
        f"bad:  {len(bad) - len(passed)} of {len(bad)} rolled back in the first step; harm let through: {harm:,.0f} failures,"
        f" {harm / all_harm:.1%} of those of an unguarded release; users exposed: {met:,} of {unguarded:,}, {met / unguarded:.1%}"
    )
    print(
        f"good: {len(arrived)} of {len(good)} arrived, after {np.median([each.days for each in good]):.0f} days at the median;"
        f" {sum(each.end == 'roll_back' for each in good)} stopped"
    )
    moved_back = sum(each.moved_back for each in (*bad, *good))
    print(f"users who lost the feature by an advance: {moved_back}")
    tell(f"{time.process_time() - begun:.0f} s CPU")
    demand(not passed, f"{len(passed)} bad versions passed the first step")
    demand(len(arrived) == len(good), f"{len(good) - len(arrived)} good versions did not arrive")
    demand(moved_back == 0, f"{moved_back} users lost the feature by an advance")


if __name__ == "__main__":
    main()
