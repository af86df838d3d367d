"""Which candidate model becomes the challenger, and by which measure.

Scores are shown as probabilities, ranked, and compared with costs, so the probabilities must be right. A proper scoring rule
measures just that (Gneiting and Raftery 2007). The rule here is log loss on unseen time: it is lowest for the true
probabilities and rewards both ranking and calibration. People who review only the top of a list need the ranking too, so a
candidate whose PR-AUC is lower than the highest one by more than chance is excluded first, however good its probabilities
are. Every difference is paired and counts only if its whole interval lies on one side of 0. Candidates whose log loss differs
by chance alone are compared by calibration error; where that differs by chance alone too, those with a clearly lower ROC-AUC
are excluded and the simplest of the others is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from intelligence.risk.evaluation import Estimate, estimate
from intelligence.risk.model import Floats, Kind
from intelligence.risk.wording import LOWER_IS_BETTER, MEASURES, compared, named, standing

By = Literal["ranking", "log loss", "calibration", "ranking over all", "simplicity"]

# By the number of weights or leaves: a weight per predictor, 120 shallow trees, 200 deep ones. A neural network comes last, since
# nobody can read it.
SIMPLEST_FIRST: Final[tuple[Kind, ...]] = ("logistic_regression", "xgboost", "random_forest", "neural_network")


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidate that was chosen, the measure that decided, and the reason in words."""

    kind: Kind
    by: By
    words: str


def selected(found: Mapping[Kind, Mapping[str, Floats]]) -> Selection:
    """Return the candidate to fit on all known rows.

    `found` contains the measures of each candidate, as from `measures`: the first number of each is over all rows, the
    others are over bootstrap draws that are the same for all candidates.
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
    """Return the candidate with the best value of the measure over all rows; the simplest of equal ones."""
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
