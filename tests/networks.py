"""Neural networks with weights drawn by chance, for tests that need no PyTorch; and a skip where those that need it lack it."""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

from intelligence.risk.candidates import RAW
from intelligence.risk.model import Platt, RiskModel
from intelligence.risk.network import Layer, Network
from tests.servers import NOT_PROVEN


def needs(package: str, extra: str) -> None:
    """Skip where the package of an extra is missing; the end of the session says so."""
    if find_spec(package) is None:
        pytest.skip(f"{NOT_PROVEN}: {package} is not installed (the extra {extra}, see CONTRIBUTING.md)")


def drawn_network(
    predictors: Sequence[str], calibration: Platt = RAW, *, gaps: Sequence[int] = (1,), seed: int = 1
) -> RiskModel:
    """Return a network with two hidden layers whose weights are drawn by chance."""
    draw, count = np.random.default_rng(seed), len(predictors)
    sizes = (count + len(gaps), 6, 4, 1)
    layers = tuple(
        Layer(tuple(map(tuple, draw.normal(size=pair).tolist())), tuple(draw.normal(size=pair[1]).tolist()))
        for pair in pairwise(sizes)
    )
    network = Network((0.2,) * count, (0.5,) * count, (2.0,) * count, tuple(gaps), layers)
    return RiskModel("neural_network", tuple(predictors), calibration, network=network)
