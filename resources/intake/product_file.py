"""The product that this code location serves, read from `product.yaml`."""

import glob
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from intelligence.catalog.product import FileSource, Product, product_from, with_simulated_days
from intelligence.core.errors import ProductFileError
from intelligence.decisions.autonomy import Level
from resources.config.settings import ROOT, settings
from resources.flags.file import FlagFile
from resources.intake.delivery import display_name

Files = TypeVar("Files", bound=FileSource)


@cache
def product_at(path: Path) -> Product:
    """Return the product that the file describes; raises ProductFileError if it cannot be read or is not valid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProductFileError(
            str(path), f"it cannot be read: {error}.", hint="Name a product file with INTELLIGENCE_PRODUCT."
        ) from error
    product, days, mode = product_from(text, origin=display_name(path)), settings().simulated_days, settings().mode
    anchored = {
        name: tuple(_anchored(each, path.parent) for each in sources)
        for name, sources in product
        if isinstance(sources, tuple) and all(isinstance(each, FileSource) for each in sources)
    }
    product = product.model_copy(update=anchored)
    if mode:
        product = product.model_copy(update={"decisions": product.decisions.at_level(cast(Level, mode))})
    return product if days is None else with_simulated_days(product, days)


def _anchored(source: Files, folder: Path) -> Files:
    """Return the source with absolute globs; relative ones are resolved against the folder of product.yaml.

    A glob that matches nothing there but matches files under the project's root, as in earlier versions, is resolved there.
    """
    if not source.files:
        return source
    return source.model_copy(update={"files": tuple(_whole_pattern(pattern, folder) for pattern in source.files)})


def _whole_pattern(pattern: str, folder: Path) -> str:
    in_folder, at_root = (f"{glob.escape(str(start))}/{pattern}" for start in (folder.resolve(), ROOT))
    if Path(pattern).is_absolute():
        return pattern
    return at_root if folder.resolve() != ROOT and not _matches(in_folder) and _matches(at_root) else in_folder


def _matches(pattern: str) -> bool:
    return next(glob.iglob(pattern, recursive=True), None) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductFile:
    """The product file and the folder into which its simulator delivers.

    Attributes:
        path: Path of product.yaml.
        landing: Folder of simulated files.
    """

    path: str
    landing: str

    @property
    def product(self) -> Product:
        """Return the product that the file describes."""
        return product_at(Path(self.path))

    @property
    def flags(self) -> FlagFile:
        """Return the file of flags that the simulated product obeys; a relative path starts at the landing folder's parent."""
        return FlagFile(Path(self.landing).parent / self.product.actions.flag_file)
