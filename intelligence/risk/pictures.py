"""Pictures of a training, as PNG bytes: calibration, precision against recall, importance, quality over time."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from intelligence.core.plots import png
from intelligence.risk.evaluation import calibration_curve
from intelligence.risk.model import RiskModel
from intelligence.risk.training import Training
from intelligence.risk.wording import NAMES

COLOURS = {
    "xgboost": "#1f4e8c",
    "random_forest": "#2f9e73",
    "logistic_regression": "#c9792b",
    "neural_network": "#8a4fb5",
}
MOST_PREDICTORS = 15
MOST_POINTS = 1_500


def training_picture(training: Training) -> bytes:
    """Return a PNG with three panels: calibration, precision against recall, and importance."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    calibration, precision, importance = figure.subplots(1, 3)
    labels = training.unseen["label"].to_numpy()
    for kind in training.rules.candidates:
        scores = training.unseen[kind].to_numpy()
        chosen = kind == training.model.kind
        curve = calibration_curve(scores, labels)
        style = {"color": COLOURS[kind], "label": NAMES[kind], "alpha": 1.0 if chosen else 0.45}
        calibration.plot(
            [point["expected"] for point in curve],
            [point["observed"] for point in curve],
            marker="o",
            markersize=3,
            linewidth=2 if chosen else 1,
            **style,
        )
        recall, share = _precision_recall(scores, labels)
        precision.plot(recall, share, linewidth=2 if chosen else 1, **style)
    top = max(calibration.get_xlim()[1], calibration.get_ylim()[1])
    calibration.plot([0, top], [0, top], color="#999999", linewidth=0.8, linestyle="--")
    calibration.set(xlabel="predicted probability", ylabel="share that came true", title="Calibration on unseen time")
    precision.axhline(labels.mean(), color="#999999", linewidth=0.8, linestyle="--")
    precision.set(xlabel="recall", ylabel="precision", title="Precision against recall", ylim=(0, 1.02))
    precision.legend(frameon=False, fontsize=8)
    strongest = list(training.importance.items())[:MOST_PREDICTORS][::-1]
    importance.barh(range(len(strongest)), [value for _, value in strongest], color=COLOURS[training.model.kind])
    importance.set_yticks(range(len(strongest)), [name for name, _ in strongest], parse_math=False)
    importance.set(xlabel="mean |contribution| to the logit", title="What moves the score")
    importance.tick_params(axis="y", labelsize=7)
    for axes in (calibration, precision, importance):
        axes.grid(alpha=0.25)
    return png(figure)


def _precision_recall(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ranked = labels[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(ranked)
    return hits / hits[-1], hits / np.arange(1, len(hits) + 1)


def contributions_picture(model: RiskModel, rows: pl.DataFrame) -> bytes:
    """Return a SHAP summary plot (Lundberg and Lee 2017) as a PNG: contributions by predictor, coloured by its value.

    Args:
        model: The model whose contributions are drawn.
        rows: Rows with the model's predictors; at most 3,000 of them, evenly spaced, are drawn.
    """
    shown = rows.gather_every(max(1, rows.height // MOST_POINTS))
    contributions = model.contributions(shown)
    strongest = np.argsort(-np.abs(contributions).mean(axis=0))[:MOST_PREDICTORS][::-1]
    figure = Figure(figsize=(8, 1.2 + 0.3 * len(strongest)), layout="constrained")
    axes = figure.subplots()
    jitter = np.linspace(-0.3, 0.3, shown.height)[np.argsort(np.argsort(np.arange(shown.height) * 7919 % shown.height))]
    for line, column in enumerate(strongest):
        name = model.predictors[column]
        rank = shown[name].cast(pl.Float64).fill_nan(None).rank().fill_null(0).to_numpy() / max(shown.height, 1)
        axes.scatter(contributions[:, column], line + jitter, c=rank, cmap="coolwarm", s=4, linewidths=0)
    axes.set_yticks(
        range(len(strongest)), [model.predictors[column] for column in strongest], fontsize=8, parse_math=False
    )
    axes.set(xlabel="contribution to the logit (red: high value, blue: low)", title="Which values push the score where")
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.grid(alpha=0.25, axis="x")
    return png(figure)


def folds_picture(training: Training) -> bytes:
    """Return a PNG with PR-AUC and calibration error of each candidate model by fold."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    ranking, calibration = figure.subplots(1, 2)
    for evaluation in training.evaluations:
        folds = [fold["fold"] for fold in evaluation.by_fold]
        style = {
            "color": COLOURS.get(evaluation.name, "#999999"),
            "label": NAMES.get(evaluation.name, evaluation.name),
            "linestyle": "-" if evaluation.name in training.rules.candidates else ":",
            "marker": "o",
            "markersize": 3,
        }
        ranking.plot(folds, [fold["pr_auc"] for fold in evaluation.by_fold], **style)
        if evaluation.name in training.rules.candidates:
            calibration.plot(folds, [fold["calibration_error"] for fold in evaluation.by_fold], **style)
    ranking.set(title="PR-AUC by fold", xlabel="fold, in order of time", ylim=(0, 1.02))
    calibration.set(title="Calibration error by fold", xlabel="fold, in order of time", ylim=(0, None))
    ranking.legend(frameon=False, fontsize=7)
    for axes in (ranking, calibration):
        axes.grid(alpha=0.25)
        axes.locator_params(axis="x", integer=True)
    return png(figure)
