"""A chat server on this machine for each test."""

from collections.abc import Iterator

import pytest

from tests.resources.language.stub import Stub, chat_stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    with chat_stub() as running:
        yield running
