"""What is pasted into SQL is a constant of the repository, a number, a day, or goes through the quoting of `intelligence/core/sql.py`.

Each f-string, format, join or concatenation that reads like SQL is taken apart: names are followed to what they were given
in the function or module, calls to what the function returns. What cannot be followed stands in GIVEN, with the reason.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.sql import identifier, identifiers, literal, literals

ROOT = Path(__file__).resolve().parents[1]
RINGS = ("assets", "intelligence", "resources", "sensors", "benchmarks")
QUOTING = {"identifier", "identifiers", "literal", "literals", "sql"}
# These return a number, whatever they are given.
NUMBERS = {"int", "float", "len", "round", "range"}
TEXT_METHODS = {"join", "format", "lower", "upper", "replace", "strip", "removesuffix"}
# Parameters and attributes of these types are numbers, days and answers to yes or no.
PLAIN_TYPES = {"int", "float", "bool", "date", "int | None", "date | None"}
# Definitions of tables and claims are constants of the repository (`intelligence/<layer>/tables.py`).
DEFINED = {"Table", "Claim", "Field", "Rule", "Column"}
ATTRIBUTES = {"path", "day", "layer", "name", "type", "key", "field", "contradictions", "lowest", "highest"}
SQL = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE FROM|UPDATE|CREATE|ATTACH|DETACH|COPY|SET|ALTER|COMMENT ON|DROP|LOAD|INSTALL|USE|DESCRIBE|FROM"
    r"|WHERE|PRAGMA|CAST|TRY_CAST|BETWEEN|AND|OR|CASE|WHEN|THEN|AS|IN|IS NULL|IS NOT NULL|UNION|JOIN|ORDER BY|GROUP BY|LIMIT"
    r"|VALUES|REPLACE|EXCLUDE|DATE|TIMESTAMP|INTERVAL)\b|\bread_(csv|parquet|json)|\b(md5|hash|CALL)\b"
)
# Names, by file, whose value comes from a caller or from data, and why no text from outside is in them.
A_TABLE = "a table's definition"
AN_EXPRESSION = "SQL itself: an expression of product.yaml, whose owner may write any, or an identifier that was quoted"
# Files whose functions make statements of SQL that they are given: what they are given is looked at where it is made.
MAKERS = (
    "intelligence/core/tables.py",
    "intelligence/drift/tables.py",
    "intelligence/risk/tables.py",
    "intelligence/telemetry/contract.py",
    "intelligence/telemetry/guesses.py",
    "intelligence/telemetry/identity.py",
    "intelligence/telemetry/local_time.py",
    "intelligence/telemetry/mapping.py",
    "intelligence/telemetry/names.py",
    "intelligence/telemetry/reading.py",
    "intelligence/telemetry/values.py",
)
GIVEN: dict[str, dict[str, str]] = {
    "intelligence/catalog/artefacts.py": dict.fromkeys(("verdict.path", "scores.path", "drift.path"), A_TABLE),
    "resources/services/export.py": {"table.path": A_TABLE},
    "resources/services/models.py": {"trainings_of(table).path": A_TABLE},
    "resources/services/entity_decisions.py": dict.fromkeys(
        ("table", "query"), "one of two tables of the stream's databases, a constant of the module"
    ),
    "resources/services/rows.py": {
        **dict.fromkeys(("table.path", "offered.table.path"), A_TABLE),
        "_READ_BY_A_VIEW.sub(version, view)": "the SQL of a view of the repository, with numbers of versions",
        "re.escape(table.path)": "a pattern of names of tables, and no SQL",
        "dict[str, Any](chosen or {})": "names of columns that the table is chosen by, the rest is refused; values are parameters",
    },
    "resources/services/drift_pages.py": {"drift.path": A_TABLE},
    "resources/services/drift.py": {"drift.path": A_TABLE},
    "intelligence/telemetry/contract.py": dict.fromkeys(("field.lowest", "field.highest"), "the contract, a constant"),
    "intelligence/telemetry/mapping.py": dict.fromkeys(
        ("field.name", "field.type"), "a field of CONTRACT or of PAIR, constants"
    ),
    "intelligence/telemetry/reading.py": {"type_": "as DuckDB itself spells the type of a column"},
    "resources/intake/validation.py": {"raw": AN_EXPRESSION},
    "resources/lake/replacement.py": {"query": "a statement of an asset, looked at where it is put together"},
    "resources/lake/schema.py": {"path": A_TABLE},
    "resources/state/tables.py": {"table": "the name of a table in this file"},
    "resources/targets/jira.py": {
        "self.project": "JQL, not SQL: letters, digits and _ by its pattern in intelligence/actions/settings.py",
        "action.id": "JQL, not SQL: a digest",
    },
    "resources/twins/store.py": dict.fromkeys(
        ("service", "place", "key"), "its name is pasted, its value is a parameter"
    ),
    "benchmarks/dashboard.py": dict.fromkeys(
        ("path", "columns"), "tables and columns of a demo's lake, as it names them"
    ),
    "benchmarks/feature_days.py": {"table": A_TABLE, "view": A_TABLE, "column.type": A_TABLE},
}


@dataclass
class Module:
    path: str
    tree: ast.Module
    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)


@cache
def modules() -> dict[str, Module]:
    """Return every module of the repository by its path."""
    found = {}
    for file in (file for ring in RINGS for file in sorted((ROOT / ring).rglob("*.py"))):
        module = Module(str(file.relative_to(ROOT)), ast.parse(file.read_text()))
        found[module.path] = module_with_names(module)
    return found


def module_with_names(module: Module) -> Module:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef):
            module.functions.setdefault(node.name, node)
    for node in module.tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                module.constants[target.id] = node.value
    return module


@cache
def functions_of_the_repository() -> dict[str, list[tuple[Module, ast.FunctionDef]]]:
    found: dict[str, list[tuple[Module, ast.FunctionDef]]] = {}
    for module in modules().values():
        for name, function in module.functions.items():
            found.setdefault(name, []).append((module, function))
    return found


class Search:
    """Finds in one module what is pasted into SQL and cannot be followed to something that is safe."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.followed: set[tuple[str, int]] = set()

    def found(self) -> Iterator[tuple[int, str]]:
        for scope in [self.module.tree, *self.module.functions.values()]:
            for node in own_nodes(scope):
                parts = pasted(node)
                if parts and SQL.search(text_of(node)):
                    for part in parts:
                        for culprit in self.unsafe(part, scope):
                            yield node.lineno, culprit

    def unsafe(self, node: ast.expr, scope: ast.AST) -> list[str]:  # noqa: PLR0911, PLR0912 - one case a kind of node
        """Return the parts of the expression that cannot be followed to a constant, a number or a quoting function."""
        given = GIVEN.get(self.module.path, {})
        text = ast.unparse(node)
        if text in given:
            USED.add((self.module.path, text))
            return []
        each = lambda nodes: [culprit for one in nodes for culprit in self.unsafe(one, scope)]  # noqa: E731
        match node:
            case ast.Constant():
                return []
            case ast.JoinedStr():
                return each(value.value for value in node.values if isinstance(value, ast.FormattedValue))
            case ast.BinOp():
                return each([node.left, node.right])
            case ast.IfExp():
                return each([node.body, node.orelse])
            case ast.BoolOp():
                return each(node.values)
            case ast.List() | ast.Tuple() | ast.Set():
                return each(node.elts)
            case ast.Dict():
                return each([*filter(None, node.keys), *node.values])
            case ast.Starred() | ast.Subscript():
                return self.unsafe(node.value, scope)
            case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
                return self.unsafe(node.elt, scope)
            case ast.Call():
                return self._called(node, scope)
            case ast.Attribute():
                return self._attribute(node, scope)
            case ast.DictComp():
                return each([node.key, node.value])
            case ast.Lambda():
                return self.unsafe(node.body, scope)
            case ast.Name():
                return self._name(node.id, scope)
        return [text]

    def _called(self, node: ast.Call, scope: ast.AST) -> list[str]:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if isinstance(node.func, ast.Name) and (name in QUOTING or name in NUMBERS):
            return []
        if isinstance(node.func, ast.Attribute) and name in TEXT_METHODS:
            return [*self.unsafe(node.func.value, scope), *(c for arg in node.args for c in self.unsafe(arg, scope))]
        if ast.unparse(node.func) == "re.sub":
            return [culprit for arg in node.args[1:] for culprit in self.unsafe(arg, scope)]
        if name in ("map", "sorted", "fromkeys", "str", "next", "dict", "list", "tuple"):
            first = node.args[0] if name != "map" else ast.Call(node.args[0], node.args[1:], [])
            return self.unsafe(first, scope)
        candidates = functions_of_the_repository().get(name, [])
        if not candidates:
            return [ast.unparse(node)]
        return [culprit for module, function in candidates for culprit in self._returned(module, function)]

    def _returned(self, module: Module, function: ast.FunctionDef) -> list[str]:
        if (module.path, function.lineno) in self.followed:
            return []
        self.followed.add((module.path, function.lineno))
        search = Search(module)
        search.followed = self.followed
        values = [each.value for each in own_nodes(function) if isinstance(each, ast.Return | ast.Yield) and each.value]
        return [f"{culprit} (in {module.path})" for value in values for culprit in search.unsafe(value, function)]

    def _attribute(self, node: ast.Attribute, scope: ast.AST) -> list[str]:
        base = ast.unparse(node.value)
        if self.module.path in MAKERS and base in parameters(scope):
            return []
        of_a_definition = base.split(".")[0].split("[")[0].isupper() or self._type(base, scope) in DEFINED
        return [] if node.attr in ATTRIBUTES and of_a_definition else [ast.unparse(node)]

    def _type(self, name: str, scope: ast.AST) -> str:
        """Return the annotated type of a parameter, or that of what a loop goes through."""
        if isinstance(scope, ast.FunctionDef):
            for argument in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs):
                if argument.arg == name and argument.annotation:
                    return ast.unparse(argument.annotation)
        for node in nodes_of(scope):
            if isinstance(node, ast.For | ast.comprehension) and ast.unparse(node.target) == name:
                over = ast.unparse(node.iter)
                inside = re.fullmatch(
                    r"(?:Sequence|tuple|list|Iterable)\[(\w+)(?:, \.\.\.)?\]", self._type(over, scope)
                )
                return (
                    inside[1] if inside else "Table" if over.rpartition(".")[2] == "columns" or over.isupper() else ""
                )
        return ""

    def _name(self, name: str, scope: ast.AST) -> list[str]:  # noqa: PLR0911 - one case a kind of name
        if self._type(name, scope) in PLAIN_TYPES:
            return []
        values = [each for node in nodes_of(scope) for each in given_to(name, node)]
        key = (f"{self.module.path}:{getattr(scope, 'name', '')}:{name}", 0)
        if key in self.followed:
            return []
        if values and scope is not self.module.tree:
            self.followed.add(key)
            found = [culprit for value in values for culprit in self.unsafe(value, scope)]
            self.followed.discard(key)
            return found
        loops = [each for node in nodes_of(scope) if (each := looped_over(node, name)) is not None]
        if loops:
            return [culprit for each in loops for culprit in self.unsafe(each, scope)]
        if self.module.path in MAKERS and name in parameters(scope):
            return []
        if name.strip("_").isupper():  # a constant, of this module or of another
            value = self.module.constants.get(name)
            return self.unsafe(value, self.module.tree) if value is not None and scope is not None else []
        return [name]


USED: set[tuple[str, str]] = set()


def given_to(name: str, node: ast.AST) -> Iterator[ast.expr]:
    """Yield what an assignment gives to the name."""
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) or node.value is None:
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        names = [ast.unparse(each) for each in target.elts] if isinstance(target, ast.Tuple) else [ast.unparse(target)]
        if name in names and isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield node.value.elts[names.index(name)]
        elif name in names:
            yield node.value


def looped_over(node: ast.AST, name: str) -> ast.expr | None:  # noqa: PLR0911 - one case a kind of loop
    """Return from what a loop or comprehension takes `name`; None where it is no loop over it."""
    if not isinstance(node, ast.For | ast.comprehension):
        return None
    targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
    place = next((place for place, target in enumerate(targets) if ast.unparse(target) == name), None)
    if place is None:
        return None
    match node.iter, place:
        case ast.Call(func=ast.Name(id="enumerate")), 0:
            return ast.Constant(0)
        case ast.Call(func=ast.Name(id="enumerate"), args=[over, *_]), 1:
            return over
        case ast.Call(func=ast.Name(id="zip"), args=over), _:
            return over[place]
        case ast.Call(func=ast.Attribute(attr="items", value=over)), _:
            return over
    return node.iter


def parameters(scope: ast.AST) -> set[str]:
    if not isinstance(scope, ast.FunctionDef):
        return set()
    arguments = scope.args
    return {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def nodes_of(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes in which a name of the scope may be given a value."""
    return own_nodes(scope) if isinstance(scope, ast.Module) else ast.walk(scope)


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope that are in no function of it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from own_nodes(child)


def pasted(node: ast.AST) -> list[ast.expr]:
    """Return what a text is put together of, besides its constant parts."""
    match node:
        case ast.JoinedStr():
            return [value.value for value in node.values if isinstance(value, ast.FormattedValue)]
        case ast.Call(func=ast.Attribute(attr="format", value=value)):
            return [*node.args, *(keyword.value for keyword in node.keywords)] if is_text(value) else []
        case ast.BinOp(op=ast.Add() | ast.Mod()) if any(is_text(side) for side in (node.left, node.right)):
            return [side for side in (node.left, node.right) if not isinstance(side, ast.Constant)]
    return []


def is_text(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        or (isinstance(node, ast.Name) and node.id.strip("_").isupper())
    )


def text_of(node: ast.AST) -> str:
    match node:
        case ast.JoinedStr():
            return " ".join(str(value.value) for value in node.values if isinstance(value, ast.Constant))
        case ast.BinOp():
            return " ".join(text_of(side) for side in (node.left, node.right) if is_text(side))
    return ast.unparse(node)


def problems() -> list[str]:
    return [f"{path}:{line}: {what}" for path, module in modules().items() for line, what in Search(module).found()]


def test_nothing_is_pasted_into_sql_unquoted() -> None:
    assert problems() == []
    listed = {(path, name) for path, names in GIVEN.items() for name in names}
    assert sorted(listed - USED) == [], "these are not needed any more"


PASTED = """
from intelligence.core.sql import literal, identifier
CONSTANT = "events"
def made(connection, text: str, number: int, table: Table, days: list[date]):
    quoted = literal(text)
    return connection.execute({})
"""


@pytest.mark.parametrize(
    "statement",
    [
        """f"SET temp_directory = '{text}'" """,
        """f"SELECT * FROM {text}" """,
        """f"FROM events WHERE feature = '{text.strip()}'" """,
        """f"ATTACH '{text}' AS other" """,
        """f"COPY (FROM events) TO '{text}'" """,
        """f"COMMENT ON TABLE events IS '{text}'" """,
        """"SELECT * FROM events WHERE feature = '" + text + "'" """,
        """"SELECT * FROM {}".format(text)""",
        """"SELECT * FROM events WHERE user_id = '%s'" % text""",
        """f"SELECT {', '.join(text.split())} FROM events" """,
        """f"FROM events WHERE feature IN ({', '.join(repr(each) for each in text)})" """,
        """f"FROM read_csv({text!r})" """,
        """f"FROM {literal(text)} WHERE {text}" """,
        """f"LOAD {text}" """,
        """f"FROM events WHERE event_date = DATE '{unknown_function(text)}'" """,
        """f"FROM {table.other}" """,
        """(f"SELECT {quoted} FROM " + text)""",
    ],
)
def test_what_is_pasted_unquoted_is_found(statement: str) -> None:
    module = module_with_names(Module("made.py", ast.parse(PASTED.format(statement))))
    assert list(Search(module).found())


@pytest.mark.parametrize(
    "statement",
    [
        """f"SET temp_directory = {literal(text)}" """,
        """f"SELECT * FROM {identifier(text)} LIMIT {number}" """,
        """f"FROM {table.path} WHERE {table.day} >= $start" """,
        """f"FROM {CONSTANT} WHERE feature = {quoted}" """,
        """f"FROM events WHERE event_date IN ({', '.join(f'DATE {literal(str(day))}' for day in days)})" """,
        """f"FROM {'a' if number else CONSTANT}" """,
        """f"FROM events LIMIT {int(text)}" """,
        """f"{text} is not what was expected." """,
    ],
)
def test_what_is_quoted_is_let_pass(statement: str) -> None:
    module = module_with_names(Module("made.py", ast.parse(PASTED.format(statement))))
    assert list(Search(module).found()) == []


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=60, deadline=None)
def test_what_is_quoted_comes_out_as_it_went_in(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {literal(text)}, {literals([text, text])}").fetchone() == (
            text,
            [text, text],
        )
        if text:
            connection.execute(f"CREATE TABLE here ({identifier(text)} INT)")
            assert connection.execute(f"SELECT {identifiers([text])} FROM here").description[0][0] == text
