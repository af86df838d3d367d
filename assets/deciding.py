"""Where a decision's evidence comes from, and what becomes of it: read the lake and the flags, decide, plan actions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from assets.house import PRODUCT
from assets.panels import MODELS
from intelligence.decisions.facts import SharedFacts
from intelligence.decisions.history import UNANSWERED
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.decisions.wanted import WantedAction, actions_carried_out
from intelligence.drift.tables import MODEL_WATCH
from intelligence.risk.tables import FEATURE_RISK
from intelligence.sql import sql
from intelligence.telemetry.local_time import local_time
from intelligence.warehouse.tables import RELEASES
from resources.announcer import Announcer
from resources.lake import Lake
from resources.registry import Registry

REACH_DAYS = 3
PLANNER = "the policy"


def sources_of(lake: Lake, registry: Registry, announcer: Announcer, day: date) -> tuple[int, Any]:
    """Return the lake's snapshot and all that may be looked at to decide on `day`, as of it."""
    from intelligence.decisions.evidence import Sources
    from intelligence.decisions.releases import degraded_features

    week = "event_date > $day - 7 AND event_date <= $day"
    snapshot, frames = lake.read(
        {
            "health": "FROM metrics.feature_health WHERE event_date = $day",
            "features": "FROM warehouse.dim_feature_metadata",
            "metrics": f"FROM metrics.fact_feature_metrics WHERE {week}",
            "quality": f"FROM telemetry.day_quality WHERE {week}",
            "risk": "FROM risk.feature_risk WHERE event_date = $day",
            "panel": "FROM risk.feature_panel WHERE event_date = $day",
            "releases": RELEASES,
            "drift": f"SELECT event_date, state, model_version FROM {MODEL_WATCH.path} WHERE model = $model AND event_date = $day",
            "beginning": sql("decisions/beginning.sql"),
            "decisions": f"FROM {FEATURE_DECISIONS.path} WHERE event_date < $day",
        },
        {"day": day, "model": MODELS[FEATURE_RISK.path]},
    )
    window = {"start": day - timedelta(days=REACH_DAYS - 1), "end": day + timedelta(days=1)}
    champion = registry.champion(MODELS[FEATURE_RISK.path])
    version = int(champion.version) if champion else None
    drift = frames["drift"].filter(model_version=version).select("event_date", "state") if version else None
    return snapshot, Sources(
        health=frames["health"],
        features=frames["features"],
        metrics=frames["metrics"],
        quality=frames["quality"],
        risk=frames["risk"] if frames["risk"].height else None,
        panel=frames["panel"],
        releases=frames["releases"],
        beginning=frames["beginning"],
        release_days=lake.frame(
            sql("decisions/release_days.sql"), {**window, "features": degraded_features(frames["health"])}
        ),
        known_harmed=lake.frame(sql("decisions/known_harmed.sql"), window),
        drift=drift if drift is not None and drift.height else None,
        flags=flag_states(announcer, frames["features"]),
        previous_actions=actions_carried_out(frames["decisions"], standings(announcer), settings=PRODUCT.decisions),
        model_version=version,
        trained_through=date.fromisoformat(champion.trained_through) if champion else None,
    )


def flag_states(announcer: Announcer, features: pl.DataFrame) -> pl.DataFrame:
    """Return feature, flag_key, exposure, is_locked and is_held of every feature whose flag can be read.

    A file that is broken or may not be written leaves every flag unknown: nothing is touched, and all else is decided.
    """
    from intelligence.actions.flags import HELD, exposure, flag_in
    from intelligence.errors import ActionError

    schema = {
        "feature": pl.String,
        "flag_key": pl.String,
        "exposure": pl.Float64,
        "is_locked": pl.Boolean,
        "is_held": pl.Boolean,
    }
    keyed = features.filter(pl.col("flag_key").is_not_null()).select("feature", "flag_key")
    try:
        file, record = announcer.flags(keyed["flag_key"].to_list())
        document = file.document()
    except ActionError:
        return pl.DataFrame(schema=schema)
    locked, rows = {lock.flag for lock in record.locks()}, []
    for feature, key in keyed.sort("feature").iter_rows():
        try:
            held = bool(flag_in(document, key).get("metadata", {}).get(HELD, False))
            rows.append((feature, key, exposure(document, key), key in locked, held))
        except ActionError:
            continue
    return pl.DataFrame(rows, schema=schema, orient="row")


def standings(announcer: Announcer) -> dict[tuple[str, str], str]:
    """Return what came of the actions of each episode and kind: of a touch at the flags, of a message everywhere.

    Where one of several did not arrive that is what is told, so that the next day may try again.
    """
    from intelligence.actions.action import FLAG_KINDS

    newest: dict[tuple[str, str, str], str] = {}
    for entry in announcer.outbox().entries():
        if entry.action.kind not in FLAG_KINDS or entry.action.target == "flags":
            newest.setdefault(_identity(entry.action), entry.standing)
    # Sorted, so that of several targets the one that was not reached comes last.
    told = sorted(newest.items(), key=lambda each: each[1] in UNANSWERED)
    return {(episode, kind): standing for (episode, kind, _), standing in told}


def decisions_of(lake: Lake, registry: Registry, announcer: Announcer, day: date) -> pl.DataFrame:
    """Return the decisions of the day."""
    from intelligence.decisions.evidence import evidence
    from intelligence.decisions.record import decided

    snapshot, sources = sources_of(lake, registry, announcer, day)
    # Where no hour is quiet the hour bears on nothing, and the same day decided again has the same ids.
    hour = local_time(datetime.now(UTC), PRODUCT.timezone).hour if PRODUCT.decisions.quiet_hours else None
    begun, used = _begun(lake, announcer, day)
    known = evidence(replace(sources, used=used), day=day, settings=PRODUCT.decisions, hour_utc=hour)
    # A decision that came to an action stays as it was made: the flag that it moved is no reason to rewrite it.
    kept = begun.filter(event_date=day)
    left = known.join(kept.filter(scope="feature"), on="feature", how="anti", maintain_order="left")
    found = decided(left, settings=PRODUCT.decisions, lake_snapshot=snapshot)
    return pl.concat([found.join(kept, on=["scope", "feature"], how="anti", maintain_order="left"), kept])


def _begun(lake: Lake, announcer: Announcer, day: date) -> tuple[pl.DataFrame, SharedFacts]:
    """Return the decisions up to `day` that came to actions, and what those of the hour and of the day have used up."""
    from intelligence.decisions.limits import used_before

    outbox = announcer.outbox()
    entries = outbox.entries()
    hour_ago = outbox.clock() - timedelta(hours=1)
    ids = [entry.action.decision_id for entry in entries]
    lately = {entry.action.decision_id for entry in entries if entry.planned_at > hour_ago}
    done = {entry.action.decision_id for entry in entries if entry.standing not in UNANSWERED}
    query = f"FROM {FEATURE_DECISIONS.path} WHERE event_date <= $day AND decision_id IN (SELECT unnest($ids))"
    begun = lake.frame(query, {"day": day, "ids": ids})
    counted = begun.filter(pl.col("decision_id").is_in(done))
    return begun, used_before(counted, day=day, lately=lately, settings=PRODUCT.decisions)


def planned(announcer: Announcer, wanted: Sequence[WantedAction]) -> list[str]:
    """Return the ids of actions that are new in the outbox.

    What was asked for in the same episode before, by whatever wording of the decision, is not asked for again unless it
    failed or nobody approved it in time: late telemetry or another policy makes new decisions, and no second message.
    """
    outbox, new = announcer.outbox(), []
    begun = {_identity(entry.action) for entry in outbox.entries() if entry.standing not in UNANSWERED}
    for each in wanted:
        actions = [_on_flag_as_it_is(announcer, one) for one in actions_for(each) if _identity(one) not in begun]
        reason = f"{each.kind} at level {each.level}: {each.text}"
        new += outbox.planned(actions, actor=PLANNER, reason=reason, approved=each.level == "auto")
    return new


def _on_flag_as_it_is(announcer: Announcer, action: Any) -> Any:
    """Return the action with a digest of the flag that it is to change, by which a person's change meanwhile is told."""
    from intelligence.actions.flags import digest_of
    from intelligence.errors import ActionError

    if action.target != "flags":
        return action
    try:
        digest = digest_of(announcer.flags([])[0].document(), action.payload["flag"])
    except ActionError:
        return action
    return replace(action, payload={**action.payload, "digest": digest})


def _identity(action: Any) -> tuple[str, str, str]:
    return (action.episode, str(action.kind), action.target)


def actions_for(wanted: WantedAction) -> list[Any]:
    """Return what a decision comes to at the targets that product.yaml switches on."""
    from intelligence.actions.action import FLAG_KINDS, Action, Kind

    on, kind = PRODUCT.actions.targets, Kind(wanted.kind)
    feature = wanted.feature if wanted.scope == "feature" else None
    owner = PRODUCT.features[feature].owner if feature in PRODUCT.features else PRODUCT.feature_defaults.owner
    payloads = {
        "flags": {"flag": wanted.flag_key, "step": PRODUCT.decisions.throttle_step},
        "slack": {"channel": PRODUCT.actions.channel_of(owner if feature else PRODUCT.owner)},
        "jira": {},
        "pagerduty": {"severity": "error"},
        "webhook": dict(wanted.payload),
    }
    if kind in FLAG_KINDS:
        targets = ["flags", *(name for name in ("webhook",) if name in on)]
    elif kind is Kind.TICKET:
        targets = ["jira" if "jira" in on else "slack"]
    else:
        targets = [name for name in ("slack", "pagerduty") if name in on]
    return [
        Action(
            decision_id=wanted.decision_id,
            kind=kind,
            target=target,
            feature=feature,
            day=wanted.day,
            episode=wanted.episode,
            title=wanted.title,
            text=wanted.text,
            payload=payloads[target],
        )
        for target in targets
        if target in on
    ]


def announced(announcer: Announcer) -> int:
    """Return how many people-facing messages about flags, waiting approvals and doubtful actions were new."""
    from resources.deliverer import LAPSED

    notifier, told = announcer.notifier(), int(_told_of_lost_flags(announcer))
    for entry in announcer.outbox().entries():
        # That the file of flags was lost is told once, and not for each action at it.
        if entry.action.target != "flags" or entry.standing not in TOLD or entry.reason.startswith(LAPSED):
            continue
        # Only what was carried out has a receipt: then it is its effect of which nobody can tell.
        words = UNSEEN if entry.unconfirmed and entry.receipt else TOLD[entry.standing]
        text = f"{entry.action.text}\n{words.format(id=entry.id[:12], reason=entry.reason)}"
        channel = PRODUCT.actions.channel_of(PRODUCT.owner)
        title = f"{entry.action.title}: {entry.standing}"
        told += notifier.told(entry.action.episode, title, text, channel, topic=f"{entry.id} {entry.standing}")
    return told


def _told_of_lost_flags(announcer: Announcer) -> bool:
    """Return whether people were told now that the file of flags was lost, or cannot be read."""
    file, record = announcer.flags([])
    trouble, loss = announcer.flag_trouble(), record.lost_since()
    if trouble and loss is None:
        record.note("lost", str(file.path), actor=PLANNER, reason=trouble)
        loss = record.lost_since()
    if trouble is None:
        return False
    episode = f"flags lost {loss}"
    text = f"{trouble}\nUntil then the platform touches no flag, and what it did at flags is unconfirmed."
    title = "The feature flags cannot be relied on"
    return bool(
        announcer.notifier().told(episode, title, text, PRODUCT.actions.channel_of(PRODUCT.owner), topic=episode)
    )


TOLD = {
    "planned": "It waits for a person: `intelligence approve {id}` or `intelligence reject {id}`.",
    "confirmed": "Done, and read back through OpenFeature. `intelligence undo {id}` takes it back.",
    "unconfirmed": "Nobody can tell whether it was done: {reason}. Look at the flag, then `intelligence settle {id}`.",
    "failed": "It was not done: {reason}.",
}
UNSEEN = (
    "The flag was changed, and telemetry does not show it. {reason} See whether the application asks the flag, then"
    " `intelligence settle {id}`, or `intelligence undo {id}`."
)
