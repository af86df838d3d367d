"""The answer for one event of an entity: rules as data above, the score between, and what the rules say where it is missing.

The stream, the API and a replay of history call `online_decision`, and nothing else decides.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from intelligence.decisions.autonomy import Level
from intelligence.decisions.entity import ANSWERS, ENTITY_RULES, Answer, EntityFacts, entity_decision
from intelligence.decisions.learned_policy import SAFE, EntityPolicy
from intelligence.decisions.rules import broken
from intelligence.decisions.settings import Decisions
from intelligence.online.scoring import Score
from intelligence.online.settings import Online, OnlineRule

CODES: Final[Mapping[Answer, int]] = {answer: code for code, answer in enumerate(ANSWERS)}
NO_MODEL: Final = "no model scores entities"
DecidedBy = Literal["rule", "score", "learned_policy", "lot", "fallback"]


class Known(msgspec.Struct, frozen=True):
    """What is known of an entity at one of its events.

    Attributes:
        entity: The entity.
        value: Worth of the event; None where it has none.
        windows: Its windows just after the event, by name of predictor; None where they are not known.
        risk_score: Probability of harm in [0, 1]; None where no model scored it.
        facts: What `entity_decision` reads: `drift`, `model_version`, `risk_low`, `risk_high` and `is_exempt`; any may be absent.
        why_no_score: Why no model scored it, in words.
        event_id: Id of the event, which decides by lot where lots are drawn.
    """

    entity: str
    value: float | None = None
    windows: Mapping[str, float] | None = None
    risk_score: float | None = None
    facts: EntityFacts | None = None
    why_no_score: str = NO_MODEL
    event_id: str = ""

    @classmethod
    def scored(
        cls,
        entity: str,
        value: float | None,
        windows: Mapping[str, float] | None,
        score: Score | None,
        why_none: str,
        *,
        event_id: str = "",
    ) -> "Known":
        """Return what is known of an entity with its score, or with the reason why it has none.

        Args:
            entity: The entity.
            value: Worth of the event; None where it has none.
            windows: Its windows just after the event, by name of predictor; None where they are not known.
            score: The score; None where there is none.
            why_none: Why there is none, in words.
            event_id: Id of the event.
        """
        if score is None:
            return cls(entity, value, windows, why_no_score=why_none or NO_MODEL, event_id=event_id)
        facts = {"model_version": score.version, "risk_low": score.low, "risk_high": score.high}
        return cls(entity, value, windows, score.risk_score, facts, event_id=event_id)


class Learned(msgspec.Struct, frozen=True):
    """A learned policy that decides between safe answers.

    Attributes:
        policy: The policy.
        version: Its version in the registry.
    """

    policy: EntityPolicy
    version: str


class OnlineDecision(msgspec.Struct, frozen=True):
    """What to do with an entity, and why.

    Attributes:
        answer: The decision.
        per_minute: How many events per minute it keeps where it is throttled, else None.
        reason: The rule, the risk, or why there is no score, in words.
        rules: Names of all rules that apply.
        lowered_by: Names of the rules of the policy that made the answer to a score milder.
        is_fallback: Whether no score was used because there was none, or because something failed.
        level: Autonomy level; below `auto` the answer is recorded and everybody is let through.
        propensity: Probability with which this answer is given here; 1 where no lot is drawn.
        is_drawn: Whether the lot fell on an answer that the policy would not have given.
        learned_version: Version of the learned policy that decided instead of the score; None where none did.
        rule: Name of the rule that decided; None where none did.
    """

    answer: Answer
    per_minute: float | None
    reason: str
    rules: tuple[str, ...]
    lowered_by: tuple[str, ...]
    is_fallback: bool
    level: Level
    propensity: float = 1.0
    is_drawn: bool = False
    learned_version: str | None = None
    rule: str | None = None

    @property
    def by(self) -> DecidedBy:
        """Return what the answer comes from."""
        if self.rule is not None:
            return "rule"
        if self.is_drawn:
            return "lot"
        if self.is_fallback:
            return "fallback"
        return "score" if self.learned_version is None else "learned_policy"

    @property
    def code(self) -> int:
        """Return the answer as a number: 0 allow, 1 throttle, 2 block."""
        return CODES[self.answer]

    @property
    def delay_s(self) -> float:
        """Return the time between two events that a throttled entity keeps, in seconds; 0 for all others."""
        return 60 / self.per_minute if self.per_minute else 0.0

    @property
    def is_enforced(self) -> bool:
        """Return whether the answer is carried out and not only recorded."""
        return self.level == "auto"


def applies(rule: OnlineRule, known: Known) -> bool | None:
    """Return whether a rule applies; None where that cannot be told.

    Args:
        rule: The rule.
        known: What is known of the entity.
    """
    if rule.entities:
        return known.entity in rule.entities
    limit = rule.above if rule.predictor else rule.value_above
    value = (known.windows or {}).get(rule.predictor) if rule.predictor else known.value
    if value is None and not rule.predictor:
        return False
    if value is None or limit is None or math.isnan(value):
        return None
    return value > limit


def online_decision(
    known: Known, *, online: Online, decisions: Decisions, learned: Learned | None = None
) -> OnlineDecision:
    """Return what to do with an entity; never raises.

    A list that allows goes before everything else. Then the strictest rule that applies decides, whatever the score. Where none
    applies, the score does by `entity_decision`; between letting through and throttling a learned policy may decide in its place, and a
    lot may exchange the two. Without a score, or where a rule cannot be evaluated, the answer is the configured fallback, and says so.

    Args:
        known: What is known of the entity.
        online: The rules above the score.
        decisions: The policy.
        learned: The learned policy; None where there is none.

    >>> rule = OnlineRule(name="burst", answer="throttle", counter="events", minutes=1, above=100, per_minute=20)
    >>> known = Known("u1", windows={"events_1m": 101.0})
    >>> found = online_decision(known, online=Online(rules=(rule,)), decisions=Decisions())
    >>> found.answer, found.delay_s, found.reason
    ('throttle', 3.0, 'events_1m is 101, above 100 (burst)')
    """
    level = decisions.entities.level
    try:
        applied = [(rule, applies(rule, known)) for rule in online.rules]
        hit = [rule for rule, does in applied if does]
        names = tuple(rule.name for rule in hit)
        if hit:
            allowing = next((rule for rule in hit if rule.answer == "allow"), None)
            # Of rules that are equally strict the first counts, of throttles the slowest.
            chosen = allowing or max(hit, key=lambda rule: (CODES[rule.answer], -(rule.per_minute or 0)))
            reason = _in_words(chosen, known)
            return OnlineDecision(chosen.answer, chosen.per_minute, reason, names, (), False, level, rule=chosen.name)
        unknown = next((rule.name for rule, does in applied if does is None), None)
        missing = f"the window of the rule {unknown} is not known" if unknown else _without_score(known)
    except Exception as error:  # the stream and the API always answer
        names, missing = (), f"{type(error).__name__} while deciding"
    score = None if missing else known.risk_score
    scored = entity_decision(score, facts=known.facts or {}, settings=decisions)
    reason = f"{missing}: the fallback holds" if missing else scored.reason
    found = OnlineDecision(scored.answer, None, reason, (), scored.lowered_by, scored.is_fallback, scored.level)
    if learned is not None or decisions.entities.exploration.share:
        try:
            found = _explored(_by_learned(found, known, learned, decisions), known, decisions)
        except Exception:  # the stream and the API always answer: then by the score
            reason = f"{reason}, since the learned policy fails"
            found = msgspec.structs.replace(found, reason=reason)
    if found.answer == "throttle":
        found = msgspec.structs.replace(found, per_minute=online.throttled_per_minute)
    return found


def _by_learned(found: OnlineDecision, known: Known, learned: Learned | None, decisions: Decisions) -> OnlineDecision:
    """Return the answer of the learned policy where it has one and no rule bars it."""
    if learned is None or not _is_open(found):
        return found
    leaf = learned.policy.leaf({**(known.windows or {}), "risk_score": known.risk_score})
    answer = next((each for each in SAFE if each == leaf.answer), None)
    if answer is None or (answer != found.answer and not _is_allowed(answer, known, decisions)):
        return found
    reason = f"{found.reason}, by the learned policy {learned.version}"
    return msgspec.structs.replace(found, answer=answer, reason=reason, learned_version=learned.version)


def _explored(found: OnlineDecision, known: Known, decisions: Decisions) -> OnlineDecision:
    """Return the answer after the lot, with its probability."""
    exploration = decisions.entities.exploration
    if not exploration.share or not found.is_enforced or not _is_open(found):
        return found
    other: Answer = "throttle" if found.answer == "allow" else "allow"
    if not _is_allowed(other, known, decisions):
        return found
    if lot(known.entity, known.event_id, seed=exploration.seed) >= exploration.share:
        return msgspec.structs.replace(found, propensity=1 - exploration.share)
    reason = f"{found.reason}, and a lot that gives one in {1 / exploration.share:g} the other answer"
    return msgspec.structs.replace(found, answer=other, reason=reason, propensity=exploration.share, is_drawn=True)


def _is_open(found: OnlineDecision) -> bool:
    """Return whether the score alone decided between safe answers: who would be blocked but for a rule is not let through by lot."""
    return not found.is_fallback and not found.lowered_by and found.answer in SAFE


def _is_allowed(answer: Answer, known: Known, decisions: Decisions) -> bool:
    return not broken(ENTITY_RULES, answer, known.facts or {}, decisions)


def lot(entity: str, event_id: str, *, seed: int) -> float:
    """Return a number in [0, 1) that looks drawn, and is the same whenever and wherever the event is decided on.

    Args:
        entity: The entity.
        event_id: Id of the event.
        seed: A number that whoever sends events does not know.

    >>> lot("u1", "4711", seed=7) == lot("u1", "4711", seed=7) != lot("u1", "4712", seed=7)
    True
    """
    text = f"{seed}\n{len(entity)}\n{entity}\n{event_id}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / 2**64


def _without_score(known: Known) -> str:
    """Return why there is no score that can be used; empty where there is one."""
    if known.windows is None:
        return "its windows are not known"
    if known.risk_score is None:
        return known.why_no_score
    return "" if 0 <= known.risk_score <= 1 else f"the score {known.risk_score:g} is no probability"


def _in_words(rule: OnlineRule, known: Known) -> str:
    if rule.entities:
        return f"it is on the list {rule.name}"
    if rule.predictor:
        return f"{rule.predictor} is {(known.windows or {})[rule.predictor]:g}, above {rule.above:g} ({rule.name})"
    return f"the event is worth {known.value:g}, above {rule.value_above:g} ({rule.name})"
