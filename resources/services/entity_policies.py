"""Learns the policy that decides on entities between safe answers, and has it followed where later decisions show that it gains."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.models.versions import CHAMPION, LoggedTraining
from resources.services.panels import ENTITY_POLICY, LONGEST_ENTITY_DAYS, Panels

if TYPE_CHECKING:
    from intelligence.decisions.learned_policy import EntityPolicy, PolicyLog, PolicyVerdict

MOST_DECISIONS: Final = 300_000
QUESTION: Final = "Whom to throttle and whom to let through, where the score alone would decide?"
_OPEN: Final = sql("decisions/open_decisions.sql")
_NO_DECISION: Final = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class LearnedPolicy:
    """What was learned, and what became of it.

    Attributes:
        verdict: The policy, and whether and why it is to be deployed.
        decisions: Number of decisions that it was learned from and judged by.
        version: Its version in the registry; None where nothing was learned that could be judged.
        is_champion: Whether the stream and the API follow it.
    """

    verdict: "PolicyVerdict"
    decisions: int
    version: str | None = None
    is_champion: bool = False


@dataclass(frozen=True, slots=True)
class EntityPolicyService:
    """Learns the policy of one product's entities from the lake and from reported outcomes."""

    product: Product
    lake: Lake
    registry: Registry
    panels: Panels

    def learned(self, *, cause: str = "asked for by a person") -> LearnedPolicy:
        """Return what the logged decisions teach; a policy that passes the gate becomes champion if product.yaml allows it.

        A policy that could be judged is registered, whatever the verdict, so that a person can look at it. One that was champion and was
        taken from its place is brought back by a person only.

        Args:
            cause: Why it is done, for the history of promotions.
        """
        from intelligence.decisions.learned_policy import policy_verdict
        from intelligence.decisions.sequential import policy_contest
        from intelligence.online.policy_log import policy_predictors

        snapshot, last_day, log = self._log()
        share = self.product.decisions.entities.exploration.share
        judged = policy_contest if self.product.online.ppo else policy_verdict
        verdict = judged(log, policy_predictors(self.product.online.predictors), share=share)
        decisions = len(log)
        if verdict.policy is None or verdict.value is None:
            return LearnedPolicy(verdict, decisions)
        logged = _logged(verdict, verdict.policy, decisions, snapshot, last_day)
        version = self.registry.registered(ENTITY_POLICY, verdict.policy, logged=logged, tags={"cause": cause}).version
        is_barred = self.registry.was_taken_down(ENTITY_POLICY, version)
        self.registry.tagged(
            ENTITY_POLICY,
            version,
            {"verdict": "promote" if verdict.deploy else "hold", "verdict_reason": verdict.reason},
        )
        is_champion = self.registry.aliases(ENTITY_POLICY).get(CHAMPION) == version
        if verdict.deploy and self.product.risk.promotion == "auto" and not is_champion and not is_barred:
            self.registry.promoted(ENTITY_POLICY, version, actor="the gate", cause=cause, reason=verdict.reason)
            is_champion = True
        return LearnedPolicy(verdict, decisions, version, is_champion)

    def _log(self) -> tuple[int, date, "PolicyLog"]:
        """Return the lake's snapshot, the last day of the log, and the log."""
        from intelligence.online.policy_log import policy_log

        newest = self.panels.newest_entity_decision() or _NO_DECISION
        since = newest - timedelta(days=LONGEST_ENTITY_DAYS)
        snapshot, frames = self.lake.read({"open": _OPEN}, {"since": since, "most": MOST_DECISIONS})
        online, terms = self.product.online, self.product.decisions.entities
        log = policy_log(
            frames["open"], self.panels.outcomes(), online.predictors, online.outcomes, terms, as_of=newest
        )
        return snapshot, (newest - timedelta(days=online.outcomes.days)).date(), log


def _logged(
    verdict: "PolicyVerdict", policy: "EntityPolicy", decisions: int, snapshot: int, last_day: date
) -> LoggedTraining:
    value = verdict.value
    beside = f"{verdict.beside}\n\n" if verdict.beside else ""
    leaves = "".join(f"- {each.words}\n" for each in policy.leaves)
    numbers = (
        {"gain_low": verdict.low, "gain": value.gain.value, "effective_size": value.effective_size} if value else {}
    )
    return LoggedTraining(
        question=QUESTION,
        summary=verdict.reason,
        snapshot=snapshot,
        trained_through=str(last_day),
        tables=("decisions.entity_decisions",),
        params={"kind": policy.kind, "decisions": decisions, "leaves": len(policy.leaves)},
        metrics={name: each for name, each in numbers.items() if each is not None},
        files={"card.md": f"# {QUESTION}\n\n{verdict.reason}\n\n{beside}{leaves}".encode()},
    )
