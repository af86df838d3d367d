"""The domain touches nothing outside, assets are thin, the code location loads bare."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from intelligence.catalog.layers import LAYERS

ROOT = Path(__file__).resolve().parents[1]
OUTWARD = {
    "dagster", "dagster_duckdb", "duckdb", "mlflow", "slack_sdk", "sqlalchemy", "requests", "httpx", "urllib", "socket",
    "os", "time", "random", "subprocess",
}  # fmt: skip
DOORS = ROOT / "intelligence" / "interfaces"
MOST_STATEMENTS = 15
MEDIAN_STATEMENTS = 8
SHARED = ("partitions.py", "tables.py", "checks.py", "results.py", "metadata.py", "requests.py", "runner.py")
HEAVY = (
    *("mlflow", "evidently", "dowhy", "sklearn", "xgboost", "matplotlib", "scipy", "pandas", "numpy", "pyarrow"),
    *("sqlalchemy", "httpx", "rich"),
)


def python_files(ring: str) -> list[Path]:
    return sorted((ROOT / ring).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", python_files("intelligence"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_domain_touches_nothing_outside(path: Path) -> None:
    """Which ring and which layer may import which other, the contracts of import-linter in pyproject.toml say."""
    if DOORS not in path.parents:
        assert not imported(ast.parse(path.read_text())) & OUTWARD


@pytest.mark.parametrize("path", python_files("intelligence"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_domain_knows_no_clock_and_no_unseeded_random(path: Path) -> None:
    if DOORS in path.parents:
        return
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    forbidden = ("datetime.now", "datetime.utcnow", "date.today", "datetime.today", "np.random.rand", "np.random.seed")
    assert not [call for call in calls if call.endswith(forbidden)]
    unseeded = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng") and not node.args
    ]
    assert not unseeded


def test_the_import_contract_names_the_layers_of_the_catalogue_from_last_to_first() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (each for each in settings["contracts"] if each.get("containers") == ["intelligence"])
    assert contract["layers"] == ["interfaces", "catalog", "simulation", "online", *reversed(LAYERS), "core"]


def functions_of_assets() -> dict[str, ast.FunctionDef]:
    """The functions of `assets/` by name, but for the machinery that all assets share."""
    files = [path for path in python_files("assets") if path.name not in SHARED]
    found = [node for path in files for node in ast.parse(path.read_text()).body]
    return {node.name: node for node in found if isinstance(node, ast.FunctionDef)}


def statements_of(function: ast.FunctionDef, known: dict[str, ast.FunctionDef]) -> int:
    """How many statements a function has, with those of the functions in `assets/` that it calls by name."""
    reached, waiting = set[str](), [function]
    count = 0
    while waiting:
        body = [node for statement in waiting.pop().body for node in ast.walk(statement)]
        count += sum(isinstance(node, ast.stmt) for node in body)
        called = {node.func.id for node in body if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        waiting += [known[name] for name in called - reached if name in known]
        reached |= called
    return count


def asset_functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (f"{path.name}:{node.name}", node)
        for path in python_files("assets")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and any("asset(" in ast.unparse(each) for each in node.decorator_list)
    ]


@pytest.mark.parametrize(
    ("name", "function"), asset_functions(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_assets_are_thin(name: str, function: ast.FunctionDef) -> None:
    assert statements_of(function, functions_of_assets()) <= MOST_STATEMENTS, name
    assert function.returns is not None, f"{name} does not say what it returns"


def test_half_of_the_assets_have_eight_statements_at_most() -> None:
    known = functions_of_assets()
    assert statistics.median(statements_of(function, known) for _, function in asset_functions()) <= MEDIAN_STATEMENTS


@pytest.mark.parametrize("ring", ["assets", "resources", "sensors"])
def test_annotations_are_there_at_run_time(ring: str) -> None:
    for path in python_files(ring):
        text = path.read_text()
        assert "from __future__ import annotations" not in text, path
        is_read_by_dagster = ring != "resources" or re.search(
            r"^class .*\b(Configurable\w+|DuckDBResource)\b", text, re.M
        )
        assert not (is_read_by_dagster and "TYPE_CHECKING" in text), path


def test_the_code_location_loads_without_environment_network_or_heavy_libraries(tmp_path: Path) -> None:
    program = f"""
import socket, sys
def refuse(*args, **kwargs): raise AssertionError(f"network touched: {{args}}")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import assets.definitions
assets.definitions.defs().get_repository_def()
heavy = [name for name in {HEAVY!r} if name in sys.modules]
assert not heavy, heavy
assert not __import__("os").path.exists({str(tmp_path / "data")!r})
"""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "INTELLIGENCE_DATA": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
