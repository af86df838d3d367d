"""The guard of the stream: what it finds becomes evidence for the policy, and what that decides is done at once.

A decision is recorded before anything is planned, its action is planned under its own id, and the outbox delivers it: a process
that is killed in between continues where it ended. What the guard did, the night's batch keeps as it is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from intelligence.core.errors import PlatformError
from intelligence.core.sql import sql
from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.record import decided
from intelligence.decisions.requested import SENT_LEVELS, requested_actions
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.online.evidence import Surroundings, guard_evidence, strongest
from intelligence.online.guard import Finding
from intelligence.online.windows import HOUR_MS, MINUTE_MS
from intelligence.telemetry.local_time import local_time
from resources.config.faults import reach
from resources.online.guard import Guard, Look
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.services.actions import ActionService
from resources.services.decisions import DecisionService
from resources.state.guarded import Guarded, GuardRecord

if TYPE_CHECKING:
    from resources.outbox.entries import Entry

GUARD: Final = "the guard"
_ENDED: Final = ("confirmed", "failed", "expired", "rejected", "undone")
# A finding that the policy did not act on is decided again after that much of the stream, with more evidence.
_AGAIN_MS: Final = MINUTE_MS
_RELEASE_DAYS: Final = sql("decisions/release_days.sql")
_LOOK_S, _SHOW_S = 5.0, 1.0
_KNOWN_USERS: Final = """
SELECT user_id FROM warehouse.dim_users
WHERE user_id IN (SELECT unnest(CAST($users AS VARCHAR[]))) AND first_seen_at < $before"""
_RELEASES: Final = """
SELECT platform, app_version, epoch_ms(min(first_seen_at)) // 60000 FROM warehouse.dim_releases GROUP BY ALL"""


@dataclass(frozen=True, slots=True)
class Done:
    """A decision of the guard, and where its actions stand.

    Attributes:
        decision: The decision.
        standings: Standing and reason of each action, by target.
    """

    decision: Guarded
    standings: Mapping[str, tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        made, row = self.decision, self.decision.row
        names = ("decision_id", "feature", "platform", "release", "action", "level")
        return {
            **{name: getattr(made, name) for name in names},
            "day": made.day.isoformat(),
            "stream_at": made.stream_at.isoformat(),
            "at": made.at.isoformat(),
            "reasons": row["reasons"],
            "confidence": row["confidence"],
            "propensity": row["propensity"],
            "lowered_by": row["lowered_by"],
            "actions": {name: {"standing": each[0], "reason": each[1]} for name, each in self.standings.items()},
        }


def done_of(decisions: DecisionService, *, since: date | None = None) -> list[Done]:
    """Return the decisions of the guard with the standing of their actions, the newest first.

    Args:
        decisions: The service that decides.
        since: First day; None for all.
    """
    if not decisions.announcer.is_opened():
        return []
    outbox = decisions.announcer.outbox()
    standings: dict[str, dict[str, tuple[str, str]]] = {}
    for entry in outbox.entries():
        standings.setdefault(entry.action.decision_id, {})[entry.action.target] = (entry.standing, entry.reason)
    found = GuardRecord(outbox.state, outbox.clock).decisions(since=since)
    return [Done(each, standings.get(each.decision_id, {})) for each in found]


def night_of(decisions: DecisionService, day: date, done: Sequence[Done]) -> list[str]:
    """Return in words what the night's batch makes of what the guard did on a day, whose tables are built.

    Args:
        decisions: The service that decides.
        day: The day.
        done: The decisions of the guard.
    """
    touched = {each.decision.feature: each.decision for each in done if each.decision.action in TOUCHING}
    query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date = $day AND action <> 'monitor' ORDER BY feature"
    rows = list(decisions.lake.frame(query, {"day": day}).iter_rows(named=True))
    kept = {row["feature"] for row in rows if row["decision_id"] in {each.decision_id for each in touched.values()}}
    said = []
    for feature, made in touched.items():
        span = {"start": day, "end": day + timedelta(days=1), "features": [feature]}
        counts = decisions.lake.frame(_RELEASE_DAYS, span).filter(platform=made.platform)
        one, rest = (counts.filter(each) for each in _sides(made.release))
        agrees = "keeps the decision" if feature in kept else "does not keep the decision"
        said.append(
            f"The night {agrees} of the guard on {feature}, {made.decision_id[:12]}. It counts {_failed(one)} of {made.release} on"
            f" {made.platform} that fail, and {_failed(rest)} of older releases."
        )
    others = [f"{row['action']} {row['feature']}" for row in rows if row["feature"] not in touched]
    return [*said, f"For other features it asks for {', '.join(others) or 'nothing'}."]


def _sides(release: str) -> tuple[pl.Expr, pl.Expr]:
    is_new = pl.col("app_version") == release
    return is_new, ~is_new


def _failed(counts: pl.DataFrame) -> str:
    return f"{counts['failed_events'].sum():,} of {counts['events'].sum():,} events"


class GuardService:
    """Watches one stream, decides on what is found there, and acts."""

    def __init__(
        self,
        decisions: DecisionService,
        actions: ActionService,
        processor: Processor,
        store: OnlineStore,
        *,
        by_stream: bool = False,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take up what an earlier process left behind.

        Args:
            decisions: The service that decides by the policy.
            actions: The service that plans and delivers.
            processor: Holds the windows of the stream.
            store: The store of the stream.
            by_stream: Whether the newest minute of the stream is the present, as in a rehearsal.
            told: Receives a sentence when something is decided or done, or the guard is suspended.
        """
        self._decisions, self._actions, self._store, self._told = decisions, actions, store, told
        self._product, self._processor, self._by_stream = decisions.product, processor, by_stream
        self._guard = Guard(self._product, processor, store, known_since=self._known_releases(), by_stream=by_stream)
        outbox = decisions.announcer.outbox()
        self._record = GuardRecord(outbox.state, outbox.clock)
        self._decided = {_key(each): each for each in reversed(self._record.decisions())}
        self._decided_ms = {key: int(each.stream_at.timestamp() * 1000) for key, each in self._decided.items()}
        self._looked_ms, self._looked_s, self._shown_s = 0, float("-inf"), float("-inf")
        self._standing: dict[str, Any] = {}
        self._open: set[str] = set()
        self._is_behind = False
        self._take_up()

    def _known_releases(self) -> dict[tuple[str, str], int]:
        if not self._decisions.lake.exists():
            return {}
        rows = self._decisions.lake.frame(_RELEASES).iter_rows()
        return {(platform, release): minute for platform, release, minute in rows}

    def _take_up(self) -> None:
        """Plan what was decided and not planned, and look after what was planned and is not at its end."""
        outbox = self._decisions.announcer.outbox()
        rows = [each.row for each in self._decided.values() if each.level in SENT_LEVELS]
        entries = outbox.entries()
        asked = {entry.action.decision_id for entry in entries}
        late = outbox.clock() - outbox.give_up
        made = {each.decision_id: each.at for each in self._decided.values()}
        missing = [row for row in rows if row["decision_id"] not in asked and made[row["decision_id"]] > late]
        if missing:
            self._plan(FEATURE_DECISIONS.frame(missing))
        known = {row["decision_id"] for row in rows}
        self._open |= {
            entry.id
            for entry in entries
            if entry.action.decision_id in known and entry.standing in ("approved", "sent")
        }
        if known:
            self._actions.announced()

    def __call__(self) -> None:
        """Look at the stream if it is time, decide on what is found, and do it; trouble of a store is told, and tried again."""
        settings, newest = self._product.online.guard, self._processor.newest_ms
        is_due = newest - self._looked_ms >= settings.every_s * 1000
        if not is_due and time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_ms, self._looked_s = newest, time.monotonic()
        look = self._guard.look(now=datetime.now(UTC))
        if look is None:
            return
        trouble = ""
        try:
            if self._is_behind:
                self._take_up()
            self._answer(look)
            self._deliver()
            self._is_behind = False
        except PlatformError as error:
            # What was recorded and not planned, or planned and not delivered, is taken up at the next look.
            self._is_behind, trouble = True, str(error)
        self._show(look, trouble)

    def _show(self, look: Look, trouble: str) -> None:
        standing = {"fault": look.fault, "trouble": trouble, "findings": [each.sentence for each in look.findings]}
        before = {name: self._standing.get(name) for name in standing}
        if standing == before and time.monotonic() - self._shown_s < _SHOW_S:
            return
        was = self._standing.get("fault") or ""
        if look.fault and not was:
            self._told(f"The guard is suspended: {look.fault}.")
        elif was and not look.fault:
            self._told("The guard watches.")
        if trouble and trouble != before["trouble"]:
            self._told(f"The guard could not act and tries again: {trouble}")
        since = self._standing.get("since") if bool(look.fault) == bool(was) else None
        self._standing = {**standing, "at": look.at.isoformat(), "since": since or look.at.isoformat()}
        self._shown_s = time.monotonic()
        self._store.write_guard(self._standing)

    def _answer(self, look: Look) -> None:
        day = local_time(look.at, self._product.timezone).date()
        at_ms = look.minute * MINUTE_MS
        new = [each for each in look.findings if self._is_open(each, day, at_ms)]
        if not new:
            return
        chosen = strongest(new)
        rows = self._rows(chosen, day, at_ms)
        releases = {each.feature: (each.platform, each.release) for each in chosen}
        for row in rows.iter_rows(named=True):
            key = (row["event_date"], row["feature"], *releases[row["feature"]])
            before = self._decided.get(key)
            self._decided_ms[key] = at_ms
            same = ("action", "level", "lowered_by")
            if before is None or any(before.row[name] != row[name] for name in same):
                self._record.add([row], stream_at=look.at, releases=releases)
                self._told(f"{look.at:%H:%M} on the stream: {row['reasons']}")
                made = self._record.clock()
                facts = (row["decision_id"], made, look.at, day, row["feature"], *releases[row["feature"]])
                self._decided[key] = Guarded(*facts, row["action"], row["level"], row)
        reach("guard.decided")
        self._plan(rows.filter(pl.col("decision_id").is_in([each.decision_id for each in self._decided.values()])))

    def _is_open(self, finding: Finding, day: date, at_ms: int) -> bool:
        """Return whether a finding is new, or was answered by no more than a message, so that more evidence may ask for more."""
        key = (day, finding.feature, finding.platform, finding.release)
        made = self._decided.get(key)
        return made is None or (made.action not in TOUCHING and at_ms - self._decided_ms[key] >= _AGAIN_MS)

    def _rows(self, chosen: Sequence[Finding], day: date, at_ms: int) -> pl.DataFrame:
        policy, service = self._product.decisions, self._decisions
        _, used = service.begun(day)
        hour = None
        if policy.quiet_hours:
            now = datetime.fromtimestamp(at_ms / 1000, UTC) if self._by_stream else datetime.now(UTC)
            hour = local_time(now, self._product.timezone).hour
        known = guard_evidence(
            chosen,
            self._around(chosen, at_ms),
            day=day,
            previous=service.previous_actions(day, of_the_day=True),
            used=used,
            hour_utc=hour,
            settings=policy,
        )
        return decided(known, settings=policy).filter(scope="feature")

    def _around(self, chosen: Sequence[Finding], at_ms: int) -> dict[str, Surroundings]:
        product, windows = self._product, self._processor.features
        keys = {each.feature: product.flag_of(each.feature) for each in chosen}
        keyed = pl.DataFrame({"feature": list(keys), "flag_key": list(keys.values())}, schema_overrides=_KEYED)
        flags = {row["feature"]: row for row in self._decisions.flag_states(keyed).iter_rows(named=True)}
        series, minutes = list(windows.series), max(60, *product.online.windows_minutes)
        everybody = windows.together(series, at_ms=at_ms, minutes=minutes).users
        found = {}
        for each in chosen:
            terms = product.features.get(each.feature, product.feature_defaults)
            own = windows.together([one for one in series if one[0] == each.feature], at_ms=at_ms, minutes=minutes)
            flag = flags.get(each.feature, {})
            harmed, known = self._harmed(each, at_ms)
            found[each.feature] = Surroundings(
                owner=terms.owner,
                tier=terms.tier,
                flag_key=keys[each.feature],
                exposure=flag.get("exposure"),
                is_locked=flag.get("is_locked"),
                is_held=flag.get("is_held"),
                users=own.users,
                all_users=everybody,
                harmed=harmed,
                known_harmed=known,
            )
        return found

    def _harmed(self, finding: Finding, at_ms: int) -> tuple[int, int]:
        """Return how many users the release harmed in the last hour, and how many of them were there before it.

        Newcomers are left out because whoever sends events can invent any number of user names.
        """
        series = (finding.feature, finding.platform, finding.release)
        harmed = self._store.harmed(*series, since_ms=at_ms - HOUR_MS)
        first_ms = self._guard.first_seen()[finding.platform, finding.release] * MINUTE_MS
        known = self._store.seen_before(harmed, before_ms=first_ms)
        if self._decisions.lake.exists() and (rest := sorted(harmed - known)):
            before = datetime.fromtimestamp(first_ms / 1000, UTC).replace(tzinfo=None)
            known |= set(self._decisions.lake.frame(_KNOWN_USERS, {"users": rest, "before": before})["user_id"])
        return len(harmed), len(known)

    def _plan(self, rows: pl.DataFrame) -> None:
        requested = requested_actions(rows, settings=self._product.decisions, is_newest_day=True)
        self._open |= set(self._actions.planned(requested))
        reach("guard.planned")

    def _deliver(self) -> None:
        """Deliver what the guard asked for and is not at its end, and say how it ended."""
        if not self._open:
            return
        self._actions.delivered(only=self._open)
        self._actions.announced()
        outbox = self._decisions.announcer.outbox()
        for one in sorted(self._open):
            entry = outbox.entry(one)
            if entry.standing in _ENDED or entry.unconfirmed or entry.standing == "planned":
                self._open.discard(one)
                self._told(_ended_in_words(entry))


_KEYED: Final[dict[str, Any]] = {"feature": pl.String, "flag_key": pl.String}


def _key(made: Guarded) -> tuple[date, str, str, str]:
    return made.day, made.feature, made.platform, made.release


def _ended_in_words(entry: "Entry") -> str:
    if entry.standing == "planned":
        return f"{entry.action.title} waits for a person: `intelligence approve {entry.id[:12]}`."
    read_back = " and read back" if entry.standing == "confirmed" and entry.action.target == "flags" else ""
    return f"{entry.action.title} ({entry.action.target}): {entry.standing}{read_back}, {entry.reason}."
