"""The tables of the causality layer. There are none yet: the layer is a library."""

from typing import Final

from intelligence.core.tables import Table

TABLES: Final[tuple[Table, ...]] = ()
