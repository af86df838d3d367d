"""Causality: what features do to users, and where the change of a degraded feature lies."""

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of
from assets.graph.plots import effect_plots, record_plot
from intelligence.causality.tables import DEGRADATIONS, ESTIMATOR_RECORD, FEATURE_EFFECTS
from resources.lake.door import Lake
from resources.services.causes import READS, CauseService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer causality for this product."""

    @dg.asset(**graph.table_asset(ESTIMATOR_RECORD, kinds={"polars"}), deps=deps_of(READS[ESTIMATOR_RECORD]))
    def estimator_record(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], causes: dg.ResourceParam[CauseService]
    ) -> dg.MaterializeResult:
        """What each method says where an own experiment knows the answer: its bias, and how often its intervals hold it.

        The methods get the units of the experiment with the active ones drawn to the variant, and do not know that they were
        assigned at random. A method that is out of bounds loses a grade in every claim of `feature_effects`.
        """
        days = days_of(context)
        found = causes.over(lake).record_of_days(days)
        written = lake.replace(ESTIMATOR_RECORD, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, ESTIMATOR_RECORD, days, written=written, **record_plot(found))

    @dg.asset(**graph.table_asset(FEATURE_EFFECTS, kinds={"polars"}), deps=deps_of(READS[FEATURE_EFFECTS]))
    def feature_effects(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], causes: dg.ResourceParam[CauseService]
    ) -> dg.MaterializeResult:
        """What adopting each feature, and meeting its errors, does to retention, activity and churn, as target trials.

        Each estimate is adjusted for what users did before, put to refutations, compared with all other features, and graded:
        C where nothing contradicts it, else D, an association. Questions without enough evidence are kept with the reason.
        """
        days = days_of(context)
        found = causes.over(lake).effects_of_days(days)
        written = lake.replace(FEATURE_EFFECTS, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, FEATURE_EFFECTS, days, written=written, **effect_plots(found))

    @dg.asset(**graph.table_asset(DEGRADATIONS, kinds={"polars"}), deps=deps_of(READS[DEGRADATIONS]))
    def degradations(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], causes: dg.ResourceParam[CauseService]
    ) -> dg.MaterializeResult:
        """Where the change of each degraded feature lies: the platform, release, region, segment or flag arm behind it.

        The worst metric since the state began is compared with the week before, exactly. That is an association, grade D.
        """
        days = days_of(context)
        found = causes.over(lake).degradations_of_days(days)
        written = lake.replace(DEGRADATIONS, days, "FROM found", frames={"found": found})
        answers = {f"why {row['feature']}": dg.MetadataValue.md(row["answer"]) for row in found.iter_rows(named=True)}
        return graph.materialized(lake, DEGRADATIONS, days, written=written, **answers)

    return [estimator_record, feature_effects, degradations]
