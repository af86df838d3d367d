"""The events of a simulated day that do not happen, because a feature is hidden from the user."""

from collections.abc import Collection, Mapping

import polars as pl


def shown_events(events: pl.DataFrame, hidden_from: Mapping[str, Collection[str]]) -> pl.DataFrame:
    """Return the events without those of users from whom the feature is hidden, in the same order.

    Args:
        events: One row per event, with the columns `feature` and `user_id`.
        hidden_from: By feature the ids of the users from whom it is hidden.

    >>> day = pl.DataFrame({"feature": ["quiz", "quiz", "chat"], "user_id": ["ada", "ben", "ada"]})
    >>> shown_events(day, {"quiz": ["ada"]}).rows()
    [('quiz', 'ben'), ('chat', 'ada')]
    """
    pairs = [(feature, user) for feature, users in hidden_from.items() for user in users]
    if not pairs:
        return events
    hidden = pl.DataFrame(pairs, schema={"feature": pl.String, "user_id": pl.String}, orient="row").unique()
    return events.join(hidden, on=["feature", "user_id"], how="anti", maintain_order="left")
