"""DoWhy agrees with the library where a linear model is right."""

import numpy as np
import polars as pl
import pytest

from intelligence.causality.cross_check import cross_check
from intelligence.causality.effect import effect
from intelligence.core.errors import NotEnoughEvidence


def test_dowhy_agrees_and_does_not_refute_its_estimate() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=2_000)
    adopted = draw.random(2_000) < 1 / (1 + np.exp(-x))
    frame = pl.DataFrame({"x": x, "adopted": adopted, "y": 0.5 * adopted + x + draw.normal(size=2_000)})
    asked = {"treatment": "adopted", "outcome": "y", "confounders": ["x"]}
    found = cross_check(frame, **asked, simulations=4)  # type: ignore[arg-type]
    own = effect(frame, **asked)  # type: ignore[arg-type]
    assert own.estimate.low < found.estimate < own.estimate.high
    assert found.refuted_to["placebo_treatment_refuter"] == pytest.approx(0, abs=0.1)
    assert found.refuted_to["random_common_cause"] == pytest.approx(found.estimate, abs=0.01)
    assert found.refuted_to["data_subset_refuter"] == pytest.approx(found.estimate, abs=0.1)
    with pytest.raises(NotEnoughEvidence, match="too few rows"):
        cross_check(frame.head(10), **asked)  # type: ignore[arg-type]
