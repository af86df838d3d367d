"""The record of decisions: rows of `decisions.feature_decisions`, byte for byte the same for the same evidence."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from intelligence.core.errors import PlatformError
from intelligence.decisions.choice import Choice, choice
from intelligence.decisions.facts import FACT_NAMES, FACT_SCHEMA, FeatureFacts
from intelligence.decisions.limits import within_limits
from intelligence.decisions.rules import FEATURE_RULES, SHARED_RULES
from intelligence.decisions.settings import Decisions
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.decisions.wording import reasons
from intelligence.telemetry.doubts import in_words

if TYPE_CHECKING:
    from intelligence.decisions.rollout_settings import Rollout
    from intelligence.decisions.rollouts import RolloutDecision, RolloutStanding

FAULTY: Final = ("partial", "empty", "doubtful")
_CANONICAL_JSON: Final = json.JSONEncoder(
    sort_keys=True, default=str, ensure_ascii=False, allow_nan=False, separators=(",", ":")
)


class EvidenceError(PlatformError):
    """Evidence lacks columns that the policy reads; nothing is decided."""


def decided(evidence: pl.DataFrame, *, settings: Decisions, lake_snapshot: int | None = None) -> pl.DataFrame:
    """Return one decision per row of evidence, and one about the pipeline for each day of faulty telemetry.

    The same evidence and settings give the same rows, whatever the order of the evidence. The id of a decision is a hash of
    the evidence, the day and the policy, but not of the snapshot: it changes with the telemetry behind the evidence, and not
    with unrelated commits to the lake.

    Args:
        evidence: One row per feature and day with the columns of `FeatureFacts`.
        settings: The policy.
        lake_snapshot: Snapshot of the lake from which the evidence was read, for the record.

    Returns:
        Rows with the columns of `decisions.feature_decisions`, by day and feature.

    Raises:
        EvidenceError: Columns are missing.
    """
    lacking = [name for name in FACT_NAMES if name not in evidence.columns]
    if lacking:
        raise EvidenceError(
            "evidence", f"has no column {', '.join(lacking)}.", hint="Make it with intelligence.decisions.evidence."
        )
    facts = [facts_of(row) for row in evidence.select(FACT_NAMES).iter_rows(named=True)]
    facts.sort(key=lambda each: (each.event_date, each.feature))
    rows: list[dict[str, Any]] = []
    policy_version = settings.version
    for day in sorted({each.event_date for each in facts}):
        of_day = [each for each in facts if each.event_date == day]
        choices = within_limits([choice(each, settings) for each in of_day], settings)
        rows += [_row(each, policy_version) for each in choices]
        rows += _about_the_pipeline(of_day, settings, policy_version)
    return FEATURE_DECISIONS.frame([{**row, "lake_snapshot": lake_snapshot} for row in rows])


def facts_of(row: dict[str, Any]) -> FeatureFacts:
    """Return the row of evidence as facts; NaN and infinity become None, which means not known."""
    known: dict[str, Any] = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
    known["missing"] = tuple(sorted(row["missing"] or ()))
    return FeatureFacts(**known)


def replayed(decisions: pl.DataFrame, *, settings: Decisions) -> pl.DataFrame:
    """Return the days of recorded decisions decided again, from the evidence in the records.

    Args:
        decisions: Rows of `decisions.feature_decisions`.
        settings: The policy to apply, which may differ from the one that made the records.
    """
    rows = [json.loads(text) for text in decisions.filter(pl.col("scope") == "feature")["evidence"]]
    days = {"event_date", "since", "quality_since"}
    facts = [
        {name: date.fromisoformat(value) if name in days and value else value for name, value in row.items()}
        for row in rows
    ]
    return decided(pl.DataFrame(facts, schema=FACT_SCHEMA, orient="row"), settings=settings)


def rules_in_words(evidence: str, *, settings: Decisions) -> dict[str, str]:
    """Return by name what each rule says where it does not hold on the recorded evidence of a decision.

    Args:
        evidence: The evidence of a record as JSON; where it holds no facts of a feature, every rule has its general text.
        settings: The policy.
    """
    says = {rule.name: rule.says for rule in FEATURE_RULES} | {rule.name: rule.says for rule in SHARED_RULES}
    known = {name: value for name, value in json.loads(evidence).items() if name in FACT_NAMES}
    if "feature" not in known:
        return says
    facts = facts_of({"missing": (), **known})
    return says | {
        rule.name: rule.in_words(facts, settings) for rule in FEATURE_RULES if rule.name not in _NEED_THE_CALENDAR
    }


def rollout_row(
    rollout: "Rollout",
    standing: "RolloutStanding",
    made: "RolloutDecision",
    facts: FeatureFacts,
    *,
    episode: str,
    touched: float,
    policy_version: str,
    lake_snapshot: int | None = None,
) -> dict[str, Any]:
    """Return the row of `decisions.feature_decisions` about a rollout; `monitor` where nothing is to change.

    Args:
        rollout: The rollout.
        standing: Where it stands.
        made: The decision.
        facts: What is known of the flag and the day.
        episode: Name of the run of the rollout with the step that is asked for, which is asked for once.
        touched: Share of the product's users whom the decision touches, in [0, 1].
        policy_version: Version of the policy.
        lake_snapshot: Snapshot of the lake from which the evidence was read.
    """
    action = {"advance": "advance", "roll_back": "rollback"}.get(made.word, "monitor")
    evidence = standing.evidence
    known = _canonical(
        {
            "rollout": rollout.model_dump(mode="json"),
            "share": standing.share,
            "to_share": made.share,
            "touched": touched,
            "began": standing.began,
            "days": evidence.days if evidence else None,
            "units": dict(evidence.units) if evidence else {},
            "guardrails": [each.sentence for each in evidence.guardrails] if evidence else [],
            "problems": [each.sentence for each in evidence.problems] if evidence else [],
            "quality": facts.quality,
            **{name: getattr(facts, name) for name in _OF_A_FLAG},
        }
    )
    day = facts.event_date
    return {
        "decision_id": _id_of("rollout", day.isoformat(), rollout.flag, episode, policy_version, known),
        "event_date": day,
        "scope": "rollout",
        "feature": facts.feature,
        "action": action,
        "level": made.level,
        "confidence": 1 - rollout.alpha if action != "monitor" else None,
        "score": 0.0,
        "benefit": 0.0,
        "cost": 0.0,
        "candidates": "[]",
        "propensity": 1.0,
        "lowered_by": list(made.lowered_by),
        "why_not": _canonical({"advance": made.reason} if made.word == "hold" else {}),
        "reasons": f"Rollout of {rollout.flag}: {made}.",
        "episode": episode,
        "flag_key": rollout.flag,
        "exposure": facts.exposure,
        "evidence": known,
        "missing": [],
        "lake_snapshot": lake_snapshot,
        "policy_version": policy_version,
    }


_OF_A_FLAG: Final = ("exposure", "is_locked", "is_held", "share_of_users", "tier", "hour_utc")
# These rules compare days, which a record holds as text; they are never unknown.
_NEED_THE_CALENDAR: Final = ("freeze",)


def _canonical(content: object) -> str:
    """Return the content as canonical JSON, so that the same content has the same bytes."""
    return _CANONICAL_JSON.encode(content)


def _id_of(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _row(made: Choice, policy_version: str) -> dict[str, Any]:
    facts, taken = made.facts, made.chosen
    known = _canonical({name: getattr(facts, name) for name in FACT_NAMES})
    candidate_rows = [
        {
            "kind": each.kind,
            "probability": each.probability,
            "confidence": each.confidence,
            "benefit": each.benefit,
            "cost": each.cost,
            "score": each.score,
        }
        for each in made.candidates
    ]
    return {
        "decision_id": _id_of("feature", facts.event_date.isoformat(), facts.feature, policy_version, known),
        "event_date": facts.event_date,
        "scope": "feature",
        "feature": facts.feature,
        "action": made.action,
        "level": made.level,
        "confidence": taken.confidence if taken else None,
        "score": taken.score if taken else 0.0,
        "benefit": taken.benefit if taken else 0.0,
        "cost": taken.cost if taken else 0.0,
        "candidates": _canonical(candidate_rows),
        "propensity": 1.0,
        "lowered_by": list(made.lowered_by),
        "why_not": _canonical(made.why_not),
        "reasons": reasons(made),
        "episode": facts.episode,
        "flag_key": facts.flag_key,
        "exposure": facts.exposure,
        "users_7d": facts.users_7d,
        "evidence": known,
        "missing": list(facts.missing),
        "model_version": facts.model_version,
        "policy_version": policy_version,
    }


def _about_the_pipeline(
    facts: Sequence[FeatureFacts], settings: Decisions, policy_version: str
) -> Iterable[dict[str, Any]]:
    """Yield the one alert of a day whose telemetry is faulty; nothing on any other day.

    Its episode is named by the day on which the newest of the faults began: while that fault lasts no second alert is sent.
    """
    verdicts = sorted({each.quality for each in facts if each.quality in FAULTY})
    if not verdicts:
        return
    day, verdict = facts[0].event_date, str(verdicts[0])
    since, why = facts[0].quality_since or day, facts[0].quality_reason
    fault: dict[str, Any] = {
        "quality": verdict,
        "reason": why,
        "since": since,
        "features": len(facts),
        "events": sum(each.usage_count or 0 for each in facts),
        "event_date": day,
    }
    known = _canonical(fault)
    yield {
        "decision_id": _id_of("pipeline", day.isoformat(), policy_version, known),
        "event_date": day,
        "scope": "pipeline",
        "feature": "telemetry",
        "action": "alert",
        "level": settings.alert.level,
        "confidence": 1.0,
        "score": 0.0,
        "benefit": 0.0,
        "cost": 0.0,
        "candidates": "[]",
        "propensity": 1.0,
        "lowered_by": [],
        "why_not": _canonical({"monitor": "nothing can be judged until the telemetry is whole"}),
        "reasons": in_words({"event_date": day, "verdict": verdict, "reason": why}),
        "episode": f"telemetry@{since}",
        "evidence": known,
        "missing": [],
        "policy_version": policy_version,
    }
