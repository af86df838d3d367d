"""A second opinion by DoWhy: its own linear estimate of the effect, and its own refuters of that.

It takes many times as long as `effect` and is done on request only, on a sample of the rows. DoWhy writes columns into the frame
that it is given and reads those of an earlier run, so each refuter gets a frame of its own.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import covariates, numbers, present
from intelligence.causality.estimation import FEWEST_PER_ARM
from intelligence.causality.graph import confounded
from intelligence.core.errors import NotEnoughEvidence

SAMPLE_ROWS: Final = 10_000
REFUTERS: Final = ("placebo_treatment_refuter", "random_common_cause", "data_subset_refuter")


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What DoWhy says.

    Attributes:
        estimate: Its linear estimate of the effect.
        rows: Rows of the sample.
        refuted_to: The effect that each refuter finds, by its name in DoWhy: near 0 for the placebo, near the estimate for others.
    """

    estimate: float
    rows: int
    refuted_to: dict[str, float]


def cross_check(
    frame: pl.DataFrame,
    *,
    treatment: str,
    outcome: str,
    confounders: Sequence[str],
    simulations: int = 10,
    seed: int = 7,
) -> CrossCheck:
    """Return DoWhy's linear estimate of an effect with its refuters.

    Args:
        frame: One row per unit.
        treatment: Column of Booleans, or of 0 and 1.
        outcome: Column of numbers or Booleans.
        confounders: Columns measured before the treatment.
        simulations: Number of simulations of each refuter.
        seed: Seed of the sample and of the refuters.

    Raises:
        CausalityError: A column is missing or cannot be used in its part.
        NotEnoughEvidence: An arm has too few rows.
    """
    present(frame, [treatment, outcome, *confounders])
    known = frame.drop_nulls([treatment, outcome])
    if len(known) > SAMPLE_ROWS:
        known = known.sample(SAMPLE_ROWS, seed=seed)
    treated = numbers(known[treatment]).astype(np.int64)
    if min(int(treated.sum()), int((1 - treated).sum())) < FEWEST_PER_ARM:
        raise NotEnoughEvidence(treatment, "An arm has too few rows.", hint=f"Each needs {FEWEST_PER_ARM}.")
    encoded = covariates(known, confounders)
    names = [f"x{place}" for place in range(encoded.values.shape[1])]
    columns = dict(zip(names, encoded.values.T.astype(np.float64), strict=True))
    data = {**columns, "treatment": treated, "outcome": numbers(known[outcome])}
    model, estimand, estimate = _estimated(data, names)
    found = dict[str, float]()
    for refuter in REFUTERS:
        model._data = pl.DataFrame(data).to_pandas()
        options = {"placebo_type": "permute"} if refuter == REFUTERS[0] else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuted = model.refute_estimate(
                estimand,
                estimate,
                method_name=refuter,
                num_simulations=simulations,
                random_seed=seed,
                show_progress_bar=False,
                **options,
            )
        found[refuter] = float(refuted.new_effect)
    return CrossCheck(float(estimate.value), len(known), found)


def _estimated(data: dict[str, Any], names: Sequence[str]) -> tuple[Any, Any, Any]:
    import networkx as nx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dowhy import CausalModel

        graph = nx.DiGraph(confounded("treatment", "outcome", names).edges)
        model = CausalModel(pl.DataFrame(data).to_pandas(), treatment="treatment", outcome="outcome", graph=graph)
        # The default search does not end beyond about 30 columns.
        estimand = model.identify_effect(method_name="maximal-adjustment", proceed_when_unidentifiable=True)
        return model, estimand, model.estimate_effect(estimand, method_name="backdoor.linear_regression")
