"""Platforms for tests: a product over a folder of its own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from resources.config.settings import ROOT
from resources.intake.product_file import ProductFile, product_at
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.models.registry import Registry
from resources.platform import Platform
from resources.reports.drift import DriftReports
from tests.lakes import lake_in

EXAMPLE = ROOT / "product.yaml"


def platform_in(folder: Path, *, product_file: Path = EXAMPLE, state_url: str = "", **parts: Any) -> Platform:
    """Return a platform whose lake, registry, pages and actions are in `folder`; `parts` take the place of its own."""
    state, product = state_url or f"sqlite:///{folder}/state.db", product_at(product_file)
    lake = parts.get("lake") or lake_in(folder)
    if lake.timezone != product.timezone:
        lake = Lake(catalog=lake.catalog, store=lake.store, timezone=product.timezone)
    own: dict[str, Any] = {
        "product": product,
        "lake": lake,
        "product_file": ProductFile(path=str(product_file), landing=str(folder / "landing")),
        "registry": Registry(root=str(folder / "mlruns"), cache=str(folder / "models"), state=state),
        "drift_reports": DriftReports(root=str(folder / "pages")),
        "announcer": Announcer(product_file=str(product_file), state=state, data=str(folder)),
    }
    return Platform(**{**own, **parts})


def ruled_by(platform: Platform, **sections: Any) -> Platform:
    """Return the platform with other values in these sections of its product file."""
    return replace(platform, product=platform.product.model_copy(update=sections))
