"""The flags that the simulated product honours: from which users a feature is hidden, evaluated as an application does it."""

from collections.abc import Iterator, Mapping

import polars as pl

from intelligence.actions.flags import Document, exposure, flag_in, off_variant
from intelligence.core.errors import ActionError
from resources.flags.file import FlagFile


def hidden_from(file: FlagFile, flags: Mapping[str, str], events: pl.DataFrame) -> dict[str, list[str]]:
    """Return, by feature, the users in these events to whom its flag serves the variant that is off.

    Without a file, or with a broken one, an application serves its defaults, so nothing is hidden.

    Args:
        file: The file of flags.
        flags: The key of the flag of each feature.
        events: The events of the simulated product, with the columns feature and user_id.
    """
    from openfeature.exception import OpenFeatureError

    from resources.flags.provider import flag_client, served_variant

    try:
        document = file.document()
        hiding = list(_hiding(document, flags))
        if not hiding:
            return {}
        client = flag_client(file.path)
    except (ActionError, OpenFeatureError):
        return {}
    found: dict[str, list[str]] = {}
    for feature, flag, off in hiding:
        value = flag_in(document, flag)["variants"][off]
        users = events.filter(feature=feature)["user_id"].drop_nulls().unique().sort()
        found[feature] = [user for user in users if served_variant(client, flag, value, user)[0] == off]
    return found


def _hiding(document: Document, flags: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield feature, flag and the variant that is off, for each flag that is not on for everybody."""
    for feature, flag in flags.items():
        try:
            off = off_variant(document, flag)
            if off is not None and exposure(document, flag) != 1.0:
                yield feature, flag, off
        except ActionError:
            continue  # a feature whose flag is missing or cannot be understood is shown
