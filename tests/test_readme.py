"""The README is true to the letter: its commands exist, its code and configuration run, its output is what is printed."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from intelligence.catalog.product import product_from
from tests.demos import demo_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*) ?(.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Blocks of Python and YAML that begin with a path are files of an example: tests/test_extending.py applies them.
EXAMPLE_OF = {"make demo": "classroom", "make demo DATA=flights": "flights"}


def blocks(language: str, *pages: Path) -> list[tuple[str, str]]:
    """Return what stands behind the language of each such block, and its text."""
    return [
        (about, text) for page in pages for lang, about, text in BLOCK.findall(page.read_text()) if lang == language
    ]


@pytest.mark.parametrize("line", [line for _, text in blocks("sh", *PAGES) for line in text.splitlines() if line])
def test_every_command_exists(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        done = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    else:
        assert words[0] == ".venv/bin/intelligence"
        command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", *words[1:], "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", [text for path, text in blocks("yaml", *PAGES) if not path])
def test_every_product_file_is_understood(text: str) -> None:
    assert product_from(text).sources


@pytest.mark.parametrize("text", [text for path, text in blocks("python", *PAGES) if not path])
def test_the_code_runs(text: str) -> None:
    names: dict[str, object] = {}
    exec(compile(text, "README.md", "exec"), names)
    assert set(names) > {"__builtins__"}, "the block defined nothing, so nothing ran"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.proof
@pytest.mark.parametrize(
    ("command", "text"), blocks("text", ROOT / "README.md"), ids=lambda value: value if value in EXAMPLE_OF else ""
)
def test_the_output_shown_is_what_the_command_prints(
    command: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    printed = demo_of(EXAMPLE_OF[command], tmp_path_factory).printed
    assert [line for line in text.splitlines() if line.rstrip() not in printed] == []
