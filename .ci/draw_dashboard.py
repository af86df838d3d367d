"""Takes the screenshots in docs/images/dashboard: every page of the demo's dashboard, at both widths and in both themes.

`make screenshots` runs it after `make demo`. It needs Chromium, as the proofs in a browser do.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from intelligence.interfaces.dashboard.navigation import PAGES
from resources.config.settings import ROOT, settings
from tests.intelligence.interfaces.dashboard.browsing import (
    CHROMIUM,
    HEIGHT,
    NARROW,
    WIDE,
    Tab,
    chromium,
    dashboard_served,
    opened,
)

FOLDER = ROOT / "docs" / "images" / "dashboard"
# As much of a page as is read at a glance.
SHOWN = {WIDE: 1_500, NARROW: 1_800}
THEMES = ("light", "dark")


def taken(tab: Tab, width: int) -> Image.Image:
    """Return what the page shows at this width from its top on."""
    whole = int(tab.page.locator("[data-testid=stMain]").evaluate("page => page.scrollHeight"))
    tab.page.set_viewport_size({"width": width, "height": max(HEIGHT, min(whole, SHOWN[width]))})
    tab.settled()
    image = Image.open(io.BytesIO(tab.page.screenshot())).convert("RGB")
    return image.quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def screenshots(product: Path, data: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the name and the image of each page, width and theme."""
    with chromium() as browser, dashboard_served(product, data) as base, opened(browser, base) as tab:
        # The page of a feature is that of the first one in trouble.
        led = tab.open("").page.locator("a[href*='feature?']").evaluate_all("links => links.map(link => link.href)")
        for name in PAGES:
            address = "" if name == "today" else name
            tab.open(f"feature?{urlsplit(led[0]).query}" if name == "feature" and led else address)
            for width in SHOWN:
                for theme in THEMES:
                    tab.seen(width=width, theme=theme)
                    yield f"{name}_{width}_{theme}.png", taken(tab, width)


if __name__ == "__main__":
    now = settings()
    if not CHROMIUM or not (now.data / "lake").exists():
        sys.exit("Chromium and a demo's data are needed: `apt-get install chromium`, `make demo`.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, image in screenshots(now.product_file, now.data):
        image.save(FOLDER / name, optimize=True)
