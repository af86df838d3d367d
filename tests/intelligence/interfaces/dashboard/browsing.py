"""A real browser on the dashboard as it is served: Chromium without a window, and all that a page does while it is open."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, sync_playwright
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from resources.config.settings import ROOT
from resources.processes.front.serving import LOOPBACK

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Chromium has no sandbox for root; it is to ask nothing of its makers, and finds no host but this one.
SWITCHES: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}",
)
WIDE, NARROW = 1280, 390
HEIGHT: Final = 900
PATIENCE_MS: Final = 30_000
# Streamlit looks for itself below a page's address before it looks at the root: docs/dashboard.md.
ASKED_BELOW: Final = re.compile(r"/[a-z]+/_stcore/(health|host-config)")
# A page is whole when its script has ended, nothing of the page before is left and every chart is drawn.
WHOLE: Final = """() => {
    const app = document.querySelector('[data-testid=stApp]');
    const all = (selector) => [...document.querySelectorAll(selector)];
    return app?.getAttribute('data-test-script-state') === 'notRunning' && document.querySelector('h1')
        && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]')
        && all('[data-testid=stVegaLiteChart]').every(chart => chart.querySelector('canvas, svg'));
}"""
# Nothing is wider than the window; charts find their width a moment after it changed.
FITS: Final = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
    .every(place => place.scrollWidth <= place.clientWidth)"""
# The texts that stand out too little from what is behind them, by the measure of WCAG 2.2 (1.4.3, level AA).
FAINT: Final = """() => {
    const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const over = (colour, below) => {
        pen.fillStyle = `rgb(${below.join()})`; pen.fillRect(0, 0, 1, 1);
        pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = ([...rgb]) => {
        const [r, g, b] = rgb.map(each => each / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const said = texts.currentNode.textContent.trim(), place = texts.currentNode.parentElement;
        if (!said || place.closest('style, script, noscript, svg, canvas, [disabled], [aria-disabled=true]')
            || !place.checkVisibility({opacityProperty: true, visibilityProperty: true}) || !place.getClientRects().length) continue;
        const above = [];
        for (let each = place; each; each = each.parentElement) above.unshift(getComputedStyle(each));
        let back = [255, 255, 255], opacity = 1;
        for (const style of above) { back = over(style.backgroundColor, back); opacity *= Number(style.opacity); }
        const own = getComputedStyle(place), drawn = over(own.color, back);
        const seen = drawn.map((each, index) => opacity * each + (1 - opacity) * back[index]);
        const [less, more] = [light(seen), light(back)].sort((one, other) => one - other);
        const size = parseFloat(own.fontSize), isLarge = size >= 24 || size >= 18.66 && Number(own.fontWeight) >= 700;
        const contrast = (more + .05) / (less + .05);
        if (contrast < (isLarge ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: ${said.slice(0, 60)}`);
    }
    return found;
}"""


@dataclass
class Tab:
    """A page of the browser, and what it did that a page of the dashboard must not do."""

    base: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda said: self._console(said.type, said.text, said.location.get("url", "")))
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("websocket", lambda socket: self._request(socket.url.replace("ws", "http", 1)))
        self.page.on("dialog", self._dialog)
        self.page.on("popup", lambda other: self.complaints.append(f"window: {other.url}"))

    def open(self, address: str) -> "Tab":
        """Open a page of the dashboard, and wait until it is whole."""
        self.page.goto(f"{self.base}/{address}")
        return self.settled()

    def settled(self) -> "Tab":
        """Wait until the page is whole, and stays so for a moment: a click reaches the server a little later."""
        for _ in range(2):
            self.page.wait_for_function(WHOLE)
            self.page.wait_for_timeout(250)
        self.page.wait_for_function(WHOLE)
        return self

    def titled(self, title: str) -> "Tab":
        """Wait until the page with this title is whole."""
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        return self.settled()

    def seen(self, *, width: int, theme: Any) -> "Tab":
        """Show the page at this width, light or dark, and wait until nothing in it is wider."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(color_scheme=theme)
        self.page.wait_for_function(FITS)
        return self.settled()

    def text(self) -> str:
        """Return the text of the page, the navigation beside it left out."""
        return str(self.page.locator("[data-testid=stMain]").inner_text())

    def links(self) -> list[str]:
        """Return the addresses that the page links to."""
        return sorted(set(self.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")))

    def _console(self, kind: str, text: str, url: str) -> None:
        if kind == "error" and "status of 404" in text and ASKED_BELOW.fullmatch(urlsplit(url).path):
            return
        self.complaints.append(f"console, {kind}: {text} ({url})")

    def _request(self, url: str) -> None:
        if not url.startswith((f"{self.base}/", "data:", "blob:")):
            self.complaints.append(f"request: {url}")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def chromium() -> Iterator[BrowserContext]:
    """Yield the browser that is installed on this machine, with a folder and a cache of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        try:
            yield browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, color_scheme="light")
        finally:
            browser.close()


@contextmanager
def opened(browser: BrowserContext, base: str) -> Iterator[Tab]:
    """Yield a new tab, which has a session of its own."""
    page = browser.new_page()
    try:
        yield Tab(base, page)
    finally:
        page.close()


@contextmanager
def dashboard_served(product: Path, data: Path) -> Iterator[str]:
    """Yield the address of the dashboard of a product, which a process of its own serves as `up` does."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTELLIGENCE_")}
    environment = {
        **kept,
        "INTELLIGENCE_PRODUCT": str(product),
        "INTELLIGENCE_DATA": str(data),
        "INTELLIGENCE_THREADS": "1",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "intelligence.interfaces.dashboard.server", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _require_answer(server, port)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.terminate()
        server.wait()


@retry(retry=retry_if_exception_type(ConnectionError), wait=wait_fixed(0.1), stop=stop_after_delay(60), reraise=True)
def _require_answer(server: subprocess.Popen[bytes], port: int) -> None:
    assert server.poll() is None, "the dashboard's server ended"
    socket.create_connection((LOOPBACK, port)).close()
