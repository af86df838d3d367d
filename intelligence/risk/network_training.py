"""Trains the layers of a small neural network with PyTorch, the extra `deep`; imported only where a network is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from intelligence.risk.network import Floats, Layer

Bools = NDArray[np.bool_]

HIDDEN: Final = (32, 16)
MOST_EPOCHS: Final = 60
# Epochs without a lower loss on the held-out rows after which no further one is tried.
PATIENCE: Final = 8
HELD_OUT: Final = 0.2
STEPS_OF_AN_EPOCH: Final = 50
SMALLEST_BATCH: Final = 64
LEARNING_RATE: Final = 0.003
WEIGHT_DECAY: Final = 0.1


def trained_layers(inputs: Floats, labels: Bools, *, seed: int) -> tuple[Layer, ...]:
    """Return the layers of a network for the probability of a positive label, by AdamW (Loshchilov and Hutter 2019).

    The number of epochs is the one after which the log loss on the latest fifth of the rows was lowest (early stopping,
    Prechelt 1998); with it the network is trained again on all rows. One thread in double precision, so that the same rows
    give the same weights.

    Args:
        inputs: Standardized inputs in order of time, shape (rows, inputs).
        labels: Outcome of each row, shape (rows,).
        seed: Seed of the first weights and of the order of the rows.
    """
    cut = round((1 - HELD_OUT) * len(labels))
    with one_thread():
        epochs = MOST_EPOCHS // 4
        if len(np.unique(labels[:cut])) == len(np.unique(labels[cut:])) == 2:
            epochs = _best_epochs(inputs, labels, cut, seed)
        fit = _Fit(inputs, labels, seed)
        for _ in range(epochs):
            fit.epoch()
        return fit.layers()


def _best_epochs(inputs: Floats, labels: Bools, cut: int, seed: int) -> int:
    fit, best, lowest = _Fit(inputs[:cut], labels[:cut], seed), 1, np.inf
    for number in range(1, MOST_EPOCHS + 1):
        fit.epoch()
        loss = fit.loss(inputs[cut:], labels[cut:])
        if loss < lowest:
            best, lowest = number, loss
        elif number - best >= PATIENCE:
            break
    return best


class _Fit:
    """A network while it is trained."""

    def __init__(self, inputs: Floats, labels: Bools, seed: int) -> None:
        import torch

        self._draw = np.random.default_rng(seed)
        self._inputs, self._labels = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.float64))
        sizes = (inputs.shape[1], *HIDDEN, 1)
        parts = [self._first(*pair) for pair in pairwise(sizes)]
        share = (labels.sum() + 1) / (len(labels) + 2)
        parts[-1][1][:] = np.log(share / (1 - share))
        self._parts = [[torch.tensor(part, requires_grad=True) for part in pair] for pair in parts]
        groups = [
            {"params": [weights for weights, _ in self._parts], "weight_decay": WEIGHT_DECAY},
            {"params": [biases for _, biases in self._parts], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)

    def _first(self, inputs: int, outputs: int) -> tuple[Floats, Floats]:
        """Return the first weights and biases of a layer (Glorot and Bengio 2010)."""
        reach = np.sqrt(6 / (inputs + outputs))
        return self._draw.uniform(-reach, reach, (inputs, outputs)), np.zeros(outputs)

    def _logits(self, present: Any) -> Any:
        for weights, biases in self._parts[:-1]:
            present = (present @ weights + biases).tanh()
        weights, biases = self._parts[-1]
        return (present @ weights + biases)[:, 0]

    def epoch(self) -> None:
        """Go over all rows once, in an order drawn by chance."""
        import torch

        rows = len(self._labels)
        order = torch.from_numpy(self._draw.permutation(rows))
        for places in order.split(max(SMALLEST_BATCH, rows // STEPS_OF_AN_EPOCH)):
            self._optimizer.zero_grad()
            logits = self._logits(self._inputs[places])
            torch.nn.functional.binary_cross_entropy_with_logits(logits, self._labels[places]).backward()
            self._optimizer.step()

    def loss(self, inputs: Floats, labels: Bools) -> float:
        """Return the log loss on other rows."""
        import torch

        with torch.no_grad():
            logits = self._logits(torch.from_numpy(inputs))
            wanted = torch.from_numpy(labels.astype(np.float64))
            return float(torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted))

    def logits(self, inputs: Floats) -> Floats:
        """Return the logits that PyTorch computes."""
        import torch

        with torch.no_grad():
            found: Floats = self._logits(torch.from_numpy(inputs)).numpy()
        return found

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers as plain numbers."""
        parts = [[part.detach().numpy() for part in pair] for pair in self._parts]
        return tuple(
            Layer(tuple(tuple(row) for row in weights.tolist()), tuple(biases.tolist())) for weights, biases in parts
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute in one thread, and as before afterwards: more add up in another order, and only wait on small parts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
