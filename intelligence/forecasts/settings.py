"""The section `forecasts` of product.yaml, and what queries take from it."""

from datetime import date, timedelta
from typing import Any, Final

from pydantic import Field

from intelligence.core.sections import Section

# In the first four weeks of the data a user may be new to it who is not new to the product.
KNOWN_AFTER_DAYS: Final = 28


class Forecasts(Section):
    """How far ahead figures are forecast, and of what."""

    days: int = Field(90, ge=7, le=90)
    features: int = Field(8, ge=0, le=100)
    segments: int = Field(6, ge=0, le=50)


def history_parameters(asked: Forecasts, day: date, *, first: date, begin: date) -> dict[str, Any]:
    """Return the parameters of `history.sql`.

    Args:
        asked: The section of the product.
        day: The last day.
        first: The first day.
        begin: The first day of the product's data.
    """
    return {
        "first": first,
        "day": day,
        # Who came in the week before the first day is needed for who returned on it.
        "first_new": max(begin + timedelta(days=KNOWN_AFTER_DAYS), first - timedelta(days=7)),
        "features": asked.features,
        "segments": asked.segments,
    }
