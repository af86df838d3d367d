"""Commands that a text of the program names exist, with the options that it names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from intelligence.interfaces.cli.commands import app

ROOT = Path(__file__).resolve().parents[1]
COMMAND = re.compile(r"`intelligence ([a-z-][^`]+)`")
COMMANDS = typer.main.get_command(app)


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the commands in the strings of a module, with their lines; a value that is put in is the word VALUE."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = node.value
        yield from ((getattr(node, "lineno", 0), " ".join(found.split())) for found in COMMAND.findall(text))


def unknown(line: str) -> str:
    """Return the first word of a command line that there is not; empty where there are all."""
    here = COMMANDS
    words = iter(line.split())
    for word in words:
        if word.startswith("-"):
            options = {option: param for each in (COMMANDS, here) for param in each.params for option in param.opts}
            if word not in options:
                return word
            if not getattr(options[word], "is_flag", False):
                next(words, "")
        elif hasattr(here, "commands"):
            if word not in here.commands:
                return word
            here = here.commands[word]
        elif not here.params:
            return word
    return ""


@pytest.mark.parametrize("ring", ["intelligence", "resources", "assets", "sensors"])
def test_every_command_that_a_text_names_exists(ring: str) -> None:
    found = [(path, *each) for path in sorted((ROOT / ring).rglob("*.py")) for each in named(path)]
    missing = [
        f"{path.relative_to(ROOT).as_posix()}:{number}: {line}: {word}"
        for path, number, line in found
        if (word := unknown(line))
    ]
    assert missing == []


def test_texts_name_commands() -> None:
    lines = [line for path in sorted((ROOT / "resources").rglob("*.py")) for _, line in named(path)]
    assert len(lines) >= 20


@pytest.mark.parametrize(
    ("line", "word"),
    [("forecast list", "list"), ("forecast show", ""), ("status --every", "--every"), ("brief week --as markdown", "")],
)
def test_the_walk_finds_what_is_missing(line: str, word: str) -> None:
    assert unknown(line) == word
