"""Days are built again where the meaning of what they are made by has changed, and for no other reason."""

import ast
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

import intelligence
from assets.definitions import definitions
from intelligence.catalog.layers import DAILY_TABLES
from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Recipe, Table
from intelligence.experiments.running import parameters
from intelligence.forecasts.settings import Forecasts, history_parameters
from intelligence.metrics.settings import Funnel, Retention, funnel_parameters, retention_parameters
from intelligence.metrics.tables import FEATURE_HEALTH, KPI_DAY
from intelligence.risk.tables import FEATURE_PANEL
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.settings import Answers
from intelligence.warehouse.tables import DIM_USERS, FACT_EVENTS, FACT_SESSIONS
from resources.intake.product_file import product_from
from resources.lake.builds import Versions, build_rules
from resources.lake.meaning import Meanings, UnknownDefinition, sql_meaning
from tests.platforms import platform_in

PLAIN = "name: Demo\nsources: [{name: app, files: x}]\n"
ROOT = Path(intelligence.__file__).parent
Edit = Callable[[str], str]


def versions_of(root: Path | None = None, product: Product | None = None) -> dict[str, str]:
    versions = Versions(build_rules(product or product_from(PLAIN)), Meanings(root))
    return {table.path: versions.of(table) for table in DAILY_TABLES}


@pytest.fixture(scope="module")
def now() -> dict[str, str]:
    return versions_of()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the code that a test may edit."""
    return Path(shutil.copytree(ROOT, tmp_path / "intelligence", ignore=shutil.ignore_patterns("__pycache__")))


def made_by_it(table: Table) -> set[str]:
    """The tables that are made from this one, directly or through others, and itself."""
    found = {table.path}
    for _ in DAILY_TABLES:
        found |= {each.path for each in DAILY_TABLES if found & {source.path for source in each.recipe.tables}}
    return found


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {path for path in before if before[path] != after[path]}


def edit(path: Path, change: Edit) -> None:
    text = path.read_text(encoding="utf-8")
    assert change(text) != text, f"{path} has nothing to change"
    path.write_text(change(text), encoding="utf-8")


class _Documented(ast.NodeTransformer):
    """Gives every function and class another docstring, and every parameter another annotation."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            has_one = ast.get_docstring(node) is not None
            node.body = [ast.Expr(ast.Constant("Another sentence.")), *node.body[has_one:]]
        if isinstance(node, ast.arg) and node.annotation:
            node.annotation = ast.Subscript(ast.Name("Annotated"), ast.Tuple([node.annotation, ast.Constant("said")]))
        return node


def test_documenting_and_laying_out_anew_makes_no_day_stale(code: Path, now: dict[str, str]) -> None:
    for path in code.rglob("*.py"):
        tree = _Documented().visit(ast.parse(path.read_text(encoding="utf-8")))
        path.write_text(f'"""Another head."""\n# A comment\n{ast.unparse(tree)}\n', encoding="utf-8")
    for path in code.rglob("*.sql"):
        edit(path, lambda text: "-- Another comment.\n" + text.replace("\n", "  -- said\n\n    "))
    assert versions_of(code) == now


def test_moving_every_module_and_query_makes_no_day_stale(code: Path, now: dict[str, str]) -> None:
    """Each layer moves into a folder below another name, and everything that names it follows."""
    layers = sorted({table.layer for table in DAILY_TABLES})

    def follow(text: str) -> str:
        for layer in layers:
            text = re.sub(rf"\bintelligence\.{layer}\b", f"intelligence.moved.{layer}s", text)
            text = re.sub(rf'(?<=")({layer}/\w+\.sql)(?=")', r"moved/\1", text)
        return text

    for path in code.rglob("*.py"):
        path.write_text(follow(path.read_text(encoding="utf-8")), encoding="utf-8")
    for layer in layers:
        shutil.copytree(code / layer, code / "moved" / f"{layer}s")
        shutil.move(code / layer, code / "moved" / layer)
        for path in (code / "moved" / layer).rglob("*.py"):
            path.unlink()
    place = code / "telemetry" / "local_time.py"
    place.parent.mkdir()
    place.write_text("from intelligence.moved.telemetrys.local_time import in_zone\n", encoding="utf-8")

    def moved(table: Table) -> Table:
        return replace(
            table,
            recipe=Recipe(
                queries=tuple(f"moved/{path}" for path in table.recipe.queries),
                functions=tuple(map(follow, table.recipe.functions)),
                settings=table.recipe.settings,
                tables=tuple(map(moved, table.recipe.tables)),
            ),
        )

    versions = Versions(build_rules(product_from(PLAIN)), Meanings(code))
    assert {table.path: versions.of(moved(table)) for table in DAILY_TABLES} == now


@pytest.mark.parametrize(
    ("file", "change", "table"),
    [
        ("metrics/health.py", lambda text: text.replace(" >= ", " > ", 1), FEATURE_HEALTH),
        (
            "metrics/burn.py",
            lambda text: text.replace("WILSON_Z: Final = ", "WILSON_Z: Final = 1 + ", 1),
            FEATURE_HEALTH,
        ),
        ("metrics/kpi_day.sql", lambda text: text.replace(" >= ", " > ", 1), KPI_DAY),
        ("warehouse/fact_sessions.sql", lambda text: text.replace("count(*)", "count(*) + 1", 1), FACT_SESSIONS),
        ("warehouse/fact_events.sql", lambda text: text.replace("0)", "1)", 1), FACT_EVENTS),
        (
            "telemetry/measurement_hours.sql",
            lambda text: text.replace("24", "12").replace("count", "sum", 1),
            DAY_QUALITY,
        ),
        (
            "telemetry/measurement_base.py",
            lambda text: text.replace("LEAST_DAYS: Final = ", "LEAST_DAYS: Final = 1 + "),
            DAY_QUALITY,
        ),
        ("risk/windows.py", lambda text: text.replace(" - ", " + ", 1), FEATURE_PANEL),
    ],
)
def test_one_changed_operator_makes_the_days_stale_of_what_rests_on_it(
    code: Path, now: dict[str, str], file: str, change: Edit, table: Table
) -> None:
    edit(code / file, change)
    assert changed(now, versions_of(code)) == made_by_it(table)


def test_settings_make_the_days_stale_of_what_rests_on_them(now: dict[str, str]) -> None:
    def stale(more: str) -> set[str]:
        return changed(now, versions_of(product=product_from(PLAIN + more)))

    assert stale("bots: [u17]") == made_by_it(DIM_USERS)
    assert stale("health: {recovery_days: 3}") == made_by_it(FEATURE_HEALTH)
    assert stale("owner: team:others") == set()
    assert stale("drift: {}") == set()


def test_a_method_counts_where_it_is_called(code: Path, now: dict[str, str]) -> None:
    spread = code / "metrics" / "spread.py"
    edit(spread, lambda text: text + "\n\nclass Unused:\n    def word(self) -> int:\n        return 1\n")
    assert versions_of(code) == now
    edit(
        spread,
        lambda text: text.replace(
            "    def effective_users(self",
            "    def unheard(self) -> int:\n        return 1\n\n    def effective_users(self",
        ),
    )
    assert versions_of(code) == now
    edit(spread, lambda text: text.replace("def effective_users(self", "def effective_users(self, more: int = 1"))
    assert FEATURE_HEALTH.path in changed(now, versions_of(code))


def test_nothing_that_is_listed_can_be_missing(code: Path) -> None:
    (code / "metrics" / "kpi_day.sql").unlink()
    with pytest.raises(UnknownDefinition, match=r"metrics/kpi_day\.sql: no such query"):
        versions_of(code)
    shutil.copy(ROOT / "metrics" / "kpi_day.sql", code / "metrics")
    edit(code / "metrics" / "health.py", lambda text: text.replace("def feature_health(", "def health_of("))
    with pytest.raises(UnknownDefinition, match="feature_health: no such function"):
        versions_of(code)


def test_a_query_whose_file_only_a_run_could_tell_is_refused(code: Path) -> None:
    measured = code / "telemetry" / "measured.py"
    edit(measured, lambda text: text.replace('sql("telemetry/measurement_hours.sql")', 'sql(f"telemetry/{days}.sql")'))
    with pytest.raises(UnknownDefinition, match="give the file as a literal"):
        versions_of(code)


def test_recipes_name_the_tables_that_the_graph_draws(tmp_path: Path) -> None:
    graph = definitions(platform_in(tmp_path)).resolve_asset_graph()
    daily = {table.path: table for table in DAILY_TABLES}
    for table in DAILY_TABLES:
        drawn = {".".join(key.path) for key in graph.get(dg.AssetKey([table.layer, table.name])).parent_keys}
        assert {each.path for each in table.recipe.tables} == (drawn & {*daily}) - {table.path}, table.path


def test_recipes_name_the_settings_that_their_queries_take() -> None:
    of_the_run = {"start", "end", "first_day"}
    funnel = Funnel(name="a", steps=({"event_type": "view"}, {"event_type": "use"}), days=1)
    made = {
        "intelligence.experiments.running:parameters": ("experiments", parameters(())),
        "intelligence.metrics.settings:funnel_parameters": (
            "funnels",
            funnel_parameters([funnel], of_equal_length=True),
        ),
        "intelligence.forecasts.settings:history_parameters": (
            "forecasts",
            history_parameters(Forecasts(), date(2026, 5, 4), first=date(2026, 5, 1), begin=date(2026, 1, 1)),
        ),
        "intelligence.warehouse.answer_scores:score_parameters": ("answers", Answers().parameters()),
        "intelligence.metrics.settings:retention_parameters": ("retention", retention_parameters(Retention())),
    }
    for table in DAILY_TABLES:
        known = {*of_the_run, *table.recipe.settings}
        for function, (setting, given) in made.items():
            if function in table.recipe.functions:
                assert setting in table.recipe.settings
                known |= {*given}
        taken = {name for path in table.recipe.queries for name in re.findall(r"\$([a-z]\w*)", sql(path))}
        if not table.newest_day_only:
            assert taken <= known, table.path


def test_a_table_that_is_made_day_by_day_has_a_recipe() -> None:
    assert [table.path for table in DAILY_TABLES if table.recipe == Recipe()] == []


def test_blanks_and_comments_of_a_statement_say_nothing_and_texts_in_it_do() -> None:
    assert sql_meaning("SELECT 1,/* two */ 2 -- three\n") == sql_meaning("SELECT\n  1, 2")
    assert sql_meaning("SELECT '-- no comment'") == "SELECT '-- no comment'"
    assert sql_meaning("SELECT 'a  b'") != sql_meaning("SELECT 'a b'")


def _assets_of_tables() -> dict[str, tuple[ast.Module, ast.FunctionDef]]:
    """The functions of assets with their modules, by the name of the constant of their table, such as `USER_DAY`."""
    found = {}
    for path in (ROOT.parent / "assets").glob("*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if named := re.search(r"graph\.table_asset\((\w+)", ast.unparse(decorator)):
                    found[named[1]] = (module, node)
                if several := re.search(r"graph\.table_spec\(.* for table in (\w+)", ast.unparse(decorator)):
                    found |= dict.fromkeys(_names_in(module, several[1]), (module, node))
    return found


def _names_in(module: ast.Module, constant: str) -> list[str]:
    """The names in a tuple that the module assigns to a constant; none where it is imported."""
    tuples = [
        node.value for node in module.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant
    ]
    return [each.id for value in tuples for each in ast.walk(value) if isinstance(each, ast.Name)]


def test_recipes_name_the_queries_and_functions_that_their_assets_use() -> None:
    tables = {table.name.upper(): table for table in DAILY_TABLES if not table.newest_day_only}
    functions = {name: node for name, node in _assets_of_tables().items() if name in tables}
    assert functions.keys() == tables.keys()
    for name, (module, node) in functions.items():
        recipe = tables[name].recipe
        queries = set(re.findall(r"sql\('([^']+)'\)", ast.unparse(node)))
        assert queries <= {*recipe.queries}, name
        used = {
            f"{each.module}:{alias.name}"
            for each in ast.walk(module)
            if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("intelligence.")
            for alias in each.names
            if alias.name.islower()
            and alias.name != "sql"
            and re.search(rf"\b{alias.name}\(", ast.unparse(ast.Module(node.body, [])))
        }
        assert used <= {*recipe.functions}, name
