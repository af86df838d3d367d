"""The wording of a comparison of two models, in one place, so that all pages describe the same numbers in the same way.

A sentence says "better" or "worse" only where the whole interval lies on that side of 0.
"""

from typing import Final, Literal

from intelligence.risk.evaluation import Estimate

Standing = Literal["better", "worse", "within chance", "not known"]

NAMES: Final = {
    "xgboost": "boosted trees",
    "random_forest": "random forest",
    "logistic_regression": "logistic regression",
    "neural_network": "neural network",
    "ewma": "smoothed errors (floor)",
    "persistence": "past degraded days (floor)",
    "random": "random ranking",
}
MEASURES: Final = {
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "precision_at_capacity": "precision at capacity",
}
LOWER_IS_BETTER: Final = ("log_loss", "brier", "calibration_error")
_DOES: Final = {"pr_auc": "ranks", "roc_auc": "ranks", "log_loss": "foretells", "brier": "foretells"}


def standing(difference: Estimate, measure: str = "pr_auc") -> Standing:
    """Return how one model compares with another by a measure.

    Args:
        difference: Paired difference of the measure, one model minus the other, with its 95 % interval.
        measure: Name of the measure, a key of MEASURES.

    >>> standing(Estimate(0.02, -0.01, 0.05)), standing(Estimate(0.02, 0.01, 0.03), "log_loss"), standing(Estimate(0.02))
    ('within chance', 'worse', 'not known')
    """
    if difference.value is None or difference.low is None or difference.high is None:
        return "not known"
    sides: tuple[Standing, Standing] = ("worse", "better") if measure in LOWER_IS_BETTER else ("better", "worse")
    if difference.low > 0:
        return sides[0]
    return sides[1] if difference.high < 0 else "within chance"


def difference_in_words(difference: Estimate, against: str, measure: str = "pr_auc") -> str:
    """Return the difference with its interval, in words.

    Args:
        difference: Paired difference of the measure, one model minus the other, with its 95 % interval.
        against: Name of the other model.
        measure: Name of the measure, a key of MEASURES.

    >>> difference_in_words(Estimate(0.013, -0.014, 0.044), "champion")
    'PR-AUC +0.013 against champion (95 % interval -0.014 to +0.044)'
    """
    name = f"{MEASURES[measure]} against {against}"
    if difference.value is None:
        return f"{name} is not known"
    words = f"{MEASURES[measure]} {difference.value:+.3f} against {against}"
    if difference.low is None or difference.high is None:
        return f"{words} (its interval is not known)"
    return f"{words} (95 % interval {difference.low:+.3f} to {difference.high:+.3f})"


def compared(difference: Estimate, against: str, measure: str = "pr_auc") -> str:
    """Return how one model compares with another, in words, with the difference.

    Args:
        difference: Paired difference of the measure, one model minus the other, with its 95 % interval.
        against: Name of the other model.
        measure: Name of the measure, a key of MEASURES.

    >>> compared(Estimate(0.05, 0.02, 0.08), "champion")
    'ranks better: PR-AUC +0.050 against champion (95 % interval +0.020 to +0.080)'
    >>> compared(Estimate(0.013, -0.014, 0.044), "champion")
    'ranks no differently beyond chance: PR-AUC +0.013 against champion (95 % interval -0.014 to +0.044)'
    """
    verb = _DOES.get(measure, "does")
    how = {
        "better": f"{verb} better",
        "worse": f"{verb} worse",
        "within chance": f"{verb} no differently beyond chance",
        "not known": "cannot be compared",
    }
    if measure == "calibration_error":
        how |= {"better": "is better calibrated", "worse": "is worse calibrated"}
        how["within chance"] = "is calibrated no differently beyond chance"
    return f"{how[standing(difference, measure)]}: {difference_in_words(difference, against, measure)}"


def named(name: str) -> str:
    """Return the name of a candidate model or floor for people."""
    return NAMES.get(name, f"{name} (floor)")
