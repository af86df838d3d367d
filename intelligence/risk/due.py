"""When a training is due by the calendar; drift may request one earlier."""

from datetime import date
from typing import Final

RETRY_DAYS: Final = 7


def training_due(
    last_as_of: date | None,
    newest_day: date,
    *,
    decision: str | None,
    retrain_after_days: int,
    same_predictors: bool = True,
) -> str | None:
    """Return why a training is due; None where it is not.

    Args:
        last_as_of: Last day of the telemetry that the latest training used; None where there was none.
        newest_day: Newest day of the telemetry.
        decision: The gate's decision on the latest training; None where there is none.
        retrain_after_days: Age in days from which on a training is due.
        same_predictors: Whether the latest training used the present predictors.

    >>> training_due(None, date(2026, 8, 1), decision=None, retrain_after_days=28)
    'no model was trained yet'
    >>> training_due(date(2026, 8, 1), date(2026, 8, 5), decision="promote", retrain_after_days=28) is None
    True
    """
    if last_as_of is None:
        return "no model was trained yet"
    if not same_predictors:
        return "the last one looked at other predictors"
    age = (newest_day - last_as_of).days
    if decision == "not_enough_evidence" and age >= RETRY_DAYS:
        return f"the last one, {age} days ago, had not enough evidence"
    return f"the last one is {age} days old" if age >= retrain_after_days else None
