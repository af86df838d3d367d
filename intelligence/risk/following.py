"""Whether the newest scores come from the present champion, or have to be computed again."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A day to score again, and why; `key` identifies the move of the alias that caused it."""

    day: date
    key: str
    cause: str


def rescoring(
    model: str,
    *,
    champion: str | None,
    last_move: int | None,
    scored_day: date | None,
    scored_version: int | None,
    newest_day: date | None,
) -> Rescoring | None:
    """Return which day has to be scored again with the champion; None where the newest scores come from it.

    The key contains `last_move`, so that moving the alias to another version and back gives different keys.

    Args:
        model: Name of the model in the registry.
        champion: Version of the present champion; None where there is none.
        last_move: Number of the latest move of the alias `champion`; None where it never moved.
        scored_day: Newest day with scores; None where nothing was scored yet.
        scored_version: Version that gave those scores; None likewise.
        newest_day: Newest day that could be scored, which is used where nothing was scored yet.

    >>> rescoring("feature_risk", champion="2", last_move=4, scored_day=date(2026, 8, 1), scored_version=1,
    ...           newest_day=date(2026, 8, 1)).key
    'feature_risk 2026-08-01 version 2 move 4'
    """
    day = scored_day or newest_day
    if champion is None or day is None or (scored_version is not None and str(scored_version) == champion):
        return None
    return Rescoring(
        day,
        f"{model} {day} version {champion} move {last_move or 0}",
        f"version {champion} is the champion, and version {scored_version or 'none'} had scored",
    )
