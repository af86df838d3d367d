"""An isolation forest in numpy: how few random cuts set a row apart (Liu, Ting and Zhou 2008).

scikit-learn has one too. This one grows all trees at once, loads in no time, and gives the same scores on every version.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TREES: Final = 50
ROWS_OF_A_TREE: Final = 256
DEPTH: Final = 8
_EULER: Final = 0.5772156649
_AT_ONCE: Final = 200_000


def _mean_depth(rows: Floats) -> Floats:
    """Return the mean depth at which a search ends in a random binary tree of so many rows."""
    more = np.maximum(rows, 2.0)
    found: Floats = np.where(
        rows > 2, 2 * (np.log(more - 1) + _EULER) - 2 * (more - 1) / more, np.where(rows == 2, 1.0, 0.0)
    )
    return found


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees of equal depth in arrays of shape (trees, nodes); node k has the children 2k + 1 and 2k + 2.

    Attributes:
        column: Column that a node cuts.
        cut: Where it cuts: a row goes left where its value is smaller.
        depth: Depth that a row reaches in a node of the last level, or in the one where its branch ended.
        expected: Mean depth of a row, by which scores are scaled.
    """

    column: NDArray[np.int64]
    cut: Floats
    depth: Floats
    expected: float

    @classmethod
    def grown(cls, rows: Floats, *, seed: int) -> "Forest":
        """Return a forest grown on rows.

        Args:
            rows: Shape (rows, columns), without missing values.
            seed: Seed of the samples and of the cuts.
        """
        draw = np.random.default_rng(seed)
        size, columns = min(ROWS_OF_A_TREE, len(rows)), rows.shape[1]
        sample = rows[np.stack([draw.choice(len(rows), size, replace=False) for _ in range(TREES)])]
        nodes, leaves = 2**DEPTH - 1, 2**DEPTH
        column = draw.integers(0, columns, size=(TREES, nodes))
        share, cut = draw.random((TREES, nodes)), np.zeros((TREES, nodes))
        place = np.zeros((TREES, size), dtype=np.int64)
        tree = np.repeat(np.arange(TREES), size)
        lone = np.full((TREES, leaves), float(DEPTH))
        for level in range(DEPTH):
            first, count = 2**level - 1, 2**level
            at = (tree, place.ravel())
            chosen = column[:, first : first + count]
            values = np.take_along_axis(sample, chosen[np.arange(TREES)[:, None], place][:, :, None], axis=2)[:, :, 0]
            low, high = np.full((TREES, count), np.inf), np.full((TREES, count), -np.inf)
            np.minimum.at(low, at, values.ravel())
            np.maximum.at(high, at, values.ravel())
            low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
            inside = low + share[:, first : first + count] * (high - low)
            cut[:, first : first + count] = inside
            alone = np.zeros((TREES, count))
            np.add.at(alone, at, 1.0)
            # A node with at most one row ends its branch: whoever falls into it is isolated there.
            width = leaves // count
            ended = np.repeat(alone <= 1, width, axis=1)
            lone = np.where(ended & (lone == DEPTH), float(level), lone)
            place = 2 * place + (values >= inside[np.arange(TREES)[:, None], place])
        held = np.zeros((TREES, leaves))
        np.add.at(held, (tree, place.ravel()), 1.0)
        depth = np.where(lone < DEPTH, lone, DEPTH + _mean_depth(held))
        return cls(column, cut, depth, float(_mean_depth(np.array([float(size)]))[0]))

    def scores(self, rows: Floats) -> Floats:
        """Return for each row how easily it is isolated, from 0 (like many) to 1 (like none)."""
        found = [self._scores(rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)]
        return np.concatenate(found) if found else np.empty(0)

    def _scores(self, rows: Floats) -> Floats:
        total = np.zeros(len(rows))
        flat, begin = rows.ravel(), np.arange(len(rows)) * rows.shape[1]
        for column, cut, depth in zip(self.column, self.cut, self.depth, strict=True):
            node = np.zeros(len(rows), dtype=np.int64)
            for _ in range(DEPTH):
                is_right = flat.take(begin + column.take(node)) >= cut.take(node)
                node = 2 * node + 1 + is_right
            total += depth.take(node - (2**DEPTH - 1))
        found: Floats = 2.0 ** -(total / TREES / self.expected)
        return found
