"""Which rival becomes the challenger, and by what.

Scores are shown as probabilities, ranked, and weighed against costs, so what is wanted of them is probabilities that are
right. A proper score asks for just that (Gneiting and Raftery 2007): log loss on unseen time, which is lowest for the true
probabilities and pays for every bit of ranking and of calibration. Who looks at the top of a list only needs the ranking
as well: a rival whose PR-AUC lies below that of the best ranking rival by more than chance cannot be chosen, however good
its probabilities. Every difference is paired and counts only where its whole interval lies on one side of 0. What is
within chance is decided by the calibration; where that is within chance too, the simplest is taken of those that do not
rank clearly worse over all (ROC-AUC).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from intelligence.risk.evaluation import Estimate, estimate
from intelligence.risk.model import Floats, Kind
from intelligence.risk.wording import LOWER_IS_BETTER, MEASURES, compared, named, standing

By = Literal["ranking", "log loss", "calibration", "ranking over all", "simplicity"]

# By the number of weights or leaves: a weight per predictor, 120 shallow trees, 200 deep ones.
SIMPLEST_FIRST: Final[tuple[Kind, ...]] = ("logistic_regression", "xgboost", "random_forest")


@dataclass(frozen=True, slots=True)
class Selection:
    """The rival that was chosen, by what, and in words for people."""

    kind: Kind
    by: By
    words: str


def selected(found: Mapping[Kind, Mapping[str, Floats]]) -> Selection:
    """Return the rival to fit on everything known.

    `found` has each rival's measures, the first number of each over all rows and the others over the same draws for all.
    """
    left, steps = tuple(found), list[str]()
    measures: tuple[tuple[str, By], ...] = (
        ("pr_auc", "ranking"),
        ("log_loss", "log loss"),
        ("calibration_error", "calibration"),
        ("roc_auc", "ranking over all"),
    )
    for measure, by in measures:
        ahead = _best(found, left, measure)
        differences = {kind: _difference(found, kind, ahead, measure) for kind in left if kind != ahead}
        behind = [kind for kind, each in differences.items() if standing(each, measure) == "worse"]
        left = tuple(kind for kind in left if kind not in behind)
        if len(left) == 1:
            return Selection(ahead, by, _words(found, ahead, by, [*steps, *_lost(found, ahead, behind, measure)]))
        steps += _lost(found, ahead, behind, measure)
    simplest = next(kind for kind in SIMPLEST_FIRST if kind in left)
    return Selection(
        simplest, "simplicity", _words(found, simplest, "simplicity", [*steps, *_even(found, simplest, left)])
    )


def _best(found: Mapping[Kind, Mapping[str, Floats]], among: Sequence[Kind], measure: str) -> Kind:
    """Return the rival that does best by the measure over all rows; of equal ones the simplest."""
    sign = -1 if measure in LOWER_IS_BETTER else 1
    return max(among, key=lambda kind: (sign * found[kind][measure][0], -SIMPLEST_FIRST.index(kind)))


def _difference(found: Mapping[Kind, Mapping[str, Floats]], one: Kind, other: Kind, measure: str) -> Estimate:
    return estimate(found[one][measure] - found[other][measure])


def _lost(found: Mapping[Kind, Mapping[str, Floats]], ahead: Kind, behind: Sequence[Kind], measure: str) -> list[str]:
    return [
        f"{named(kind)} {compared(_difference(found, kind, ahead, measure), named(ahead), measure)}" for kind in behind
    ]


def _even(found: Mapping[Kind, Mapping[str, Floats]], chosen: Kind, left: Sequence[Kind]) -> list[str]:
    return [
        f"{named(kind)} {compared(_difference(found, kind, chosen, 'log_loss'), named(chosen), 'log_loss')}"
        for kind in left
        if kind != chosen
    ]


_BECAUSE: Final[Mapping[By, str]] = {
    "ranking": "because every other rival ranks worse beyond chance",
    "log loss": "by log loss on unseen time",
    "calibration": "by calibration, since the log loss of those left is within chance",
    "ranking over all": "by ROC-AUC, since log loss and calibration of those left are within chance",
    "simplicity": "as the simplest of those whose log loss and calibration are within chance of the best",
}


def _words(found: Mapping[Kind, Mapping[str, Floats]], kind: Kind, by: By, steps: Sequence[str]) -> str:
    numbers = ", ".join(f"{MEASURES[name]} {found[kind][name][0]:.3f}" for name in ("log_loss", "calibration_error"))
    return f"{named(kind).capitalize()} chosen {_BECAUSE[by]} ({numbers}): {'; '.join(steps)}."
