"""Writes delivered answers of language models, with as much of their texts as the product keeps."""

from collections.abc import Mapping
from typing import Final, Literal

import duckdb

from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.telemetry.answers import TEXTS
from intelligence.telemetry.local_time import in_zone
from intelligence.telemetry.settings import KeptTexts

_WHOLE: Final = ", ".join(TEXTS)
_HASHED: Final = ", ".join(f"sha256({name}) AS {name}" for name in TEXTS)
_CUT: Final = ", ".join(f"left({name}, $longest) AS {name}" for name in TEXTS)
_KEPT: Final[Mapping[str, str]] = {"keep": _WHOLE, "hash": _HASHED, "cut": _CUT}
# Where texts are not kept, neither are those of rows in quarantine, which can then not be driven again.
_WITHOUT_TEXTS: Final = "UPDATE {table} SET payload = '{{}}', value = NULL, is_readable = false"
# The value that broke a rule is shown as an example, and a wrong mapping finds a text in any column: so long as one is no text, it has
# two words at most.
_WITHOUT_EXAMPLES: Final = r"""
UPDATE {table} SET value = NULL
WHERE column_name IS NULL OR list_contains($texts, column_name) OR NOT regexp_full_match(value, '\S{{1,40}}( \S{{1,20}})?')
"""


def write_answers(connection: duckdb.DuckDBPyConnection, product: Product, facts: Mapping[str, object]) -> None:
    """Store the accepted rows of the temporary table `judged` as answers; a row that repeats another is marked.

    Like `write_events` it makes the temporary tables `stored`, for the ledger, and `changed` and `new_pairs`, which are empty,
    since answers mark no event and name no alias.

    Args:
        connection: A connection with an open transaction.
        product: The product, which says what is kept of texts.
        facts: SQL parameters: the rows' `source` and the time `ingested_at`, UTC.
    """
    rules = product.answers
    taken = in_zone(sql("telemetry/answers_taken.sql"), product.timezone)
    connection.execute(taken, {"source": facts["source"]})
    connection.execute(
        "INSERT INTO telemetry.raw_answers BY NAME"
        f" SELECT * EXCLUDE (content_id, {_WHOLE}), {_KEPT[rules.texts]}, content_id, {_is_whole(rules.texts)} AS has_texts,"
        " $source AS source, $ingested_at AS ingested_at FROM answers_taken",
        {**facts, **({"longest": rules.longest_text} if rules.texts == "cut" else {})},
    )
    connection.execute(sql("telemetry/answers_stored.sql"))
    connection.execute("CREATE OR REPLACE TEMP TABLE changed (event_date DATE)")
    connection.execute("CREATE OR REPLACE TEMP TABLE new_pairs (alias VARCHAR, user_id VARCHAR)")


def without_rejected_texts(
    connection: duckdb.DuckDBPyConnection, product: Product, *, table: Literal["rejected", "refused"] = "rejected"
) -> None:
    """Leave the texts of answers out of what is shown of rows for quarantine, and out of all of them where the product does not keep texts.

    Args:
        connection: A connection with the temporary table.
        product: The product, which says what is kept of texts.
        table: The temporary table of the rows that break a rule.
    """
    if product.answers.texts == "keep":
        connection.execute(_WITHOUT_EXAMPLES.format(table=table), {"texts": list(TEXTS)})
    else:
        connection.execute(_WITHOUT_TEXTS.format(table=table))


def _is_whole(texts: KeptTexts) -> str:
    """Return SQL that is true where a row has a text from which anything can be scored."""
    return "false" if texts == "hash" else "(question IS NOT NULL OR context IS NOT NULL OR answer IS NOT NULL)"
