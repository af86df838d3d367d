"""Rollouts: where each stands, by the flag, the outbox and the telemetry of its step, and what the policy decides about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from intelligence.actions.action import Kind
from intelligence.actions.flags import HELD, Document, exposure, flag_in, on_variant, safe_variant
from intelligence.actions.seen_exposure import first_day_after
from intelligence.catalog.product import Product
from intelligence.core.errors import ActionError
from intelligence.core.sql import sql
from intelligence.decisions.history import UNANSWERED
from intelligence.decisions.rollout_settings import Rollout
from intelligence.telemetry.names import normalised_name
from resources.lake.door import Lake
from resources.messages.announcer import Announcer

if TYPE_CHECKING:
    import polars as pl

    from intelligence.decisions.facts import FeatureFacts, SharedFacts
    from intelligence.decisions.rollout_evidence import StepEvidence
    from intelligence.decisions.rollouts import RolloutDecision, RolloutStanding
    from resources.flags.rollouts import RolloutLine, RolloutRecord

_UNITS = sql("decisions/rollout_units.sql")
_FAULTY = """SELECT event_date FROM telemetry.day_quality
             WHERE verdict IN ('partial', 'empty') AND event_date >= $start AND event_date < $end"""
_FEATURES = "SELECT feature FROM warehouse.dim_feature_metadata WHERE flag_key = $flag ORDER BY feature"
_MADE_IN = sql("telemetry/taken_in.sql")
_CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class RunningRollout:
    """A rollout that is running, with the line that started it; None where product.yaml alone declares it."""

    rollout: Rollout
    line: "RolloutLine | None"

    @property
    def run(self) -> str:
        """Return the name of this run of the rollout, with which the episodes of its actions begin."""
        return f"rollout {self.rollout.flag} #{self.line.sequence if self.line else 0}"

    def episode(self, share: float | None) -> str:
        """Return the episode of the step to `share`; that of a rollback for None or 0."""
        return f"{self.run} to {share:.4g}" if share else f"{self.run} back"


@dataclass(frozen=True, slots=True)
class RolloutService:
    """Starts, stops and decides the rollouts of a product."""

    product: Product
    lake: Lake
    announcer: Announcer

    def started(self, flag: str, steps: Sequence[float] | None, *, actor: str, reason: str) -> Rollout:
        """Return the rollout, which runs from now on; a running one starts again from the share at which its flag is.

        Args:
            flag: Key of the flag.
            steps: Its steps in per cent; None for those of product.yaml, or the default.
            actor: Who starts it.
            reason: Why, in one sentence.

        Raises:
            ActionError: There is no such flag, it cannot be raised, or the steps are wrong.
        """
        from resources.flags.rollouts import STARTED

        declared = next((each for each in self.product.rollouts if each.flag == flag), None)
        rollout = declared or Rollout(flag=flag)
        try:
            if steps is not None:
                rollout = Rollout.model_validate({**rollout.model_dump(), "steps": tuple(steps)})
        except ValidationError as error:
            message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise ActionError(
                f"rollout of {flag}", f"its steps {message}.", hint="Write them as --steps 5,25,50,100."
            ) from None
        self._feature_of(rollout)
        share = self._startable(rollout)
        declaration = None if declared is not None and steps is None else rollout.model_dump_json()
        self._record().add(flag, STARTED, exposure=share, actor=actor, reason=reason, declaration=declaration)
        return rollout

    def stopped(self, flag: str, *, actor: str, reason: str) -> float | None:
        """Return the share of users who keep the feature, None where it is not known; nothing raises the flag any more.

        Args:
            flag: Key of the flag.
            actor: Who stops it.
            reason: Why, in one sentence.

        Raises:
            ActionError: No rollout of the flag is running.
        """
        from resources.flags.rollouts import STOPPED

        found = {each.rollout.flag: each for each in self.running()}
        if flag not in found:
            running = ", ".join(found) or "none"
            raise ActionError(f"rollout of {flag}", "it is not running.", hint=f"Running: {running}.")
        share = exposure(self._document(), flag)
        self._record().add(flag, STOPPED, exposure=share or 0.0, actor=actor, reason=reason)
        waiting = [entry for entry in self._entries(found[flag]) if str(entry.state) in ("planned", "approved")]
        for entry in waiting:
            self.announcer.outbox().rejected(entry.id, actor=actor, reason=reason)
        return share

    def running(self) -> list[RunningRollout]:
        """Return the rollouts that run: those that a person started, and those of product.yaml that nobody stopped."""
        from resources.flags.rollouts import STARTED

        lines = self._record().newest()
        declared = {each.flag: each for each in self.product.rollouts}
        found = [RunningRollout(each, lines.get(flag)) for flag, each in declared.items()]
        for flag, line in lines.items():
            if line.declaration is not None:
                found = [each for each in found if each.rollout.flag != flag]
                found.append(RunningRollout(Rollout.model_validate_json(line.declaration), line))
        alive = [each for each in found if each.line is None or each.line.event == STARTED]
        return sorted(alive, key=lambda each: each.rollout.flag)

    def flags(self) -> frozenset[str]:
        """Return the flags with a rollout, whether it is running or has ended."""
        return frozenset(self._record().newest()) | {each.flag for each in self.product.rollouts}

    def shown(self) -> list[dict[str, Any]]:
        """Return where each running rollout stands and what was decided about it last."""
        query = """SELECT feature, event_date, action, level, reasons, json_extract(evidence, '$.units') AS units, flag_key
                   FROM decisions.feature_decisions WHERE scope = 'rollout'
                   QUALIFY row_number() OVER (PARTITION BY flag_key ORDER BY event_date DESC) = 1"""
        decided = self.lake.frame(query).rows_by_key("flag_key", named=True, unique=True) if self.lake.exists() else {}
        rows, document = [], self._document()
        for each in self.running():
            rollout, last = each.rollout, decided.get(each.rollout.flag, {})
            share, began = self._reached(each)
            rows.append(
                {
                    "flag": rollout.flag,
                    "feature": last.get("feature") or rollout.feature,
                    "steps": list(rollout.steps),
                    "step": share,
                    "exposure": _exposure(document, rollout.flag),
                    "since": began,
                    "started": each.line.at if each.line else None,
                    "decided_on": last.get("event_date"),
                    "action": last.get("action"),
                    "level": last.get("level"),
                    "reason": last.get("reasons"),
                }
            )
        return rows

    def rows_of(
        self, day: date, known: "pl.DataFrame", *, used: "SharedFacts", hour: int | None, snapshot: int | None = None
    ) -> list[dict[str, Any]]:
        """Return the decisions about the running rollouts as rows of decisions.feature_decisions.

        Args:
            day: The day at the end of which is decided.
            known: The evidence of the day, one row per feature.
            used: What other decisions have used up of the shared limits.
            hour: Hour on the product's clock; None where it does not matter.
            snapshot: Snapshot of the lake, for the record.
        """
        running = self.running()
        if not running:
            return []
        from intelligence.decisions.record import rollout_row
        from intelligence.decisions.rollouts import rollout_decision, touched_by

        rows, policy = [], self.product.decisions
        for each in running:
            try:
                standing = self.standing_of(each, day)
            except ActionError:
                continue  # what is wrong with the file of flags is told once, and not for each rollout
            facts = self._facts(each.rollout, day, known, used=used, hour=hour)
            made = rollout_decision(each.rollout, standing, facts, policy)
            touched = touched_by(made, standing, facts)
            used = _with(used, made, touched)
            rows.append(
                rollout_row(
                    each.rollout,
                    standing,
                    made,
                    facts,
                    episode=each.episode(made.share),
                    touched=touched,
                    policy_version=policy.version,
                    lake_snapshot=snapshot,
                )
            )
        return rows

    def standing_of(self, each: RunningRollout, day: date) -> "RolloutStanding":
        """Return where a rollout stands at the end of a day; raises ActionError where its flag cannot be read.

        Args:
            each: The rollout.
            day: The day.
        """
        from intelligence.decisions.rollouts import RolloutStanding

        document = self._document()
        flag_in(document, each.rollout.flag)
        share, began = self._reached(each)
        following = each.rollout.share_after(share)
        answers: dict[str, str] = {}
        for entry in self._entries(each):
            is_back = entry.action.kind is Kind.ROLLBACK
            is_next = entry.action.kind is Kind.ADVANCE and entry.action.payload.get("share") == following
            if (is_back or is_next) and entry.standing not in UNANSWERED:
                answers.setdefault(str(entry.action.kind), entry.standing)
        evidence = None
        if began is not None and began <= day and 0 < share < 1:
            evidence = self._evidence(each.rollout, document, share=share, began=began, day=day)
        rolled_back = answers.get("rollback") in (_CONFIRMED, "unconfirmed")
        return RolloutStanding(
            share=share, began=began, evidence=evidence, answers=answers, was_rolled_back=rolled_back
        )

    def _reached(self, each: RunningRollout) -> tuple[float, date | None]:
        """Return the share at which the rollout left its flag, and the first whole day of that step.

        The outbox says it: the largest confirmed step of this run. Before the first one it is the share at the start.
        """
        made = (self._made() or None) if self.product.is_simulated() else None
        done = [
            entry for entry in self._entries(each) if entry.action.kind is Kind.ADVANCE and entry.standing == _CONFIRMED
        ]
        if done:
            newest = max(done, key=lambda entry: float(entry.action.payload["share"]))
            moment = self._confirmed_at(newest.id)
            return float(newest.action.payload["share"]), first_day_after(moment, made, timezone=self.product.timezone)
        share = each.line.exposure if each.line else 0.0
        if each.line is None or share == 0:
            return share, None
        return share, first_day_after(each.line.at.astimezone(UTC), made, timezone=self.product.timezone)

    def _evidence(
        self, rollout: Rollout, document: Document, *, share: float, began: date, day: date
    ) -> "StepEvidence":
        import polars as pl

        from intelligence.decisions.rollout_evidence import step_evidence

        fold = self.product.names.case == "fold"
        span = {"start": began, "end": day + timedelta(days=1)}
        asked = {
            **span,
            "experiment": normalised_name(rollout.experiment, fold=fold),
            "feature": self._feature_of(rollout),
            "conversion_events": list(self.product.conversion_events),
        }
        units = self.lake.frame(_UNITS, asked)
        control = normalised_name(safe_variant(document, rollout.flag), fold=fold)
        variant = normalised_name(on_variant(document, rollout.flag), fold=fold)
        in_two = units.filter(pl.col("variants") > 1).height
        return step_evidence(
            units.filter(pl.col("variants") == 1),
            rollout,
            share=share,
            variants=(control, variant),
            days=(day - began).days + 1,
            in_two=in_two,
            faulty_days=self.lake.frame(_FAULTY, span)["event_date"].to_list(),
        )

    def _facts(
        self, rollout: Rollout, day: date, known: "pl.DataFrame", *, used: "SharedFacts", hour: int | None
    ) -> "FeatureFacts":
        from intelligence.decisions.facts import FeatureFacts

        document, record = self._document(), self.announcer.flags([])[1]
        name = self._feature_of(rollout)
        row = next(known.filter(feature=name).iter_rows(named=True), {})
        first = next(known.iter_rows(named=True), {})
        return FeatureFacts(
            event_date=day,
            feature=name,
            tier=row.get("tier"),
            flag_key=rollout.flag,
            exposure=_exposure(document, rollout.flag),
            is_locked=record.lock_of(rollout.flag) is not None,
            is_held=bool(flag_in(document, rollout.flag).get("metadata", {}).get(HELD, False)),
            quality=first.get("quality"),
            hour_utc=hour,
            share_of_users=row.get("share_of_users"),
            share_this_hour=used.share_now,
            share_this_day=used.share_today,
            touches_this_day=used.touches_today,
        )

    def _feature_of(self, rollout: Rollout) -> str:
        """Return the feature that the flag shows; raises ActionError where none or several have its key."""
        if rollout.feature:
            return rollout.feature
        found = {name for name in self.product.features if self.product.flag_of(name) == rollout.flag}
        if self.lake.exists():
            found |= set(self.lake.frame(_FEATURES, {"flag": rollout.flag})["feature"])
        if len(found) != 1:
            seen = f"{', '.join(sorted(found))} have it" if found else "no feature has it"
            raise ActionError(
                f"rollout of {rollout.flag}",
                f"{seen} as `flag_key`, and its guardrails are measured on one feature.",
                hint="Name the `feature` under `rollouts` in product.yaml.",
            )
        return found.pop()

    def _startable(self, rollout: Rollout) -> float:
        flag, what = rollout.flag, f"rollout of {rollout.flag}"
        lock = self.announcer.flags([])[1].lock_of(flag)
        if lock:
            hint = f"`intelligence release {flag}` lets the platform change it again."
            raise ActionError(what, f"{lock.actor} has locked the flag: {lock.reason}.", hint=hint)
        document = self._document()
        present = flag_in(document, flag)
        if present.get("state") != "ENABLED":
            hint = "Enable it, with the safe variant for everybody."
            raise ActionError(what, f"the state of the flag is {present.get('state')}.", hint=hint)
        if present.get("metadata", {}).get(HELD, False):
            raise ActionError(what, "the flag is held.", hint="`intelligence undo` takes the hold back.")
        safe_variant(document, flag)
        share = exposure(document, flag)
        if share is None:
            hint = "Give it one `fractional` rule, or no rule and the safe variant for everybody."
            raise ActionError(what, "its targeting has more than a `fractional` rule.", hint=hint)
        if share >= 1:
            hint = "A rollout begins where some do not have it: set the safe variant for everybody first."
            raise ActionError(what, "everybody has the feature already.", hint=hint)
        if share > 0 and all(abs(share - each) > 1e-3 for each in rollout.shares):
            steps = ", ".join(f"{step:g}" for step in rollout.steps)
            hint = f"Name it among the steps: --steps {share * 100:g},…"
            raise ActionError(
                what, f"the flag shows it to {share:.4g} of all users, which is none of {steps}.", hint=hint
            )
        return share

    def _entries(self, each: RunningRollout) -> list[Any]:
        """Return the flag changes of this run of the rollout, the newest first."""
        return [
            entry
            for entry in self.announcer.outbox().entries()
            if entry.action.target == "flags" and entry.action.episode.startswith(f"{each.run} ")
        ]

    def _confirmed_at(self, action_id: str) -> datetime:
        lines = self.announcer.outbox().history(action_id)
        return max(line.at for line in lines if str(line.state) == _CONFIRMED).astimezone(UTC)

    def _made(self) -> Mapping[date, datetime]:
        """Return when each simulated day was made."""
        taken_in = {day: at.replace(tzinfo=UTC) for day, at in self.lake.frame(_MADE_IN).iter_rows()}
        made = self.announcer.days_made()
        return {day: min(at, made.get(day, at)) for day, at in taken_in.items()}

    def _document(self) -> Document:
        flags = [each.flag for each in self.product.rollouts]
        return self.announcer.flags(flags)[0].document()

    def _record(self) -> "RolloutRecord":
        from resources.flags.rollouts import RolloutRecord

        outbox = self.announcer.outbox()
        return RolloutRecord(outbox.state, outbox.clock)


def _exposure(document: Document, flag: str) -> float | None:
    try:
        return exposure(document, flag)
    except ActionError:
        return None


def _with(used: "SharedFacts", made: "RolloutDecision", touched: float) -> "SharedFacts":
    if made.level != "auto":
        return used
    return replace(
        used,
        share_now=used.share_now + touched,
        share_today=used.share_today + touched,
        touches_today=used.touches_today + 1,
    )
