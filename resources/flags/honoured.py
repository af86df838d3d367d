"""The flags that the simulated product honours: from whom a feature is hidden, asked as an application would ask."""

from collections.abc import Iterator, Mapping

import polars as pl

from intelligence.actions.flags import Document, exposure, flag_in, off_variant
from intelligence.core.errors import ActionError
from resources.flags.file import FlagFile


def hidden_from(file: FlagFile, flags: Mapping[str, str], events: pl.DataFrame) -> dict[str, list[str]]:
    """Return, by feature, those of its users in these events whom its flag serves the variant that is off.

    `flags` names the flag of each feature. Without a file, or with one that is broken, an application serves its
    defaults: nothing is hidden.
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
    """Yield feature, flag and off variant of the flags that are not on for everybody."""
    for feature, flag in flags.items():
        try:
            off = off_variant(document, flag)
            if off is not None and exposure(document, flag) != 1.0:
                yield feature, flag, off
        except ActionError:
            continue  # a feature whose flag is not there, or not to be understood, is shown
