"""The results of trainings, verdicts and scorings, as the pages of their assets show them."""

from typing import Any

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.metadata import table_value
from assets.graph.partitions import days_of
from assets.graph.plots import markdown_picture
from assets.graph.requests import CAUSE_TAG
from assets.graph.tables import key_of
from intelligence.core.tables import ALWAYS, Table
from resources.lake.door import Lake
from resources.services.models import ASKED, ModelService, Origin, Trained


def trained(
    graph: Graph, context: dg.AssetExecutionContext, lake: Lake, models: ModelService, table: Table
) -> dg.MaterializeResult:
    """Return the result of a training: its version in MLflow, the candidates next to the floors, plots and the model card.

    Args:
        graph: The graph of the product.
        context: The context of the running asset.
        lake: The lake of the run.
        models: The service that trains, evaluates and scores.
        table: The table of trainings.
    """
    found = models.over(lake).trained(table, origin=_origin(context), say=context.log.info)
    if found.why_not:
        context.log.warning(found.why_not)
    page = {"not_enough_evidence": found.why_not} if found.why_not else _training_page(found)
    return graph.materialized(lake, table, ALWAYS, written=found.written, **page)


def evaluated(
    graph: Graph, context: dg.AssetExecutionContext, lake: Lake, models: ModelService, table: Table
) -> dg.MaterializeResult:
    """Return the result of the gate: its verdict as a check, and the measures that were compared.

    Args:
        graph: The graph of the product.
        context: The context of the running asset.
        lake: The lake of the run.
        models: The service that trains, evaluates and scores.
        table: The table of verdicts.
    """
    verdict = models.over(lake).evaluated(table, origin=_origin(context), say=context.log.info)
    check = _warning(verdict_check(table), passed=verdict.passed, description=verdict.reason)
    page = {"decision": verdict.found.decision, "numbers": _numbers(verdict.found)} if verdict.found else {}
    return graph.materialized(lake, table, ALWAYS, more_checks=[check], reason=verdict.reason, **page)


def scored(
    graph: Graph, context: dg.AssetExecutionContext, lake: Lake, models: ModelService, table: Table
) -> dg.MaterializeResult:
    """Return the result of scoring: whether MLflow answered as a check, and a link to the version that scored.

    Args:
        graph: The graph of the product.
        context: The context of the running asset.
        lake: The lake of the run.
        models: The service that trains, evaluates and scores.
        table: The table of scores.
    """
    days = days_of(context)
    found = models.over(lake).scored_days(table, days)
    if found.note:
        context.log.warning(found.note)
    check = _warning(registry_check(table), passed=found.registry_answered, description=found.note or None)
    page = {"note": found.note, **({"model_version": dg.MetadataValue.url(found.url)} if found.url else {})}
    return graph.materialized(lake, table, days, written=found.written, more_checks=[check], **page)


def _origin(context: dg.AssetExecutionContext) -> Origin:
    return Origin(context.run.tags.get(CAUSE_TAG, ASKED), context.run.run_id, context.run.job_name)


def _warning(spec: dg.AssetCheckSpec, *, passed: bool, description: str | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=spec.name,
        asset_key=spec.asset_key,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
    )


def _training_page(found: Trained) -> dict[str, Any]:
    from intelligence.risk.card import measured

    training, registered, logged = found.made
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
    """Return the check that shows the gate's verdict."""
    return dg.AssetCheckSpec(
        "challenger_passed_the_gate",
        asset=key_of(table),
        description="The gate had evidence to judge the newest version by, and did not reject it.",
    )


def _numbers(found: Any) -> dg.TableMetadataValue:
    from intelligence.risk.card import told

    measured = sorted({*found.challenger, *found.rival})
    rows = [
        {"measure": name, "challenger": told(found.challenger.get(name)), found.against: told(found.rival.get(name))}
        for name in measured
    ]
    return table_value(pl.DataFrame(rows or {"measure": []}))


def registry_check(table: Table) -> dg.AssetCheckSpec:
    """Return the check that the scores come from the version that has the alias now."""
    return dg.AssetCheckSpec(
        "the_registry_answered",
        asset=key_of(table),
        description="MLflow said which version is the champion; else the last one known on this machine scored.",
    )
