"""Whether the newest scores still come from the champion."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Rescoring:
    """One day to score anew; `key` is the same for the same move of the alias, and for no other."""

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
    """Return which day has to be scored anew with the champion; None where the newest scores come from it.

    `last_move` is the number of the alias's latest move, which makes the way there and back three different keys.
    Where nothing was ever scored it is the `newest_day` that could be.

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
