"""Events of the stream: typed, and read in a microsecond where they are plain.

A plain event is a JSON object whose values the contract of the files accepts as they are: nothing to convert, to normalise or to
reject. `PlainEvents` recognises only these, and returns nothing for any other; the SQL of the files judges the others.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from intelligence.telemetry.contract import CONTRACT, IDS, REQUIRED_COLUMNS
from intelligence.telemetry.local_time import UTC_NAME
from intelligence.telemetry.mapping import is_name
from intelligence.telemetry.names import Naming
from intelligence.telemetry.values import PLAIN_NUMERALS, UNKNOWN_WORDS, Numerals

# Letters, digits and signs that no rule for names looks at; a name that may be read as a number is not plain.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:/@-]{0,127}(\.[A-Za-z0-9_:/@-]{1,64})*")
_NUMERAL: Final = re.compile(r"[0-9]*\.[0-9.]*|[0-9]+[eE][0-9]+")
_PLAIN_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)?")
_MOST_PROPERTIES: Final = 60_000
_MINUTE_MS: Final = 60_000
# An event counts in windows; came too late for them; or bears a time after that of its message.
InTime = Literal["counted", "late", "early"]
_TYPES: Final[Mapping[str, Any]] = {
    "VARCHAR": str,
    "TIMESTAMP": str,
    "DOUBLE": float,
    "BIGINT": int,
    "BOOLEAN": bool,
}


class StreamEvent(msgspec.Struct, array_like=True, frozen=True):
    """An accepted event, as far as windows and decisions need it.

    Attributes:
        id: The event's id in its source; the hash of its text where it has none.
        at_ms: When it happened, in ms since 1970, UTC.
        entity: The user, or the device of one who is not logged in.
        feature: The product feature.
        platform: The platform; empty where unknown.
        release: The release of the client; empty where unknown.
        errors: Whether the user met an error.
        crashed: Whether it ended in a crash.
        value: Its worth; None where it has none.
        latency_ms: Its latency; None where unknown.
    """

    id: str
    at_ms: int
    entity: str
    feature: str
    platform: str
    release: str
    errors: bool
    crashed: bool
    value: float | None
    latency_ms: float | None


def standing_in_time(at_ms: int, *, received_ms: int, newest_minute: int, lateness_minutes: int) -> InTime:
    """Return whether an event can count in windows, by its time: the stream and the API ask this alone.

    Args:
        at_ms: When the event happened, in ms since 1970.
        received_ms: When it was sent, in ms since 1970; one that lies further ahead than the lateness is early.
        newest_minute: Minute since 1970 of the newest event that counted before; -1 where there is none.
        lateness_minutes: How late an event may come after newer ones and still count.

    >>> [standing_in_time(at * 60_000, received_ms=0, newest_minute=20, lateness_minutes=10) for at in (9, 10, 11)]
    ['late', 'counted', 'early']
    """
    minute = at_ms // _MINUTE_MS
    if minute > received_ms // _MINUTE_MS + lateness_minutes:
        return "early"
    return "late" if minute < newest_minute - lateness_minutes else "counted"


def text_of(payload: bytes | None) -> str:
    """Return a message as one line of text, as it stands in a file for the lake.

    JSON over several lines becomes one line. Bytes that are no UTF-8 are written with backslashes, so that no reader fails on them; a
    message without content becomes `null`. Neither is an event.

    >>> text_of(b'{"a":\\n 1}'), text_of(b"\\xff"), text_of(None)
    ('{"a":1}', '\\\\xff', 'null')
    """
    if not payload or not payload.strip():
        return "null"
    text = payload.decode(errors="backslashreplace")
    if len(text.splitlines()) == 1 and "\x00" not in text and text == text.rstrip("\r\n"):
        return text
    try:
        return msgspec.json.format(payload, indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return " ".join(text.replace("\x00", "\\x00").splitlines())


def content_id(text: str) -> str:
    """Return the id of an event without one: the MD5 hash of its line, as in files.

    Args:
        text: The line, as `text_of` returns it.
    """
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class PlainEvents:
    """Reads the plain events of one source."""

    def __init__(
        self,
        mapping: Mapping[str, str],
        *,
        naming: Naming,
        numerals: Numerals = PLAIN_NUMERALS,
        clock: str = UTC_NAME,
        null_values: Sequence[str] = ("",),
    ) -> None:
        """Prepare for a source.

        Args:
            mapping: The source's mapping: the name of a key or an SQL expression, by contract column.
            naming: How names are normalised, and which words are no names.
            numerals: How the source writes numbers.
            clock: IANA time zone of times without one.
            null_values: Texts that mean that nothing is known.
        """
        keys = {field.name: mapping.get(field.name, field.name) for field in CONTRACT}
        # An expression, or one key for two columns, is for SQL; so are keys that differ in case alone.
        apart = len({key.lower() for key in keys.values()}) == len(keys)
        self._decoder = (
            _decoder(tuple(keys.items())) if apart and all(map(is_name, keys.values())) and numerals.is_plain else None
        )
        self._assumes_utc = clock == UTC_NAME
        self._fold = naming.fold
        self._empty = frozenset(null_values)
        self._placeholders = {
            field.name: frozenset((*naming.placeholders_of(field.name), *UNKNOWN_WORDS))
            for field in CONTRACT
            if field.name_like
        }
        self._plain: dict[str, set[str]] = {name: set() for name in self._placeholders}

    def event(self, text: str, *, earliest_ms: int, latest_ms: int) -> StreamEvent | None:
        """Return the event of a plain line; None for any other line, which may be valid or not.

        Args:
            text: The line, as `text_of` returns it.
            earliest_ms: Earliest time of an event.
            latest_ms: Latest time of an event.
        """
        if self._decoder is None:
            return None
        try:
            row = self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
        given = msgspec.structs.astuple(row)
        found: dict[str, Any] = dict(
            zip(row.__struct_fields__, [None if value is msgspec.UNSET else value for value in given], strict=True)
        )
        found["properties"] = _content(found["properties"])
        keys = len(given) - given.count(msgspec.UNSET) + (found["properties"] or b"").count(b'":')
        # A key that comes twice is for SQL.
        if text.count('":') != keys:
            return None
        if found["anonymous_id"] is not None or not self._are_in_range(found):
            return None
        at_ms = self._time(found["event_time"])
        if at_ms is None or not earliest_ms <= at_ms <= latest_ms or not self._names_are_plain(found):
            return None
        return StreamEvent(
            id=found["event_id"] or content_id(text),
            at_ms=at_ms,
            entity=found["user_id"],
            feature=found["feature"].lower() if self._fold else found["feature"],
            platform=self._folded(found["platform"]),
            release=self._folded(found["app_version"]),
            errors=bool(found["error_count"]),
            crashed=bool(found["crashed"]),
            value=found["value"],
            latency_ms=found["latency_ms"],
        )

    def _folded(self, name: str | None) -> str:
        return (name.lower() if self._fold else name) if name else ""

    def _time(self, text: str | None) -> int | None:
        if text is None or not (found := _PLAIN_TIME.fullmatch(text)):
            return None
        if not found.group(2) and not self._assumes_utc:
            return None
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        since = at - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000

    def _names_are_plain(self, found: Mapping[str, Any]) -> bool:
        for name, known in self._plain.items():
            text = found[name]
            if text is None:
                if name in REQUIRED_COLUMNS:
                    return False
            elif text not in known:
                if not self._is_plain_name(name, text):
                    return False
                if len(known) < 100_000 and name not in ("event_id", "session_id"):
                    known.add(text)
        return True

    def _is_plain_name(self, name: str, text: str) -> bool:
        return (
            _PLAIN_NAME.fullmatch(text) is not None
            and not (name in IDS and _NUMERAL.fullmatch(text))
            and text not in self._empty
            and text.lower() not in self._placeholders[name]
        )

    @staticmethod
    def _are_in_range(found: Mapping[str, Any]) -> bool:
        for name, lowest, highest in _BOUNDS:
            value = found[name]
            if value is not None and not lowest <= value <= highest:
                return False
        properties = found["properties"]
        return properties is None or (properties[:1] == b"{" and len(properties) < _MOST_PROPERTIES)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS: Final = tuple(
    (field.name, field.lowest, field.highest)
    for field in CONTRACT
    if field.lowest is not None and field.highest is not None
)


def _content(raw: msgspec.Raw | None) -> bytes | None:
    content = None if raw is None else bytes(raw)
    return None if content == b"null" else content


@lru_cache(maxsize=64)
def _decoder(keys: tuple[tuple[str, str], ...]) -> Any:
    types = {field.name: _TYPES[field.type] for field in CONTRACT}
    fields = [
        (name, (msgspec.Raw if name == "properties" else types[name] | None) | msgspec.UnsetType, msgspec.UNSET)
        for name, _ in keys
    ]
    row = msgspec.defstruct("Row", fields, rename=dict(keys), forbid_unknown_fields=True)
    return msgspec.json.Decoder(row)
