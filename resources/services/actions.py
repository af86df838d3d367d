"""Acting: plan what the newest decisions request, deliver it, and read the results."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from intelligence.actions.action import FLAG_KINDS, Action, Kind
from intelligence.actions.tables import ACTION_LOG
from intelligence.catalog.product import Product
from intelligence.core.tables import Read, Reads
from intelligence.decisions.autonomy import ACTIVE, ADVANCE
from intelligence.decisions.history import UNANSWERED
from intelligence.decisions.requested import RequestedAction, requested_actions
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY
from intelligence.telemetry.tables import BATCHES, DAY_QUALITY
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.services.verification import VerificationService

PLANNER = "the policy"


TEXT_BY_STANDING = {
    "planned": "It waits for a person: `intelligence approve {id}` or `intelligence reject {id}`.",
    "confirmed": "Done, and read back through OpenFeature. `intelligence undo {id}` takes it back.",
    "unconfirmed": "Nobody can tell whether it was done: {reason}. Look at the flag, then `intelligence settle {id}`.",
    "failed": "It was not done: {reason}.",
}
TEXT_WITHOUT_EFFECT = (
    "The flag was changed, and telemetry does not show it. {reason} See whether the application asks the flag, then"
    " `intelligence settle {id}`, or `intelligence undo {id}`."
)
_WAITING = ("approved", "sent")
READS: Reads = {
    ACTION_LOG: (
        Read(FEATURE_DECISIONS),
        Read(FEATURE_HEALTH),
        Read(FACT_FEATURE_METRICS),
        Read(KPI_DAY),
        Read(DAY_QUALITY),
        Read(BATCHES),
    )
}


def _share_of(requested: RequestedAction) -> dict[str, Any]:
    return {name: requested.payload[name] for name in ("share", "former_share") if name in requested.payload}


@dataclass(frozen=True, slots=True)
class Shown:
    """Actions to show to a person, what delays some of them, and what is wrong with the file of flags."""

    rows: list[dict[str, Any]]
    notes: list[str]
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ActionService:
    """Plans and carries out what decisions request."""

    product: Product
    lake: Lake
    announcer: Announcer
    verification: VerificationService

    def acted(self) -> tuple[pl.DataFrame, str]:
        """Return the rows of actions.action_log and a summary of what was done.

        Everything that is due is planned and delivered, the effects of earlier changes are looked for in the telemetry,
        and people are notified.
        """
        query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date = (SELECT max(event_date) FROM metrics.feature_health)"
        newest = self.lake.frame(query)
        self.pause_where_actions_were_lost()
        requested = requested_actions(newest, settings=self.product.decisions, is_newest_day=True)
        new = self.planned(requested)
        report = self.delivered()
        unseen = self.verification.doubted()
        messages = self.announced()
        standing = pl.Series([result.standing for result in report.results], dtype=pl.String).value_counts(sort=True)
        counts = ", ".join(f"{count} {name}" for name, count in standing.iter_rows())
        summary = (
            f"{len(requested)} wanted, {len(new)} new; delivered: {counts or 'nothing'};"
            f" {len(unseen)} not seen in telemetry; {messages} messages"
        )
        return self.log_rows(), f"{summary}. {report.held_up}." if report.held_up else f"{summary}."

    def pause_where_actions_were_lost(self) -> None:
        """Pause everything until a person resumes it, where the lake lists actions that are missing in the store of actions.

        The store was lost or is an older copy: missing actions may have been sent, and would be sent again.
        """
        outbox = self.announcer.outbox()
        lost = set(self.lake.frame(f"SELECT action_id FROM {ACTION_LOG.path}")["action_id"]) - outbox.ids()
        if lost:
            reason = f"{len(lost)} actions that the lake lists are not in the store of actions: it was lost, or is an older one"
            outbox.paused("everything", actor=PLANNER, reason=reason)

    def delivered(self, *, only: Collection[str] | None = None) -> Any:
        """Return the report of delivering approved actions to their targets.

        Actions that only the policy approved are withdrawn first, where product.yaml does not allow their kind to act
        by itself any more.

        Args:
            only: Ids of the actions to deliver; None for all.
        """
        policy = self.product.decisions
        lowered: list[str] = [kind for kind in ACTIVE if policy.of(kind).level != "auto"]
        lowered += [ADVANCE] if policy.advance.level != "auto" else []
        self.announcer.outbox().withdrawn(
            lowered, approved_by=PLANNER, reason="product.yaml lets it act by itself no more"
        )
        return self.announcer.delivered(only=only)

    def is_left_behind(self, day: date) -> bool:
        """Return whether the day's decisions request an action that was never planned, or one still waits to be sent.

        That is the only trace of a process that was killed between deciding and planning.
        """
        decisions = self.lake.frame(f"FROM {FEATURE_DECISIONS.path} WHERE event_date = $day", {"day": day})
        log = self.lake.frame(f"FROM {ACTION_LOG.path}")
        requested = requested_actions(decisions, settings=self.product.decisions, is_newest_day=True)
        needed = {(each.episode, str(each.kind), each.target) for one in requested for each in self.actions_for(one)}
        waits = not log.filter(pl.col("standing").is_in(_WAITING)).is_empty()
        return waits or not needed <= set(log.select("episode", "kind", "target").iter_rows())

    def unseen_feature(self, scope: str) -> str | None:
        """Return the feature that the scope of a pause names, where it is in no telemetry yet; else None."""
        kind, _, name = scope.partition(":")
        known = "SELECT feature FROM warehouse.dim_feature_metadata WHERE feature = $name"
        is_seen = kind != "feature" or (self.lake.exists() and self.lake.frame(known, {"name": name}).height)
        return None if is_seen else name

    def shown_actions(self, *, limit: int) -> Shown:
        """Return the newest actions, the pauses that are in force, and the flags that are locked."""
        rows = self.log_rows().sort("planned_at", "action_id", descending=True).head(limit).to_dicts()
        notes = [str(pause) for pause in self.announcer.outbox().pauses()]
        flags = self.announcer.flag_target()
        notes += [
            f"Flag {lock.flag} is locked ({lock.reason}): `intelligence release {lock.flag}`."
            for lock in flags.record.locks()
        ]
        notes += self.decided_on_the_stream()
        trouble = self.announcer.flag_trouble()
        standing, taken_over = flags.standing_actions(), flags.taken_over()
        for row in rows:
            if row["standing"] != "confirmed" or row["target"] != flags.name:
                continue
            if trouble and row["action_id"] in standing:
                row.update(standing="unconfirmed", reason="its flag cannot be read back: see below")
            elif row["action_id"] in taken_over:
                row.update(standing="overridden", reason=taken_over[row["action_id"]])
        return Shown(rows, notes, trouble)

    def decided_on_the_stream(self) -> list[str]:
        """Return what the guard of the stream decided on days that the night has not decided yet, the newest first."""
        from resources.state.glance import holds_nothing

        if holds_nothing(self.announcer.state, ("guard_decisions",)):
            return []
        from resources.state.guarded import GuardRecord

        outbox = self.announcer.outbox()
        found = [each for each in GuardRecord(outbox.state, outbox.clock).decisions() if each.action != "monitor"]
        newest = None
        if found and self.lake.exists():
            newest = self.lake.frame(f"SELECT max(event_date) AS day FROM {FEATURE_DECISIONS.path}")["day"][0]
        return [
            f"On the stream, {each.stream_at:%Y-%m-%d %H:%M} UTC ({each.level}): {each.row['reasons']}"
            for each in found
            if newest is None or each.day > newest
        ]

    def log_rows(self) -> pl.DataFrame:
        """Return the outbox as rows of actions.action_log."""
        rows = [
            {
                "action_id": entry.id,
                **{
                    name: getattr(entry.action, name)
                    for name in ("decision_id", "day", "target", "feature", "episode", "title")
                },
                "kind": str(entry.action.kind),
                "standing": entry.standing,
                "reason": entry.reason,
                "attempts": entry.attempts,
                "planned_at": entry.planned_at.replace(tzinfo=None),
                "changed_at": entry.changed_at.replace(tzinfo=None),
            }
            for entry in self.announcer.outbox().entries()
        ]
        return ACTION_LOG.frame(rows)

    def planned(self, requested: Sequence[RequestedAction]) -> list[str]:
        """Return the ids of the actions that are new in the outbox.

        An action of the same episode, kind and target as an earlier one is planned again only where the earlier one
        failed or nobody approved it in time. Late telemetry or another policy makes new decisions, and must not send a
        second message.
        """
        outbox = self.announcer.outbox()
        new: list[str] = []
        begun = {entry.action.identity for entry in outbox.entries() if entry.standing not in UNANSWERED}
        for each in requested:
            actions = [self._with_digest_of_flag(one) for one in self.actions_for(each) if one.identity not in begun]
            reason = f"{each.kind} at level {each.level}: {each.text}"
            new += outbox.planned(actions, actor=PLANNER, reason=reason, approved=each.level == "auto")
        return new

    def _with_digest_of_flag(self, action: Action) -> Action:
        """Return the action with a digest of its flag, which shows later whether a person changed the flag in the meantime."""
        from intelligence.actions.flags import digest_of
        from intelligence.core.errors import ActionError

        if action.target != "flags":
            return action
        try:
            digest = digest_of(self.announcer.flags([])[0].document(), action.payload["flag"])
        except ActionError:
            return action
        return replace(action, payload={**action.payload, "digest": digest})

    def actions_for(self, requested: RequestedAction) -> list[Action]:
        """Return the actions that carry out a request, one for each target that product.yaml switches on for its kind."""
        on, kind = self.product.actions.targets, Kind(requested.kind)
        feature = None if requested.scope == "pipeline" else requested.feature
        owner = self.product.features.get(feature or "", self.product.feature_defaults).owner
        payloads: dict[str, dict[str, Any]] = {
            "flags": {"flag": requested.flag_key, "step": self.product.decisions.throttle_step, **_share_of(requested)},
            "slack": {"channel": self.product.actions.channel_of(owner if feature else self.product.owner)},
            "pagerduty": {"severity": "error"},
            "webhook": dict(requested.payload),
        }
        if kind in FLAG_KINDS:
            targets = ["flags", *(name for name in ("webhook",) if name in on)]
        elif kind is Kind.TICKET:
            targets = ["jira" if "jira" in on else "slack"]
        else:
            targets = [name for name in ("slack", "pagerduty") if name in on]
        return [
            Action(
                decision_id=requested.decision_id,
                kind=kind,
                target=target,
                feature=feature,
                day=requested.day,
                episode=requested.episode,
                title=requested.title,
                text=requested.text,
                payload=payloads.get(target, {}),
            )
            for target in targets
            if target in on
        ]

    def announced(self) -> int:
        """Return how many messages were new about lost flags, actions that wait for approval, and actions in doubt."""
        from resources.outbox.deliverer import LAPSED

        notifier, new = self.announcer.notifier(), int(self._notified_of_lost_flags())
        for entry in self.announcer.outbox().entries():
            # The loss of the file of flags is one message, not one for each action.
            if (
                entry.action.target != "flags"
                or entry.standing not in TEXT_BY_STANDING
                or entry.reason.startswith(LAPSED)
            ):
                continue
            # Only an action that was carried out has a receipt: in that case its effect is in doubt.
            words = TEXT_WITHOUT_EFFECT if entry.unconfirmed and entry.receipt else TEXT_BY_STANDING[entry.standing]
            text = f"{entry.action.text}\n{words.format(id=entry.id[:12], reason=entry.reason)}"
            channel = self.product.actions.channel_of(self.product.owner)
            title = f"{entry.action.title}: {entry.standing}"
            new += notifier.notified(entry.action.episode, title, text, channel, topic=f"{entry.id} {entry.standing}")
        return new

    def _notified_of_lost_flags(self) -> bool:
        """Return whether a new message says that the file of flags was lost or cannot be read."""
        file, record = self.announcer.flags([])
        trouble, loss = self.announcer.flag_trouble(), record.lost_since()
        if trouble and loss is None:
            record.note("lost", str(file.path), actor=PLANNER, reason=trouble)
            loss = record.lost_since()
        if trouble is None:
            return False
        episode = f"flags lost {loss}"
        text = f"{trouble}\nUntil then the platform touches no flag, and what it did at flags is unconfirmed."
        title = "The feature flags cannot be relied on"
        return bool(
            self.announcer.notifier().notified(
                episode, title, text, self.product.actions.channel_of(self.product.owner), topic=episode
            )
        )
