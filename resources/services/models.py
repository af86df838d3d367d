"""Models: candidates are trained and evaluated on one snapshot, the gate decides, and the champion scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from intelligence.catalog.layers import TRAINED
from intelligence.catalog.product import Product
from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.sql import sql
from intelligence.core.tables import ALWAYS, Days, Read, Reads, Table
from intelligence.decisions.tables import ENTITY_DECISIONS, ENTITY_TRAINING, ENTITY_VERDICT
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.risk.following import Rescoring, rescoring
from intelligence.risk.tables import (
    FEATURE_PANEL,
    FEATURE_RISK,
    FEATURE_TRAINING,
    FEATURE_VERDICT,
    USER_CHURN,
    USER_TRAINING,
    USER_VERDICT,
)
from intelligence.warehouse.tables import DIM_USERS
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.models.versions import CHAMPION, Candidate, Champion, LoggedTraining, Registered
from resources.services.panels import MODELS, Panel, Panels, trainings_of

ASKED = "asked for by a person"
NO_CHAMPION = (
    "There is no champion of {0} yet, so nothing is scored. The page of its verdict says why; `intelligence models` lists"
    " versions to promote."
)
IS_CHAMPION = "It is the champion already: nothing is to be decided."
TAKEN_DOWN = "Version {0} was champion and was taken from its place: only a person brings it back."


def _unseen_rows(training: Any, registered: Registered, snapshot: int) -> pl.DataFrame:
    chosen = training.model.kind
    unseen: pl.DataFrame = training.unseen
    return unseen.with_columns(
        chosen=pl.lit(chosen),
        choice=pl.lit(training.selection.words),
        score=pl.col(chosen),
        is_flagged=pl.lit(None, dtype=pl.Boolean) if training.flagged is None else pl.Series(training.flagged),
        model_version=pl.lit(int(registered.version), dtype=pl.Int64),
        lake_snapshot=pl.lit(snapshot, dtype=pl.Int64),
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
        for each in training.evaluations
    )


def _by_fold(evaluation: Any, name: str) -> list[float]:
    """Return the measure fold by fold, without the folds in which it is not a number."""
    return [fold[name] for fold in evaluation.by_fold if fold[name] == fold[name]]


def _tags(origin: "Origin", table: Table) -> dict[str, str]:
    return {
        "dagster.run_id": origin.run_id,
        "dagster.asset_key": f"{table.layer}/{table.name}",
        "dagster.job": origin.job,
        "cause": origin.cause,
    }


def _champion_arguments(champion: Champion | None) -> dict[str, Any]:
    if champion is None:
        return {}
    return {"champion": champion.model, "champion_trained_through": date.fromisoformat(champion.trained_through)}


def _with_origin(scores: pl.DataFrame, champion: Champion, snapshot: int) -> pl.DataFrame:
    from intelligence.risk.scores import with_impact

    impact = with_impact(scores, users="users_7d") if "users_7d" in scores.columns else scores
    return impact.with_columns(
        model_kind=pl.lit(str(champion.model.kind)),
        model_version=pl.lit(int(champion.version), dtype=pl.Int64),
        trained_through=pl.lit(date.fromisoformat(champion.trained_through)),
        lake_snapshot=pl.lit(snapshot, dtype=pl.Int64),
    )


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.columns]


_EFFECTS = "FROM causality.feature_effects WHERE event_date = (SELECT max(event_date) FROM causality.feature_effects)"
_NEWEST_SCORES = sql("risk/newest_scores.sql")
_FEATURES = (Read(FEATURE_PANEL), Read(FEATURE_HEALTH))
_USERS = (Read(USER_DAY), Read(DIM_USERS))
READS: Reads = {
    FEATURE_TRAINING: _FEATURES,
    FEATURE_VERDICT: (Read(FEATURE_TRAINING), *_FEATURES),
    FEATURE_RISK: (Read(FEATURE_PANEL), Read(FEATURE_VERDICT)),
    USER_TRAINING: _USERS,
    USER_VERDICT: (Read(USER_TRAINING), *_USERS, Read(FEATURE_HEALTH)),
    ENTITY_TRAINING: (Read(ENTITY_DECISIONS),),
    ENTITY_VERDICT: (Read(ENTITY_TRAINING), Read(ENTITY_DECISIONS)),
    USER_CHURN: (Read(USER_DAY, 27), Read(DIM_USERS), Read(USER_VERDICT)),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Why work is done, in words, and the run and the job that do it."""

    cause: str = ASKED
    run_id: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered training with the number of rows written; where none was possible, `why_not` gives the reason."""

    written: int
    training: Any = None
    registered: Registered | None = None
    logged: LoggedTraining | None = None
    why_not: str | None = None

    @property
    def made(self) -> tuple[Any, Registered, LoggedTraining]:
        """Return the training, its version and what was logged with it; raises ValueError where there is none."""
        if self.registered is None or self.logged is None:
            raise ValueError(f"nothing was trained: {self.why_not}")
        return self.training, self.registered, self.logged


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's verdict on the newest version: whether it passed, why, and what was compared (None where nothing was)."""

    reason: str
    passed: bool
    found: Any = None


@dataclass(frozen=True, slots=True)
class Scored:
    """Days that were scored: the rows written, the champion that scored, and a note to people."""

    written: int
    champion: Champion | None
    note: str
    url: str | None = None

    @property
    def registry_answered(self) -> bool:
        """Return whether MLflow answered which version is the champion, or that there is none."""
        return self.champion is None or self.champion.note is None


@dataclass(frozen=True, slots=True)
class ModelService:
    """Trains, evaluates and applies the models of one product."""

    product: Product
    lake: Lake
    registry: Registry
    panels: Panels

    def over(self, lake: Lake) -> "ModelService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake, panels=replace(self.panels, lake=lake))

    def trained(self, table: Table, *, origin: Origin = Origin(), say: Callable[[str], None]) -> Trained:
        """Return the result of a training: a registered version, whose scores on unseen days are written to `table`.

        Args:
            table: A table of trainings, which belongs to one model.
            origin: Why the work is done, for the tags of the version.
            say: Called with a sentence for the log.
        """
        from intelligence.risk.training import trained

        spec, panel = self.panels.model_spec_of(table), self.panels.training_panel(table)
        say(f"training {spec.model} on {panel.rows.height:,} rows")
        if spec.left_out:
            say(spec.left_out)
        try:
            training = trained(panel.rows, spec.task, rules=spec.rules)
        except NotEnoughEvidence as error:
            self.lake.replace(table, ALWAYS, f"FROM {table.path} LIMIT 0")
            return Trained(0, why_not=str(error))
        logged = self._logged(training, spec, panel)
        registered = self.registry.registered(spec.model, training.model, logged=logged, tags=_tags(origin, table))
        rows = _unseen_rows(training, registered, panel.snapshot)
        written = self.lake.replace(table, ALWAYS, "FROM unseen", frames={"unseen": rows})
        return Trained(written, training, registered, logged)

    def _logged(self, training: Any, spec: Any, panel: Panel) -> LoggedTraining:
        import json

        from intelligence.risk.card import card, report, summary
        from intelligence.risk.pictures import contributions_picture, folds_picture, training_picture

        best = training.best
        origin = {"Snapshot of the lake": str(panel.snapshot), "Rows": f"{panel.rows.height:,}"}
        limits = [*spec.limits, *([spec.left_out] if spec.left_out else [])]
        text = card(training, title=spec.title, asks=spec.asks, use=spec.use, limits=limits, origin=origin)
        names = [name for name, value in best.measures.items() if value.value is not None]
        shown = panel.rows.filter(pl.col("label").is_not_null())
        return LoggedTraining(
            question=spec.asks,
            summary=summary(training, what=spec.title.lower()),
            snapshot=panel.snapshot,
            trained_through=str(training.last_time),
            tables=spec.tables,
            params={
                "kind": training.model.kind,
                "chosen_by": training.selection.by,
                "horizon": spec.task.horizon,
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

    def evaluated(self, table: Table, *, origin: Origin = Origin(), say: Callable[[str], None]) -> Verdict:
        """Return the gate's verdict on the newest version; a version that passes becomes champion if product.yaml allows it.

        Args:
            table: A table of verdicts, which belongs to one model.
            origin: Why the work is done, for the history of promotions.
            say: Called with a sentence for the log.
        """
        from intelligence.risk.verdict import evaluated_challenger, verdict_row

        spec, panel, unseen = (
            self.panels.model_spec_of(table),
            self.panels.training_panel(table),
            self.lake.frame(f"FROM {trainings_of(table).path}"),
        )
        challenger, as_of = (
            None if unseen.is_empty() else str(unseen["model_version"][0]),
            self.panels.newest_day(table),
        )
        champion = self.registry.champion(spec.model)
        if challenger and self.lake.frame(f"FROM {table.path}").filter(as_of=as_of, challenger=int(challenger)).height:
            if champion and champion.version == challenger:
                return Verdict(IS_CHAMPION, passed=True)
            can_score = champion is None or set(champion.model.predictors) <= set(panel.rows.columns)
            if can_score and self.registry.was_taken_down(spec.model, challenger):
                return Verdict(TAKEN_DOWN.format(challenger), passed=True)
        if champion and champion.version == challenger:
            # A run was killed after it had moved the alias and before it wrote its verdict.
            champion = self.registry.champion_before(spec.model, challenger)
        found = evaluated_challenger(unseen, panel.rows, spec, **_champion_arguments(champion))
        promoted = found.decision == "promote" and self.product.risk.promotion == "auto"
        if challenger:
            self.registry.tagged(spec.model, challenger, {"verdict": found.decision, "verdict_reason": found.reason})
        row = verdict_row(
            found,
            unseen,
            spec,
            champion=int(champion.version) if champion else None,
            as_of=as_of,
            snapshot=panel.snapshot,
            is_promoted=promoted,
        )
        # The row is written last: without it a training is due, so that the work of a killed run is repeated.
        if promoted and challenger:
            self.registry.promoted(
                spec.model,
                challenger,
                actor="the gate",
                cause=origin.cause,
                reason=found.reason,
                run_id=origin.run_id,
            )
        others = f"SELECT * FROM {table.path} ANTI JOIN verdict USING (as_of, challenger)"
        self.lake.replace(table, ALWAYS, f"FROM verdict UNION ALL BY NAME {others}", frames={"verdict": row})
        say(f"{spec.model}: {found.decision}. {found.reason}")
        return Verdict(found.reason, passed=found.decision in ("promote", "hold"), found=found)

    def scored_days(self, table: Table, days: Days) -> Scored:
        """Return the result of scoring the days with the champion; without a champion no row is written, and a note says so.

        Args:
            table: A table of scores, which belongs to one model.
            days: The days, on the product's clock.
        """
        from intelligence.risk.scores import scored

        spec, champion = self.panels.model_spec_of(table), self.registry.champion(MODELS[table.path])
        if champion is None:
            written = self.lake.replace(table, days, f"FROM {table.path} LIMIT 0")
            return Scored(written, None, NO_CHAMPION.format(spec.model))
        snapshot, rows = self.panels.present_rows(table, days)
        name = "risk" if table == FEATURE_RISK else "churn"
        bounds = {"medium": spec.medium, "high": spec.high, "reasons_from": spec.reasons_from}
        scores = scored(rows, champion.model, spec.predictors, name=name, **bounds)
        scores = _with_origin(scores, champion, snapshot).select(_columns(table))
        written = self.lake.replace(table, days, "FROM scores", frames={"scores": scores})
        url = self.registry.version_url(champion.name, champion.version)
        return Scored(written, champion, champion.note or "", url)

    def churn_drivers(self) -> list[dict[str, Any]]:
        """Return what goes with users' not coming back on the newest day, with measured effects of the same; none without a champion."""
        from intelligence.risk.drivers import drivers, with_effects

        champion = self.registry.champion(MODELS[USER_CHURN.path]) if self.lake.exists() else None
        if champion is None or self.lake.is_empty():
            return []
        newest = self.lake.newest_day()
        _, rows = self.panels.present_rows(USER_CHURN, newest)
        return with_effects(drivers(rows, champion.model), self.lake.frame(_EFFECTS))

    def rescorings(self) -> list[tuple[Table, Rescoring]]:
        """Return the tables whose newest scores are not the champion's, and record a promotion that was made in MLflow itself."""
        found = []
        for table in TRAINED:
            model = MODELS[table.path]
            self.registry.noticed(model)
            moves = self.registry.history(model)
            scored_day, scored_version, newest_day = self.lake.frame(_NEWEST_SCORES.format(scores=table.path)).row(0)
            needed = rescoring(
                model,
                champion=self.registry.aliases(model).get(CHAMPION),
                last_move=moves[-1].sequence if moves else None,
                scored_day=scored_day,
                scored_version=scored_version,
                newest_day=newest_day,
            )
            if needed:
                found.append((table, needed))
        return found
