"""A file is hashed again when it may have changed, and never trusted by a broken memory."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from resources.intake import digests
from resources.intake.digests import Digests, sha256


@pytest.fixture
def hashed(monkeypatch: Any) -> list[str]:
    """The files that were really read, in order; all files count as settled."""
    read: list[str] = []

    def counting(path: Path) -> str:
        read.append(path.name)
        return sha256(path)

    monkeypatch.setattr(digests, "sha256", counting)
    monkeypatch.setattr(digests, "SETTLED_NS", -1)
    return read


def looked(memory: Path, *paths: Path) -> list[str]:
    found = Digests(memory)
    digests_of = [found.sha256(path) for path in paths]
    found.remember()
    return digests_of


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, hashed: list[str]) -> None:
    memory, file = tmp_path / "memory.json", tmp_path / "a.csv"
    file.write_text("one")
    first = looked(memory, file)
    assert looked(memory, file) == first == [sha256(file)]
    assert hashed == ["a.csv"]
    file.write_text("three")
    assert looked(memory, file) == [sha256(file)] != first
    assert hashed == ["a.csv"] * 2


def test_a_change_that_keeps_size_and_time_of_change_is_seen(tmp_path: Path, hashed: list[str]) -> None:
    memory, file = tmp_path / "memory.json", tmp_path / "a.csv"
    file.write_text("one")
    times = file.stat()
    first = looked(memory, file)
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert looked(memory, file) == [sha256(file)] != first


def test_a_file_touched_just_now_is_not_remembered(tmp_path: Path, hashed: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 10**12)
    memory, file = tmp_path / "memory.json", tmp_path / "a.csv"
    file.write_text("one")
    looked(memory, file)
    looked(memory, file)
    assert hashed == ["a.csv"] * 2


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"PATH": 7}', '{"PATH": []}', '{"PATH": [1, 2, 3, 4, "x"]}'])
def test_a_broken_memory_only_costs_time(tmp_path: Path, hashed: list[str], text: str) -> None:
    memory, file = tmp_path / "memory.json", tmp_path / "a.csv"
    file.write_text("one")
    memory.write_text(text.replace("PATH", str(file)))
    assert looked(memory, file) == [sha256(file)]
    assert list(json.loads(memory.read_text())) == [str(file)]


def test_a_memory_that_cannot_be_written_does_no_harm(tmp_path: Path, hashed: list[str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text("one")
    assert looked(file / "memory.json", file) == [sha256(file)]


def test_files_that_are_gone_are_forgotten(tmp_path: Path, hashed: list[str]) -> None:
    memory, a, b = tmp_path / "memory.json", tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("one")
    b.write_text("two")
    looked(memory, a, b)
    looked(memory, b)
    assert list(json.loads(memory.read_text())) == [str(b)]
