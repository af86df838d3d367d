"""Digests of what code and queries do, which stay the same when the code is moved, formatted or documented.

A digest covers the definitions that a function reaches: itself and, through the names in it, all functions, classes and
constants of `intelligence` that it can call or read. Whatever does not change the program's behaviour is left out: docstrings,
comments, layout, annotations, imports and the modules that contain the definitions. Of a class only those methods count whose
names the reached code mentions; a class for a section of product.yaml counts through its values, which are part of the rules.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import intelligence

# Either a comment (to the end of the line, or between delimiters), or a string, a quoted name, a word or number, or a symbol.
_SQL_PARTS = re.compile(r"--[^\n]*|/\*.*?\*/|('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|\S)", re.DOTALL)
_PACKAGE = "intelligence"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WITHOUT_MEANING = ("annotation", "returns", "type_comment", "type_params", "kind", "ctx", "simple")


class UnknownDefinition(Exception):
    """A recipe names a definition or query that does not exist."""


def sql_meaning(text: str) -> str:
    """Return the tokens of a statement, separated by single blanks and without its comments.

    >>> sql_meaning("SELECT 1,  -- one\\n  ' --  two'")
    "SELECT 1 , ' --  two'"
    """
    return " ".join(filter(None, _SQL_PARTS.findall(text)))


def digest_of(texts: Iterable[str]) -> str:
    """Return a digest of these texts that does not depend on their order."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Name:
    """A name in a module; an empty name stands for the module itself."""

    module: str
    name: str = ""


class _Module:
    """A parsed module: its definitions, and the origins of the names that it imports."""

    def __init__(self, tree: ast.Module) -> None:
        self.imports = dict(_imports(tree))
        self.definitions: dict[str, ast.stmt] = {}
        for node in tree.body:
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                self.definitions[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for each in (each for target in targets for each in ast.walk(target)):
                    if isinstance(each, ast.Name):
                        self.definitions[each.id] = node


def _imports(tree: ast.Module) -> Iterator[tuple[str, _Name]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == _PACKAGE:
            for alias in node.names:
                yield alias.asname or alias.name, _Name(node.module or "", alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == _PACKAGE:
                    yield alias.asname or alias.name, _Name(alias.name)


class Meanings:
    """Digests of the code and queries in one folder.

    Args:
        root: The folder of the package `intelligence`; by default that of the running code.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path(intelligence.__file__).parent
        self._modules: dict[str, _Module | None] = {}
        self._digests: dict[_Name, str] = {}
        self._named: dict[_Name, tuple[_Name, ...]] = {}

    def query(self, path: str) -> str:
        """Return the tokens of the statement in `intelligence/<path>`; raises UnknownDefinition if there is no such file."""
        try:
            return sql_meaning((self._root / path).read_text(encoding="utf-8"))
        except OSError as error:
            raise UnknownDefinition(f"{path}: no such query under {self._root}.") from error

    def code(self, function: str) -> frozenset[str]:
        """Return the digests of all definitions that a function reaches.

        Args:
            function: Module and name, such as `intelligence.metrics.health:feature_health`.

        Raises:
            UnknownDefinition: The function or a query that it reaches does not exist, or a query's path is not a literal.
        """
        module, _, name = function.partition(":")
        start = self.defined(_Name(module, name))
        if start is None:
            raise UnknownDefinition(f"{function}: no such function under {self._root}.")
        return _Reach(self, start).digests

    def module(self, name: str) -> _Module | None:
        """Return the parsed module; None if `name` is not a module of this package."""
        if name not in self._modules:
            path = self._root.joinpath(*name.split(".")[1:])
            file = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
            self._modules[name] = _Module(ast.parse(file.read_bytes())) if file else None
        return self._modules[name]

    def _defined(self, name: _Name) -> _Name | None:
        """Return where a name is defined, following imports; None if it is not defined in this package."""
        module = self.module(name.module)
        if module is None:
            return None
        if name.name in module.definitions:
            return name
        imported = module.imports.get(name.name)
        if imported is None:
            submodule = f"{name.module}.{name.name}"
            return _Name(submodule) if name.name and self.module(submodule) else None
        return self._defined(imported) if imported.name else imported

    def defined(self, name: _Name) -> _Name | None:
        """Return the definition that a name stands for; None for a module and for a name from another package."""
        found = self._defined(name)
        return found if found and found.name else None

    def named_by(self, name: _Name, node: ast.AST) -> tuple[_Name, ...]:
        """Return the definitions that a definition refers to, without repetitions.

        Args:
            name: The definition.
            node: Its syntax tree.
        """
        if name not in self._named:
            self._named[name] = tuple(dict.fromkeys(self._names_in(node, name.module)))
        return self._named[name]

    def digest(self, name: _Name, node: ast.AST) -> str:
        """Return the digest of one definition, without those that it refers to.

        Args:
            name: The definition.
            node: Its syntax tree.
        """
        if name not in self._digests:
            self._digests[name] = digest_of([" ".join(self._parts(node))])
        return self._digests[name]

    def _names_in(self, node: ast.AST, module: str) -> Iterator[_Name]:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                found = self._defined(_Name(module, each.id))
            elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                of = self._defined(_Name(module, each.value.id))
                found = self._defined(_Name(of.module, each.attr)) if of and not of.name else None
            else:
                continue
            if found and found.name:
                yield found

    def _parts(self, node: ast.AST) -> Iterator[str]:
        """Yield the parts of a syntax tree that affect behaviour, the same for every supported version of Python."""
        yield type(node).__name__
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sql":
            (path,) = node.args
            if not isinstance(path, ast.Constant) or not isinstance(path.value, str):
                raise UnknownDefinition(
                    f"sql({ast.unparse(path)}): give the file as a literal, so that its content can be digested."
                )
            yield self.query(path.value)
            return
        for name, value in ast.iter_fields(node):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST) and name not in _WITHOUT_MEANING and not _has_no_effect(each):
                    yield from self._parts(each)
                elif each is not None and not isinstance(each, ast.AST) and name not in _WITHOUT_MEANING:
                    yield repr(each)
        yield "."


def _has_no_effect(node: ast.AST) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom | ast.Pass)


class _Reach:
    """All definitions that a definition reaches, found by following names until no new one appears."""

    def __init__(self, meanings: Meanings, start: _Name) -> None:
        self._meanings = meanings
        self.nodes: dict[_Name, ast.AST] = {}
        self._methods: dict[_Name, ast.AST] = {}
        self._mentioned: set[str] = set()
        self._add(start)
        while found := [name for name in self._methods if name.name.rsplit(".")[-1] in self._mentioned]:
            for name in found:
                self._follow(name, self._methods.pop(name))

    @property
    def digests(self) -> frozenset[str]:
        """Return the digest of each reached definition."""
        return frozenset(self._meanings.digest(name, node) for name, node in self.nodes.items())

    def _add(self, name: _Name) -> None:
        module = self._meanings.module(name.module)
        node = module.definitions[name.name] if module else None
        if node is None or name in self.nodes or _is_a_table(node):
            return
        if isinstance(node, ast.ClassDef):
            self._add_class(name, node)
        else:
            self._follow(name, node)

    def _add_class(self, name: _Name, node: ast.ClassDef) -> None:
        methods = [each for each in node.body if isinstance(each, _FUNCTIONS)]
        is_section = self._is_a_section(name)
        for method in methods:
            if not is_section or not method.decorator_list or not _validates(method):
                self._methods[_Name(name.module, f"{name.name}.{method.name}")] = method
        self._mentioned |= {each.name for each in methods if each.name.startswith("__") and each.name.endswith("__")}
        body = [] if is_section else [each for each in node.body if not isinstance(each, _FUNCTIONS)]
        head = copy(node)
        head.body = body
        self._follow(name, head)

    def _is_a_section(self, name: _Name) -> bool:
        """Return whether a class is a section of product.yaml, which counts through its values."""
        module = self._meanings.module(name.module)
        node = module.definitions.get(name.name) if module else None
        if not isinstance(node, ast.ClassDef):
            return False
        bases = [base for base in node.bases if isinstance(base, ast.Name)]
        known = [self._meanings.defined(_Name(name.module, base.id)) for base in bases]
        return any(base.id == "BaseModel" for base in bases) or any(each and self._is_a_section(each) for each in known)

    def _follow(self, name: _Name, node: ast.AST) -> None:
        self.nodes[name] = node
        self._mentioned |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
        for each in self._meanings.named_by(name, node):
            self._add(each)


def _is_a_table(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Table"


def _validates(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("validator" in ast.unparse(each) for each in method.decorator_list)
