"""Public functions say what they take, what they raise and what they return."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RINGS = ("intelligence", "resources", "assets", "sensors")
# With so many parameters the summary alone cannot say what each is.
NEED_ARGS = 2
# Functions whose docstring people see elsewhere: on an asset's or a sensor's page, or as the help of a command.
SHOWN = ("asset", "command", "callback", "sensor", "schedule", "definitions")


@dataclass(frozen=True)
class Function:
    """A function or method with the file that it stands in."""

    path: str
    node: ast.FunctionDef
    of: ast.ClassDef | None = None

    @property
    def text(self) -> str:
        return ast.get_docstring(self.node) or ""

    @property
    def parameters(self) -> list[str]:
        given = self.node.args
        named = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        return [name for name in named if name not in ("self", "cls") and not name.startswith("_")]

    @property
    def raised(self) -> set[str]:
        """The exceptions of its own statements, by name."""
        found = [each.exc for each in _own(self.node) if isinstance(each, ast.Raise)]
        calls = [each.func for each in found if isinstance(each, ast.Call)]
        return {each.id for each in calls if isinstance(each, ast.Name) and each.id[0].isupper()}

    @property
    def overrides_another_library(self) -> bool:
        return any("override" in ast.unparse(each) for each in self.node.decorator_list)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from _own(child)


@cache
def public_functions() -> list[Function]:
    found = []
    for path in sorted(path for ring in RINGS for path in (ROOT / ring).rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        classes = [node for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        inside = [(node, each) for each in classes for node in each.body]
        for node, of in [*((node, None) for node in body), *inside]:
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            decorated = [ast.unparse(each) for each in node.decorator_list]
            if not any(sign in each for each in decorated for sign in (*SHOWN, "overload", "validator", "setter")):
                found.append(Function(str(path.relative_to(ROOT)), node, of))
    return found


def _name(value: object) -> str:
    return f"{value.path}:{value.node.name}" if isinstance(value, Function) else ""


@pytest.mark.parametrize("path", sorted({each.path for each in public_functions()}))
def test_public_functions_say_what_they_take_and_raise(path: str) -> None:
    problems = []
    for each in public_functions():
        if each.path != path or each.overrides_another_library:
            continue
        where = f"{path}:{each.node.lineno} {each.node.name}"
        if len(each.parameters) >= NEED_ARGS:
            _, _, listed = each.text.partition("Args:\n")
            missing = [name for name in each.parameters if f"{name}: " not in listed]
            problems += [f"{where}: Args says nothing of {', '.join(missing)}"] if missing else []
        unsaid = sorted(name for name in each.raised if name not in each.text)
        problems += [f"{where}: says nothing of {', '.join(unsaid)}, which it raises"] if unsaid else []
    assert not problems, "\n".join(problems)
