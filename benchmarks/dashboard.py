"""The dashboard in a browser: how long its pages take at the demo's size and at 1,000 features x 365 days, while a day is built."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measuring import ROOT, absolute, arguments, demand, tell, temporary

if TYPE_CHECKING:
    import duckdb
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

FIRST_S: Final = 2.0
LATER_S: Final = 1.0
LARGE_S: Final = 3.0
MEMORY_MIB: Final = 500
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
SWITCHES: Final = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"
    " --disable-sync"
)
DONE: Final = "() => document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]') !== null"
# 120 features x 91 days become 1,080 x 364.
FEATURES_TIMES: Final = 9
DAYS_TIMES: Final = 4
DAYS_APART: Final = 91
# A name of a feature that is made of another, and so is every id that is made of it.
COPIED: Final = ("feature", "decision_id", "episode_id", "action_id")


def main() -> None:
    """Print how long each page takes, and what memory the server takes; end with status 1 where a demand is not met."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--data", type=absolute, help="folder with the data of a finished `make demo`; else one is made"
    )
    chosen = parser.parse_args()
    with temporary("dashboard", chosen.folder) as folder:
        data = folder / "data"
        if chosen.data:
            shutil.copytree(chosen.data, data)
        else:
            tell("running the demo")
            _command(data, "demo")
        visits = chosen.repeats
        quiet = _measured("120 features x 90 days", data, visits)
        tell("building a day beside it")
        with _beside(data, "-m", "intelligence.interfaces.cli.commands", "--data", data, "demo", "--days", "91"):
            busy = _measured("the same, while a day is built", data, visits)
        tell("making 1,000 features and a year of it")
        print(f"rows of the lake: {_enlarged(data):,}")
        with _beside(data, "-c", WRITER):
            large = _measured("1,080 features x 364 days, beside a writer", data, visits)
    for name, found, first_s, later_s in (
        ("at the demo's size", quiet, FIRST_S, LATER_S),
        ("while a day is built", busy, FIRST_S, LATER_S),
        ("at 1,080 x 364", large, LARGE_S, LARGE_S),
    ):
        demand(found["first"] <= first_s, f"the first page takes {found['first']:.2f} s {name}")
        demand(found["later"] <= later_s, f"a later page takes {found['later']:.2f} s {name}")
        demand(found["memory"] <= MEMORY_MIB, f"the server takes {found['memory']} MiB {name}")


WRITER: Final = """
import time
from resources.config.settings import settings
from resources.platform import Platform
lake = Platform.of(settings()).lake
while True:
    lake.commit(lambda on: on.execute("CREATE OR REPLACE TABLE bookkeeping.written AS SELECT * FROM range(100000) AS rows (number)"))
    time.sleep(0.2)
"""


def _environment(data: Path) -> dict[str, str]:
    return {**os.environ, "INTELLIGENCE_PRODUCT": str(ROOT / "product.yaml"), "INTELLIGENCE_DATA": str(data)}


def _command(data: Path, *words: str) -> None:
    command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", "--data", str(data), *words]
    subprocess.run(command, cwd=ROOT, env=_environment(data), stdout=subprocess.DEVNULL, check=True)


@contextmanager
def _beside(data: Path, *words: str | Path) -> Iterator[None]:
    """Run a program until the end of the block, at most."""
    command = [sys.executable, *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(data), stdout=subprocess.DEVNULL) as process:
        try:
            yield
            running = process.poll() is None
        finally:
            process.terminate()
    demand(running, "what runs beside the dashboard ended before it was measured")


@contextmanager
def _served(data: Path) -> Iterator[tuple[str, int]]:
    """Serve the dashboard of the product, and yield its address and the process's id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "intelligence.interfaces.dashboard.server", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(data), stdout=subprocess.DEVNULL) as process:
        try:
            while True:
                with socket.socket() as asking:
                    if asking.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.send_signal(signal.SIGINT)


def _measured(name: str, data: Path, visits: int) -> dict[str, Any]:
    """Return the medians of the first page in a new browser, and of the slowest later one; print all."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        raise SystemExit("Chromium is not installed: with Debian, `apt-get install chromium`.")
    print(name)
    with _served(data) as (address, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SWITCHES.split())
        first, later = _visited(browser, address, visits)
        memory = _peak_mib(process)
        browser.close()
    print(f"  {'today, in a new browser':32} {first:6.2f} s")
    for page, took in later.items():
        print(f"  {page:32} {took:6.2f} s")
    print(f"  {'memory of the server, peak':32} {memory:6d} MiB", flush=True)
    return {"first": first, "later": max(later.values()), "memory": memory}


def _visited(browser: "Browser", address: str, visits: int) -> tuple[float, dict[str, float]]:
    """Return the median seconds of the first page, each time in a browser that knows nothing, and of each page after it."""
    from intelligence.interfaces.dashboard.navigation import PAGES

    firsts: list[float] = []
    later: dict[str, list[float]] = {name: [] for name in PAGES if name != "today"}
    for _ in range(visits):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        tab = context.new_page()
        begun = time.perf_counter()
        tab.goto(f"{address}/", wait_until="commit")
        _await_page(tab, "today")
        firsts.append(time.perf_counter() - begun)
        for name, seconds in later.items():
            begun = time.perf_counter()
            tab.locator(f"[data-testid=stSidebarNav] a[href$='/{name}']").click()
            tab.wait_for_url(f"**/{name}*")
            _await_page(tab, name)
            seconds.append(time.perf_counter() - begun)
        context.close()
    return _median(firsts), {name: _median(seconds) for name, seconds in later.items()}


def _await_page(tab: "Tab", name: str) -> None:
    """Wait until the page's title stands there and nothing of it is still made."""
    tab.wait_for_selector("h1", timeout=60_000)
    tab.wait_for_function(DONE, timeout=60_000)
    errors = tab.locator("[data-testid=stException], [data-testid=stAlertContentError]").count()
    demand(errors == 0, f"{name} shows an error")


def _median(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]


def _peak_mib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1_024


def _enlarged(data: Path) -> int:
    """Copy what the lake holds of each feature under other names, and of each day to earlier days; return its rows."""
    from resources.lake.door import Lake

    lake = Lake(catalog=f"sqlite:{data}/lake/catalog.sqlite", store=f"{data}/lake/files", memory_limit="4GB")
    tables = lake.frame(
        "SELECT schema_name || '.' || table_name AS path, list(struct_pack(name := column_name, type := data_type)) AS columns"
        " FROM duckdb_columns() AS columns SEMI JOIN duckdb_tables() AS tables USING (database_name, schema_name, table_name)"
        " WHERE database_name = 'lake' AND schema_name NOT IN ('telemetry', 'bookkeeping') GROUP BY ALL ORDER BY ALL"
    )
    for path, columns in tables.iter_rows():
        lake.commit(lambda connection, path=path, columns=columns: _copied(connection, path, columns))  # type: ignore[misc]
    counts = " UNION ALL ".join(f"SELECT count(*) AS rows FROM {path}" for path in tables["path"])
    total = int(lake.frame(f"SELECT sum(rows) FROM ({counts})").item())
    lake.close()
    return total


def _copied(connection: "duckdb.DuckDBPyConnection", path: str, columns: Sequence[dict[str, str]]) -> None:
    """Copy the rows of a table; those of users, whose rows are many, to no other feature."""
    names = [column["name"] for column in columns]
    has_feature = "feature" in names and "user_id" not in names
    days = [column["name"] for column in columns if column["type"] == "DATE"]
    if not has_feature and not days:
        return
    changed = [f"{name} - CAST({DAYS_APART} * back AS INTEGER) AS {name}" for name in days]
    changed += [
        f"CASE WHEN place > 0 THEN {name} || ' ' || place ELSE {name} END AS {name}"
        for name in COPIED
        if has_feature and name in names
    ]
    replaced = f" REPLACE ({', '.join(changed)})" if changed else ""
    connection.execute(
        f"INSERT INTO {path} BY NAME SELECT * EXCLUDE (back, place){replaced} FROM {path}"
        f" CROSS JOIN range({DAYS_TIMES if days else 1}) AS backs (back)"
        f" CROSS JOIN range({FEATURES_TIMES if has_feature else 1}) AS places (place) WHERE back + place > 0"
    )


if __name__ == "__main__":
    main()
