"""Writes delivered answers of language models, with as much of their texts as the product keeps."""

from collections.abc import Mapping
from typing import Final

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
_WITHOUT_TEXTS: Final = "UPDATE rejected SET payload = '{}', value = NULL, is_readable = false"


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


def without_rejected_texts(connection: duckdb.DuckDBPyConnection, product: Product) -> None:
    """Leave the texts out of the rows for quarantine, where the product does not keep them.

    Args:
        connection: A connection with the temporary table `rejected`.
        product: The product, which says what is kept of texts.
    """
    if product.answers.texts != "keep":
        connection.execute(_WITHOUT_TEXTS)


def _is_whole(texts: KeptTexts) -> str:
    """Return SQL that is true where a row has a text from which anything can be scored."""
    return "false" if texts == "hash" else "(question IS NOT NULL OR context IS NOT NULL OR answer IS NOT NULL)"
