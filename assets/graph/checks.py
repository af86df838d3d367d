"""The claims about a table as Dagster's asset checks."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.graph.metadata import in_words, table_value
from assets.graph.tables import key_of
from intelligence.core.tables import Claim, Days, Table, schema_contradictions
from resources.lake.inspection import Inspection

SCHEMA_CHECK = "schema_is_as_defined"
SHOWN_CONTRADICTIONS = 10


def check_specs(table: Table, claims: Sequence[Claim]) -> list[dg.AssetCheckSpec]:
    """Return the schema check and one check per claim, as the asset's page lists them.

    Args:
        table: The definition of the table.
        claims: The claims that are checked after each write of the table.
    """
    schema = dg.AssetCheckSpec(
        SCHEMA_CHECK,
        asset=key_of(table),
        blocking=True,
        description="The columns and types are those of the definition.",
    )
    claimed = [
        dg.AssetCheckSpec(claim.name, asset=key_of(table), blocking=claim.blocking, description=claim.description)
        for claim in claims
    ]
    return [schema, *claimed]


def schema_result(found: Inspection, table: Table) -> dg.AssetCheckResult:
    """Return the result of comparing the columns and types with the definition.

    Args:
        found: What the lake contains after the write.
        table: The definition of the table.
    """
    wrong = schema_contradictions(table, found.columns)
    return dg.AssetCheckResult(
        check_name=SCHEMA_CHECK,
        asset_key=key_of(table),
        passed=not wrong,
        metadata={"columns": len(table.columns), "differences": list(wrong)},
    )


def claim_result(found: Inspection, table: Table, claim: Claim, days: Days) -> dg.AssetCheckResult:
    """Return whether the claim holds, with the first rows that contradict it.

    Args:
        found: What the lake contains after the write, with the contradictions to each claim.
        table: The definition of the table.
        claim: The claim, which was checked in `found`.
        days: The days that were checked, or ALWAYS for a table without days.
    """
    contradictions = found.contradictions[claim.name]
    metadata: dict[str, Any] = {"contradictions": contradictions.height, **in_words(days)}
    if contradictions.height:
        metadata["examples"] = table_value(contradictions.head(SHOWN_CONTRADICTIONS))
    return dg.AssetCheckResult(
        check_name=claim.name,
        asset_key=key_of(table),
        passed=contradictions.height == 0,
        severity=dg.AssetCheckSeverity[claim.severity],
        metadata=metadata,
    )
