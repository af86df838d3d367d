"""What the trained assets have in common: read one snapshot, train, judge, score, and tell it on the page."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.house import ALWAYS, PRODUCT, days_of, key_of, materialized, table_value
from assets.panels import MODELS, Panel, newest_day, present_rows, scores_of, subject_of, training_panel
from assets.plots import markdown_picture
from intelligence.errors import NotEnoughEvidence
from intelligence.layers import TRAINED
from intelligence.risk.following import Rescoring, rescoring
from intelligence.risk.tables import FEATURE_RISK
from intelligence.tables import Table
from resources.lake import Lake
from resources.model_versions import CHAMPION, Candidate, Champion, LoggedTraining, Registered
from resources.registry import Registry

CAUSE_TAG = "intelligence/cause"
ASKED = "asked for by a person"
NO_CHAMPION = (
    "There is no champion of {0} yet, so nothing is scored. The page of its verdict says why; `intelligence models` lists"
    " versions to promote."
)
TAKEN_DOWN = "Version {0} was champion and was taken from its place: only a person brings it back."


def trained_from(
    context: dg.AssetExecutionContext, lake: Lake, registry: Registry, table: Table
) -> dg.MaterializeResult:
    """Return the result of a training: a registered version, and its scores on unseen time in `table`."""
    from intelligence.risk.training import trained

    subject, panel = subject_of(table), training_panel(lake, table)
    context.log.info(f"training {subject.model} on {panel.rows.height:,} rows")
    try:
        training = trained(panel.rows, subject.question, rules=subject.rules)
    except NotEnoughEvidence as error:
        context.log.warning(str(error))
        lake.replace(table, ALWAYS, f"FROM {table.path} LIMIT 0")
        return materialized(lake, table, ALWAYS, written=0, not_enough_evidence=str(error))
    logged = _logged(training, subject, panel)
    registered = registry.registered(subject.model, training.model, logged=logged, tags=_run_tags(context, table))
    rows = _unseen_rows(training, registered, panel.snapshot)
    written = lake.replace(table, ALWAYS, "FROM unseen", frames={"unseen": rows})
    return materialized(lake, table, ALWAYS, written=written, **_training_page(training, registered, logged))


def _unseen_rows(training: Any, registered: Registered, snapshot: int) -> pl.DataFrame:
    chosen = training.model.kind
    return training.unseen.with_columns(
        chosen=pl.lit(chosen),
        choice=pl.lit(training.selection.words),
        score=pl.col(chosen),
        is_flagged=pl.lit(None, dtype=pl.Boolean) if training.flagged is None else pl.Series(training.flagged),
        model_version=pl.lit(int(registered.version), dtype=pl.Int64),
        lake_snapshot=pl.lit(snapshot, dtype=pl.Int64),
    )


def _logged(training: Any, subject: Any, panel: Panel) -> LoggedTraining:
    import json

    from intelligence.risk.card import card, report, summary
    from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture

    best = training.best
    origin = {"Snapshot of the lake": str(panel.snapshot), "Rows": f"{panel.rows.height:,}"}
    text = card(training, title=subject.title, asks=subject.asks, use=subject.use, limits=subject.limits, origin=origin)
    names = [name for name, value in best.measures.items() if value.value is not None]
    shown = panel.rows.filter(pl.col("label").is_not_null())
    return LoggedTraining(
        question=subject.asks,
        summary=summary(training, what=subject.title.lower()),
        snapshot=panel.snapshot,
        trained_through=str(training.last_time),
        tables=subject.tables,
        params={
            "kind": training.model.kind,
            "chosen_by": training.selection.by,
            "horizon": subject.question.horizon,
            "predictors": len(training.model.predictors),
        },
        metrics={name: best.measures[name].value for name in names},
        steps={f"fold_{name}": _by_fold(best, name) for name in names},
        files={
            "card.md": text.encode(),
            "report.json": json.dumps(report(training), indent=1).encode(),
            "plots/training.png": training_picture(training),
            "plots/contributions.png": contributions_picture(training.model, shown),
            "plots/folds.png": folds_picture(training),
        },
        candidates=_candidates(training),
    )


def _candidates(training: Any) -> tuple[Candidate, ...]:
    from intelligence.risk.card import standings

    words = standings(training)
    return tuple(
        Candidate(
            each.name,
            words[each.name],
            {name: found.value for name, found in each.measures.items() if found.value is not None},
        )
        for each in training.judgements
    )


def _by_fold(judgement: Any, name: str) -> list[float]:
    """Return the measure fold by fold; a fold in which nothing came true has none."""
    return [fold[name] for fold in judgement.by_fold if fold[name] == fold[name]]


def _run_tags(context: dg.AssetExecutionContext, table: Table) -> dict[str, str]:
    return {
        "dagster.run_id": context.run.run_id,
        "dagster.asset_key": f"{table.layer}/{table.name}",
        "dagster.job": context.run.job_name,
        "cause": context.run.tags.get(CAUSE_TAG, ASKED),
    }


def _training_page(training: Any, registered: Registered, logged: LoggedTraining) -> dict[str, Any]:
    from intelligence.risk.card import measured

    return {
        "model_version": dg.MetadataValue.url(registered.version_url),
        "mlflow_run": dg.MetadataValue.url(registered.run_url),
        "chosen": training.model.kind,
        "choice": training.selection.words,
        "rivals_and_floors": table_value(pl.DataFrame(measured(training))),
        "plots": markdown_picture("training", logged.files["plots/training.png"]),
        "contributions": markdown_picture("contributions", logged.files["plots/contributions.png"]),
        "over_time": markdown_picture("folds", logged.files["plots/folds.png"]),
        "card": dg.MetadataValue.md(logged.files["card.md"].decode()),
    }


def verdict_check(table: Table) -> dg.AssetCheckSpec:
    """Return the check that carries the gate's verdict."""
    return dg.AssetCheckSpec(
        "challenger_passed_the_gate",
        asset=key_of(table),
        description="The gate had evidence to judge the newest version by, and did not reject it.",
    )


def judged(context: dg.AssetExecutionContext, lake: Lake, registry: Registry, table: Table) -> dg.MaterializeResult:
    """Return the gate's verdict on the newest version; where it says so and may, the version is made champion."""
    from intelligence.risk.judgement import judged_challenger, verdict_row

    subject, panel, unseen = (
        subject_of(table),
        training_panel(lake, table),
        lake.frame(f"FROM {TRAINED[scores_of(table)][0].path}"),
    )
    challenger, as_of = None if unseen.is_empty() else str(unseen["model_version"][0]), newest_day(lake)
    champion = registry.champion(subject.model)
    if challenger and lake.frame(f"FROM {table.path}").filter(as_of=as_of, challenger=int(challenger)).height:
        if champion and champion.version == challenger:
            return _verdict_page(lake, table, "It is the champion already: nothing is to be decided.", passed=True)
        can_score = champion is None or set(champion.model.predictors) <= set(panel.rows.columns)
        if can_score and registry.was_taken_down(subject.model, challenger):
            return _verdict_page(lake, table, TAKEN_DOWN.format(challenger), passed=True)
    if champion and champion.version == challenger:
        # A run was killed after it had moved the alias and before it wrote so.
        champion = registry.champion_before(subject.model, challenger)
    found = judged_challenger(unseen, panel.rows, subject, **_as_rival(champion))
    promoted = found.decision == "promote" and PRODUCT.risk.promotion == "auto"
    if challenger:
        registry.tagged(subject.model, challenger, {"verdict": found.decision, "verdict_reason": found.reason})
    row = verdict_row(
        found,
        unseen,
        subject,
        champion=int(champion.version) if champion else None,
        as_of=as_of,
        snapshot=panel.snapshot,
        is_promoted=promoted,
    )
    # The row comes last: without it a training is due, so that a run which is killed before is carried out again.
    if promoted:
        cause = context.run.tags.get(CAUSE_TAG, ASKED)
        registry.promoted(
            subject.model, challenger, actor="the gate", cause=cause, reason=found.reason, run_id=context.run.run_id
        )
    others = f"SELECT * FROM {table.path} ANTI JOIN verdict USING (as_of, challenger)"
    lake.replace(table, ALWAYS, f"FROM verdict UNION ALL BY NAME {others}", frames={"verdict": row})
    context.log.info(f"{subject.model}: {found.decision}. {found.reason}")
    passed = found.decision in ("promote", "hold")
    return _verdict_page(lake, table, found.reason, passed=passed, decision=found.decision, numbers=_numbers(found))


def _as_rival(champion: Champion | None) -> dict[str, Any]:
    if champion is None:
        return {}
    return {"champion": champion.model, "champion_trained_through": date.fromisoformat(champion.trained_through)}


def _numbers(found: Any) -> dg.TableMetadataValue:
    from intelligence.risk.card import told

    measured = sorted({*found.challenger, *found.rival})
    rows = [
        {"measure": name, "challenger": told(found.challenger.get(name)), found.against: told(found.rival.get(name))}
        for name in measured
    ]
    return table_value(pl.DataFrame(rows or {"measure": []}))


def _verdict_page(lake: Lake, table: Table, reason: str, *, passed: bool, **extra: Any) -> dg.MaterializeResult:
    check = dg.AssetCheckResult(
        check_name=verdict_check(table).name,
        asset_key=key_of(table),
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=reason,
    )
    return materialized(lake, table, ALWAYS, more_checks=[check], reason=reason, **extra)


def registry_check(table: Table) -> dg.AssetCheckSpec:
    """Return the check that the scores come from the version that bears the alias now."""
    return dg.AssetCheckSpec(
        "the_registry_answered",
        asset=key_of(table),
        description="MLflow said which version is the champion; else the last one known on this machine scored.",
    )


def scored_days(
    context: dg.AssetExecutionContext, lake: Lake, registry: Registry, table: Table
) -> dg.MaterializeResult:
    """Return the result of scoring the run's days with the champion; without one no row is written, and it says so."""
    from intelligence.risk.scores import scored

    subject, days, champion = subject_of(table), days_of(context), registry.champion(MODELS[table.path])
    note = (champion.note if champion else NO_CHAMPION.format(subject.model)) or ""
    if note:
        context.log.warning(note)
    check = dg.AssetCheckResult(
        check_name=registry_check(table).name,
        asset_key=key_of(table),
        passed=champion is None or champion.note is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=note or None,
    )
    if champion is None:
        written = lake.replace(table, days, f"FROM {table.path} LIMIT 0")
        return materialized(lake, table, days, written=written, more_checks=[check], note=note)
    snapshot, rows = present_rows(lake, table, days)
    name = "risk" if table == FEATURE_RISK else "churn"
    bounds = {"medium": subject.medium, "high": subject.high, "reasons_from": subject.reasons_from}
    scores = scored(rows, champion.model, subject.predictors, name=name, **bounds)
    scores = _with_origin(scores, champion, snapshot)
    written = lake.replace(table, days, "FROM scores", frames={"scores": scores.select(_columns(table))})
    extra = {"model_version": dg.MetadataValue.url(registry.version_url(champion.name, champion.version)), "note": note}
    return materialized(lake, table, days, written=written, more_checks=[check], **extra)


def _with_origin(scores: pl.DataFrame, champion: Champion, snapshot: int) -> pl.DataFrame:
    from intelligence.risk.scores import with_impact

    told = with_impact(scores, users="users_7d") if "users_7d" in scores.columns else scores
    return told.with_columns(
        model_kind=pl.lit(str(champion.model.kind)),
        model_version=pl.lit(int(champion.version), dtype=pl.Int64),
        trained_through=pl.lit(date.fromisoformat(champion.trained_through)),
        lake_snapshot=pl.lit(snapshot, dtype=pl.Int64),
    )


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def rescorings(lake: Lake, registry: Registry) -> list[tuple[Table, Rescoring]]:
    """Return the tables whose newest scores do not come from the champion; a move made in MLflow is recorded on the way."""
    found = []
    for table in TRAINED:
        model = MODELS[table.path]
        registry.noticed(model)
        moves = registry.history(model)
        scored_day, scored_version, newest_day = lake.frame(_NEWEST_SCORES.format(scores=table.path)).row(0)
        asked = rescoring(
            model,
            champion=registry.aliases(model).get(CHAMPION),
            last_move=moves[-1].sequence if moves else None,
            scored_day=scored_day,
            scored_version=scored_version,
            newest_day=newest_day,
        )
        if asked:
            found.append((table, asked))
    return found


_NEWEST_SCORES = """
SELECT max(event_date) AS scored_day, arg_max(model_version, event_date) AS scored_version,
       (SELECT max(event_date) FROM metrics.feature_health) AS newest_day
FROM {scores}
"""
