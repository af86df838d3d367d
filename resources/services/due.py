"""Work that is due, read from the lake: days to build, models to train, days to score, champions to compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from intelligence.actions.tables import ACTION_LOG
from intelligence.catalog.layers import ACT, BUILT_BY_DAY, ENTITY_MODEL, TOLD, TRAINED, WATCH
from intelligence.catalog.product import Product
from intelligence.core.tables import Days, Table
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import MODEL_WATCH
from intelligence.risk.due import training_due
from intelligence.risk.predictors import FEATURE_PREDICTORS, USER_PREDICTORS, names_of
from intelligence.risk.tables import FEATURE_VERDICT, USER_VERDICT
from intelligence.telemetry.local_time import local_date
from resources.lake.door import Lake
from resources.services.actions import ActionService
from resources.services.briefs import BriefService
from resources.services.panels import Panels

PREDICTORS = {FEATURE_VERDICT.path: FEATURE_PREDICTORS, USER_VERDICT.path: USER_PREDICTORS}


Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Step:
    """One run to request: its tables and days; without days it is an intake of files or a training, with its cause."""

    tables: tuple[Table, ...]
    days: Days | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class DueService:
    """Reads from the lake which work is due."""

    product: Product
    lake: Lake
    actions: ActionService
    briefs: BriefService
    clock: Clock
    panels: Panels

    def steps_to_build(self, *, today: date) -> list[Step]:
        """Return the runs that build every table from the present telemetry, in the order of the graph.

        Adjacent tables that need the same days share a run, so that a new day is one run and the whole past is one run.
        """
        return _steps_to_build(self.lake.stale(before=today))

    def is_anything_due(self, *, today: date) -> bool:
        """Return whether there is any step to build or step of a model, found with one look for stale days."""
        stale, newest = self.lake.stale(before=today), self.lake.newest_complete_day(before=today)
        return bool(_steps_to_build(stale) or (newest and self._model_steps(newest, stale)))

    def model_steps(self, *, today: date) -> list[Step]:
        """Return the due trainings, the scoring of the newest day, its drift and its decisions, in the order of the graph.

        A day is scored when it is new or was built again, and after each training; then champions are compared with the
        present days.
        """
        newest = self.lake.newest_complete_day(before=today)
        return self._model_steps(newest, self.lake.stale(before=today)) if newest else []

    def _model_steps(self, newest: Days, stale: Mapping[str, list[Days]]) -> list[Step]:
        steps = self._scoring_and_training_steps(newest, stale)
        if steps or MODEL_WATCH.path in stale:
            steps.append(Step(WATCH, newest))
        undecided = FEATURE_DECISIONS.path in stale or self.decided_by_another_policy(newest)
        if steps or undecided or self.actions.is_left_behind(newest.start):
            steps.append(Step(ACT, newest))
        elif self.briefs.is_untold():
            steps.append(Step(TOLD))
        return steps

    def decided_by_another_policy(self, newest: Days) -> bool:
        """Return whether the newest day was decided by an earlier policy; decisions of earlier days are kept.

        A decision with an action is kept as well, whatever the policy.
        """
        query = (
            f"SELECT DISTINCT policy_version FROM {FEATURE_DECISIONS.path} ANTI JOIN {ACTION_LOG.path} USING (decision_id)"
            " WHERE event_date = $start"
        )
        return bool(
            set(self.lake.frame(query, {"start": newest.start})["policy_version"]) - {self.product.decisions.version}
        )

    def scoring_and_training_steps(self, *, today: date) -> list[Step]:
        """Return the trainings that are due by the calendar and the scoring of the newest day."""
        newest = self.lake.newest_complete_day(before=today)
        return self._scoring_and_training_steps(newest, self.lake.stale(before=today)) if newest else []

    def _scoring_and_training_steps(self, newest: Days, stale: Mapping[str, list[Days]]) -> list[Step]:
        steps = []
        for scores, trained in TRAINED.items():
            cause = self._training_cause(trained[1], newest.start, names_of(PREDICTORS[trained[1].path]))
            if cause:
                steps.append(Step(trained, cause=cause))
            if cause or scores.path in stale:
                steps.append(Step((scores,), newest))
        cause = self._entity_training_cause()
        return [*steps, Step(ENTITY_MODEL, cause=cause)] if cause else steps

    def _entity_training_cause(self) -> str | None:
        """Return why the model of the stream is to be trained; None where it is not, or where no outcome was reported."""
        newest = self.panels.newest_entity_decision()
        if newest is None or self.panels.outcomes().is_empty():
            return None
        return self._training_cause(ENTITY_MODEL[1], newest.date(), self.product.online.predictors)

    def _training_cause(self, verdicts: Table, newest: date, present: Sequence[str]) -> str | None:
        query = (
            f"SELECT as_of, decision, predictors FROM {verdicts.path} ORDER BY as_of DESC, lake_snapshot DESC LIMIT 1"
        )
        last = self.lake.frame(query)
        as_of, decision, predictors = last.row(0) if last.height else (None, None, None)
        return training_due(
            as_of,
            newest,
            decision=decision,
            retrain_after_days=self.product.risk.retrain_after_days,
            same_predictors=predictors == ", ".join(present),
        )

    def today_of_product(self) -> date:
        """Return today's date on the product's clock: only earlier days are over and may be built."""
        return local_date(self.clock(), self.product.timezone)


def _steps_to_build(stale: Mapping[str, list[Days]]) -> list[Step]:
    groups: list[tuple[list[Table], list[Days]]] = []
    for table in BUILT_BY_DAY:
        ranges = stale.get(table.path)
        if not ranges:
            continue
        if groups and groups[-1][1] == ranges:
            groups[-1][0].append(table)
        else:
            groups.append(([table], ranges))
    return [Step(tuple(tables), days) for tables, ranges in groups for days in ranges]
