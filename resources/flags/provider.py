"""Feature flags from a file in flagd's format, read through OpenFeature, as an application and the read-back do."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from typing_extensions import override

POLL_S = 0.5


class FlagFileProvider(AbstractProvider):
    """An OpenFeature provider that reads one file: a change is seen within `poll_s`, a broken file changes nothing."""

    def __init__(self, file: Path, *, poll_s: float = POLL_S) -> None:
        super().__init__()
        self._file, self._poll_s, self._core = file, poll_s, FlagdCore()
        self._seen: tuple[int, int, int] | None = None
        self._next_look_s = 0.0

    @override
    def get_metadata(self) -> Metadata:
        """Return the name of the provider."""
        return Metadata(name="flag file")

    @override
    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Read the file; whatever is raised puts the provider into OpenFeature's error state."""
        self._read()

    @override
    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return the flag's value."""
        return self._current().resolve_boolean_value(flag_key, default_value, evaluation_context)

    @override
    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Return the flag's value."""
        return self._current().resolve_string_value(flag_key, default_value, evaluation_context)

    @override
    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Return the flag's value."""
        return self._current().resolve_integer_value(flag_key, default_value, evaluation_context)

    @override
    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Return the flag's value."""
        return self._current().resolve_float_value(flag_key, default_value, evaluation_context)

    @override
    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Return the flag's value."""
        return self._current().resolve_object_value(flag_key, default_value, evaluation_context)

    def _current(self) -> FlagdCore:
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            try:
                self._read()
            except Exception:
                self._next_look_s = now_s + self._poll_s  # the last flags that could be read are served
        return self._core

    def _read(self) -> None:
        status = self._file.stat()
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            core = FlagdCore()
            core.set_flags(self._file.read_text(encoding="utf-8"))
            self._core, self._seen = core, seen
        self._next_look_s = time.monotonic() + self._poll_s


def flag_client(file: Path) -> OpenFeatureClient:
    """Return an OpenFeature client that reads the file as it is now; raises OpenFeature's error where that is not possible."""
    domain = f"intelligence:{file}"
    api.set_provider_and_wait(FlagFileProvider(file), domain)
    return api.get_client(domain)


def served_variant(client: OpenFeatureClient, flag: str, value: Any, user: str) -> tuple[str | None, Mapping[str, Any]]:
    """Return the variant that the user gets and the flag's metadata.

    Args:
        client: A client of `flag_client`.
        flag: The key of the flag.
        value: Any value of the flag; only its type matters.
        user: The id of the user, OpenFeature's targeting key.
    """
    details = _asking(client, value)(flag, value, EvaluationContext(targeting_key=user))
    return details.variant, details.flag_metadata


def _asking(client: OpenFeatureClient, value: Any) -> Callable[..., Any]:
    if isinstance(value, bool):
        return client.get_boolean_details
    if isinstance(value, str):
        return client.get_string_details
    if isinstance(value, int):
        return client.get_integer_details
    return client.get_float_details if isinstance(value, float) else client.get_object_details
