"""The promotion gate: whether a challenger may replace the champion, decided on rows that neither had seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from intelligence.risk.evaluation import Estimate, Sample, calibration_error_by_chance, estimate, measures
from intelligence.risk.model import Floats
from intelligence.risk.wording import compared, difference_in_words, standing

Decision = Literal["promote", "hold", "reject", "not_enough_evidence"]

MARGIN: Final = 0.02
MOST_CALIBRATION_ERROR: Final = 0.03
FEWEST_UNITS: Final = 5
CHANCE_DRAWS: Final = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on a challenger, with the numbers behind it.

    Attributes:
        decision: promote, hold, reject or not_enough_evidence.
        reason: Why, in words.
        rows: Number of rows that were compared.
        onsets: Number of them with a positive label.
        against: The champion or the floor that the challenger was compared with.
        challenger: Measures of the challenger by name.
        rival: Measures of what it was compared with.
        advantage: Paired difference in PR-AUC, challenger minus the other.
        precision_change: Paired difference in precision at capacity.
    """

    decision: Decision
    reason: str
    rows: int
    onsets: int
    against: str
    challenger: Mapping[str, Estimate]
    rival: Mapping[str, Estimate]
    advantage: Estimate
    precision_change: Estimate


def verdict_without_evidence(reason: str, *, rows: int = 0, onsets: int = 0, against: str = "") -> Verdict:
    """Return the verdict `not_enough_evidence`.

    Args:
        reason: Why, in words.
        rows: Number of rows that could be compared.
        onsets: Number of them with a positive label.
        against: What the challenger would have been compared with.
    """
    nothing = Estimate(None)
    return Verdict("not_enough_evidence", reason, rows, onsets, against, {}, {}, nothing, nothing)


def verdict(
    challenger: Floats,
    floors: Mapping[str, Floats],
    sample: Sample,
    *,
    champion: Floats | None,
    capacity: float,
    threshold: float,
    margin: float = MARGIN,
    most_calibration_error: float = MOST_CALIBRATION_ERROR,
    draws: int = 200,
    seed: int = 7,
) -> Verdict:
    """Return whether the challenger is promoted.

    The challenger is compared with the champion; without a champion, with the strongest floor; without floors, with chance.

    - It is promoted if its PR-AUC is higher and the lower bound of the paired interval lies above -`margin`. A challenger
      of a champion must also have a higher PR-AUC than each floor.
    - It is rejected if the upper bound of that interval lies below 0.
    - It is rejected if its calibration error exceeds the largest of three numbers: that of the champion, the error that
      chance gives perfectly calibrated probabilities on these rows, and `most_calibration_error`. The last one does not
      count for a challenger whose calibration is worse than the champion's beyond chance.
    - It is rejected if its precision at capacity is worse beyond chance.
    - A first model whose PR-AUC is higher, but not by that bound, has not enough evidence.
    - Otherwise it is held: the champion stays.

    Args:
        challenger: Probabilities of the challenger on the rows of `sample`, given before it had seen them, shape (rows,).
        floors: Scores of each floor on the same rows, by name, shape (rows,) each.
        sample: The rows, whose outcome neither model had seen.
        champion: Probabilities of the champion on them, shape (rows,); None where there is none.
        capacity: Share of the rows of each time that can be reviewed, in (0, 1].
        threshold: Probability from which on a risk counts as high, in [0, 1].
        margin: By how much the PR-AUC of a promoted challenger may be lower at worst.
        most_calibration_error: Expected calibration error that is always acceptable unless it is worse beyond chance.
        draws: Number of bootstrap draws for the intervals; with those of the training they equal the intervals of its card.
        seed: Seed of the draws.
    """
    units = len(np.unique(sample.units[sample.labels]))
    against = "the champion" if champion is not None else "the floors"
    if units and sample.labels.all():
        return verdict_without_evidence(
            "Every row that neither had seen came true: nothing can be ranked.",
            rows=len(sample.labels),
            onsets=len(sample.labels),
            against=against,
        )
    if units < FEWEST_UNITS:
        return verdict_without_evidence(
            f"{units} units had an onset on rows that neither had seen; {FEWEST_UNITS} are needed.",
            rows=len(sample.labels),
            onsets=int(sample.labels.sum()),
            against=against,
        )
    weights = sample.weights(draws, seed=seed)

    def measured(scores: Floats, chance: Floats | None) -> dict[str, Floats]:
        return measures(scores, chance, sample, capacity=capacity, threshold=threshold, weights=weights)

    mine = measured(challenger, challenger)
    by_floor = {
        name: measured(scores, None) for name, scores in (floors or {"chance": np.zeros(len(challenger))}).items()
    }
    floor = max(by_floor, key=lambda name: by_floor[name]["pr_auc"][0])
    strongest, theirs = (floor, by_floor[floor]) if champion is None else ("champion", measured(champion, champion))
    advantage = estimate(mine["pr_auc"] - theirs["pr_auc"])
    precision_change = estimate(mine["precision_at_capacity"] - theirs["precision_at_capacity"])
    error = float(mine["calibration_error"][0])
    allowed = calibration_error_by_chance(challenger, sample.units, draws=CHANCE_DRAWS, seed=seed)
    if champion is not None:
        allowed = max(allowed, float(theirs["calibration_error"][0]))
    worse = (
        estimate(mine["calibration_error"] - theirs["calibration_error"]) if champion is not None else Estimate(None)
    )
    if standing(worse, "calibration_error") != "worse":
        allowed = max(allowed, most_calibration_error)
    decision, reason = _decided(strongest, advantage, precision_change, error, allowed, margin=margin)
    above_floor = estimate(mine["pr_auc"] - by_floor[floor]["pr_auc"])
    if champion is None and decision == "hold" and (advantage.value or 0.0) > 0:
        decision, reason = "not_enough_evidence", f"Its lead may be chance: it {compared(advantage, strongest)}."
    if champion is not None and decision == "promote" and (above_floor.value or 0.0) <= 0:
        decision, reason = (
            "hold",
            f"Its ranking is not above every floor: {difference_in_words(above_floor, floor)}.",
        )
    return Verdict(
        decision,
        reason,
        len(sample.labels),
        int(sample.labels.sum()),
        strongest,
        {name: estimate(values) for name, values in mine.items()},
        {name: estimate(values) for name, values in theirs.items()},
        advantage,
        precision_change,
    )


def _decided(
    against: str, advantage: Estimate, precision_change: Estimate, error: float, allowed: float, *, margin: float
) -> tuple[Decision, str]:
    value, low, high = advantage.value or 0.0, advantage.low or 0.0, advantage.high or 0.0
    ranks = compared(advantage, against)
    if standing(advantage) == "worse":
        return "reject", f"It {ranks}."
    if error > allowed:
        return "reject", f"Its probabilities are off: calibration error {error:.3f}, allowed {allowed:.3f}. It {ranks}."
    if standing(precision_change, "precision_at_capacity") == "worse":
        at_capacity = difference_in_words(precision_change, against, "precision_at_capacity")
        return "reject", f"At capacity it is worse: {at_capacity}. It {ranks}."
    if value > 0 and low > -margin:
        at_most = "" if low > 0 else f", and would be worse by at most {-low:.3f}, where {margin:.3f} is allowed"
        return "promote", f"It {ranks}{at_most}; calibration error {error:.3f}."
    if value == low == high == 0:
        return "hold", f"It says the same as {against}: {difference_in_words(advantage, against)}."
    return "hold", f"It {ranks}."
