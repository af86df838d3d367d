"""What holds for every test."""

import gc
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import settings

from resources.intake import settling
from resources.models import mlflow_store
from tests.servers import NOT_PROVEN, empty_database, postgres_address

mlflow_store.quiet_environment()
# Two workers share the machine: each gets along with one core, and a thread that waits must not keep one busy meanwhile.
for variable, value in {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "INTELLIGENCE_THREADS": "1"}.items():
    os.environ.setdefault(variable, value)

# How long an example takes depends on who else uses the machine, and says nothing of the code.
settings.register_profile("no_clock", deadline=None)
settings.load_profile("no_clock")

# Folders of tests lie in memory where it holds them: half of the time of many tests is waiting for a disk to have written.
IN_MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 4 * 2**30
if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ENOUGH_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

# Workers take whole files in this order: those that run for minutes begin first, so that none is left waiting for one.
LONGEST_FIRST = (
    "test_kill.py",
    "test_readme.py",
    "test_late_events.py",
    "test_models.py",
    "test_by_itself.py",
    "test_drift.py",
    "test_registry.py",
)

# Seconds that the tests of a part may take in `make test`, of both workers together; a part that is not named has BUDGET_S.
BUDGET_S = 30
BUDGETS_S = {
    "assets": 90,
    "intelligence/experiments": 60,
    "intelligence/interfaces": 200,
    "intelligence/metrics": 60,
    "intelligence/risk": 45,
    "intelligence/simulation": 45,
    "intelligence/telemetry": 60,
    "resources/intake": 180,
    "resources/lake": 60,
    "resources/online": 75,
    "resources/services": 75,
    "sensors": 45,
    "test_readme.py": 80,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Leave out of garbage collection what was imported: it stays, and looking at it again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def part_of(nodeid: str) -> str:
    """Return the part of the project that a test is of: a layer, a room of `resources`, or a folder or file of `tests`.

    >>> part_of("tests/intelligence/metrics/test_kpis.py::test_a"), part_of("tests/test_graph.py::test_b")
    ('intelligence/metrics', 'test_graph.py')
    >>> part_of("intelligence/metrics/burn.py::intelligence.metrics.burn.burn")
    'intelligence/metrics'
    """
    parts = nodeid.split("::", maxsplit=1)[0].removeprefix("tests/").split("/")
    return "/".join(parts[:2] if parts[0] in ("intelligence", "resources") else parts[:1])


def not_proven(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    """Yield what was not proven for want of a server, however many lines came before."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NOT_PROVEN in report.longrepr[2]
    )
    for reason, skipped in sorted(reasons.items()):
        yield f"{reason}; tests that were skipped: {skipped}"


def over_budget(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    """Yield the parts whose tests take longer than their budget; nothing fails for it, since it depends on the machine."""
    spent: dict[str, float] = defaultdict(float)
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            spent[part_of(report.nodeid)] += report.duration
    for part, seconds in sorted(spent.items()):
        budget = BUDGETS_S.get(part, BUDGET_S)
        if seconds > budget:
            yield f"OVER BUDGET: the tests of {part} took {seconds:.0f} s, of {budget} s"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end what was not proven, and of `make test` what takes longer than it may."""
    lines = [*not_proven(terminalreporter)]
    if config.getoption("markexpr") == "not proof":
        lines += over_budget(terminalreporter)
    for line in lines:
        terminalreporter.write_line(line, yellow=True, bold=True)


@pytest.fixture(autouse=True, scope="session")
def settled_at_once() -> Iterator[None]:
    """Let files count as settled when they are written, for fixtures of modules too; tests of settling set the time back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "SETTLED_S", 0.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def model_stores_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a new store of models be a copy of the first: MLflow takes a second for each, to play all its migrations."""
    made, first = mlflow_store._make_database, tmp_path_factory.mktemp("stores") / "mlflow.db"

    def copied(database: Path) -> None:
        if not first.exists():
            made(first)
        unfinished = database.with_suffix(".unfinished")
        shutil.copyfile(first, unfinished)
        unfinished.rename(database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_store, "_make_database", copied)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL, which every process that runs tests has for itself."""
    with postgres_address() as address:
        yield address


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The address of an empty database on PostgreSQL, as `dbname=… host=…`."""
    with empty_database(postgres_server) as address:
        yield address
