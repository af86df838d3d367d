"""The tables of the experiments layer."""

from typing import Final

from intelligence.core.tables import Table

TABLES: Final[tuple[Table, ...]] = ()
