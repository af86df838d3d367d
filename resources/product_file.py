"""The product that this code location serves, read from `product.yaml`."""

from functools import cache
from pathlib import Path
from typing import cast

import dagster as dg

from intelligence.decisions.ladder import Level
from intelligence.errors import ProductFileError
from intelligence.product import Product, product_from, with_simulated_days
from resources.delivery import display_name
from resources.flag_file import FlagFile
from resources.settings import settings


@cache
def product_at(path: Path) -> Product:
    """Return the product that the file describes; raises ProductFileError where it cannot be read or understood."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProductFileError(
            str(path), f"it cannot be read: {error}.", hint="Set INTELLIGENCE_PRODUCT to a product file."
        ) from error
    product, days, mode = product_from(text, origin=display_name(path)), settings().simulated_days, settings().mode
    if mode:
        product = product.model_copy(update={"decisions": product.decisions.at_level(cast(Level, mode))})
    return product if days is None else with_simulated_days(product, days)


class ProductFile(dg.ConfigurableResource):
    """The product file and the folder into which its simulator delivers."""

    path: str
    landing: str

    @property
    def product(self) -> Product:
        """Return the product that the file describes."""
        return product_at(Path(self.path))

    @property
    def flags(self) -> FlagFile:
        """Return the file of flags that the simulated product honours; a relative path begins beside the landing folder."""
        return FlagFile(Path(self.landing).parent / self.product.actions.flag_file)
