"""Windows in Redis, for those who decide on other machines: the stream's process writes them there, and others only read.

One process at a time holds the token with which all is written. Whoever was paused meanwhile has an old one, and Redis refuses it; so it
refuses an older batch. A token is newer than all before it, also after Redis lost them: it is the time of Redis. The database of the
stream stays the truth: what Redis loses is written again.
"""

import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from intelligence.core.errors import OnlineError, StoreError
from intelligence.online.windows import Series

# How long whoever holds the token may be silent before a stream with another history may take its place.
LEASE_S: Final = 10.0
_FIELDS: Final = 500
_OF_OTHERS: Final = "FENCED"

_CLAIM: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local identity, layout, batch, lease, former = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local head = redis.call('HMGET', KEYS[1], 'identity', 'layout', 'batch', 'token', 'alive', 'claimed')
local same = head[1] == identity and head[2] == layout and tonumber(head[3]) <= batch
local heard = math.max(tonumber(head[5] or 0), tonumber(head[6] or 0))
local is_of_others = head[1] and head[4] ~= former
local is_newer = former == '' and head[1] == identity and tonumber(head[3] or -1) <= batch
if is_of_others and not is_newer and now - heard < lease then
    return {'', tonumber(head[3])}
end
local found = tonumber(head[3] or -1)
if not same then
    for _, key in ipairs(redis.call('SMEMBERS', KEYS[2])) do redis.call('UNLINK', key) end
    redis.call('UNLINK', KEYS[1], KEYS[2])
    found = -1
end
local token = string.format('%.0f', math.max(tonumber(head[4] or 0) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'identity', identity, 'layout', layout, 'batch', found, 'token', token, 'claimed', now)
return {token, found}
"""
_FENCE: Final = """
local head = redis.call('HMGET', KEYS[1], 'token', 'batch')
if head[1] ~= ARGV[1] or tonumber(ARGV[2]) < tonumber(head[2]) then
    return redis.error_reply('FENCED: another process has written since')
end
"""
_CHANGE: Final = (
    _FENCE
    + """
redis.call('SADD', KEYS[2], KEYS[3])
local gone = tonumber(ARGV[3])
for place = 4, 3 + gone do redis.call('HDEL', KEYS[3], ARGV[place]) end
for place = 4 + gone, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[place], ARGV[place + 1]) end
return 'OK'
"""
)
_FINISH: Final = (
    _FENCE
    + """
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'batch', ARGV[2], 'newest_minute', ARGV[3], 'alive', time[1] * 1000 + math.floor(time[2] / 1000))
return 'OK'
"""
)
_READ: Final = """
local head = redis.call('HMGET', KEYS[1], 'identity', 'layout', 'batch', 'alive', 'newest_minute')
local time, age = redis.call('TIME'), -1
if head[4] then age = math.max(time[1] * 1000 + math.floor(time[2] / 1000) - head[4], 0) end
local found = {}
if KEYS[3] then found = #ARGV > 0 and redis.call('HMGET', KEYS[3], unpack(ARGV)) or redis.call('HGETALL', KEYS[3]) end
local sizes = {redis.call('HLEN', KEYS[2])}
return {head[2] or '', tonumber(head[3] or -1), age, tonumber(head[5] or -1), sizes[1], found}
"""


class Superseded(StoreError):
    """Another process has written the windows since."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written of the windows.

    Attributes:
        entities: Content of each entity that changed.
        series: Content of each feature × platform × release that changed.
        gone: Entities that were evicted.
        gone_series: Series that were evicted.
        kept: All that there are where that is to be compared, so that what Redis has beside them goes; None where it is not.
        is_whole: Whether the windows are whole up to the batch with them; otherwise more follows.
    """

    entities: Mapping[str, bytes]
    series: Mapping[Series, bytes]
    gone: frozenset[str] = frozenset()
    gone_series: frozenset[Series] = frozenset()
    kept: tuple[frozenset[str], frozenset[Series]] | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Shared:
    """What Redis said to one question.

    Attributes:
        layout: How the contents are to be read; empty where none were written.
        batch: The last batch that they contain.
        age_s: Seconds since they were whole, by the clock of Redis; None where they never were.
        newest_minute: Minute since 1970 of the newest event; None before the first.
        entities: Number of entities.
        contents: The contents that were asked for, by name: those of entities, or JSON of platform and release.
    """

    layout: str
    batch: int
    age_s: float | None
    newest_minute: int | None
    entities: int
    contents: Mapping[str, bytes]


class SharedWindows:
    """The windows of one product in Redis."""

    def __init__(self, url: str, product: str, *, patience_s: float) -> None:
        """Prepare; the connection is made at the first use.

        Args:
            url: Address of Redis, such as `redis://127.0.0.1:6379/0`.
            product: Name of the product, under which its windows are.
            patience_s: How long Redis may take for an answer, in seconds.

        Raises:
            OnlineError: The address cannot be used.
        """
        try:
            self._redis = redis.Redis.from_url(
                url,
                socket_timeout=patience_s,
                socket_connect_timeout=patience_s,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        except (ValueError, redis.RedisError) as error:
            raise OnlineError(
                "INTELLIGENCE_REDIS", f"it cannot be used ({error}).", hint="Give redis://host:port/number."
            ) from error
        place = self._redis.connection_pool.connection_kwargs
        self.name = f"{place.get('host', 'localhost')}:{place.get('port', 6379)}" if "path" not in place else "a socket"
        # One slot of a cluster has all keys of a product.
        prefix = f"intelligence:{{{product}}}:"
        self._head, self._index, self._entities = prefix + "head", prefix + "keys", prefix + "entities"
        self._features = prefix + "feature:"

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def claimed(self, identity: str, layout: str, batch: int, former: str = "") -> tuple[str, int]:
        """Return a new token to write with, and the last batch that Redis has whole; -1 where it has none of this stream.

        A process that starts takes over from an earlier one of the same stream. One that had a token does so only from itself, or
        once the other is silent: it may have been paused.

        Args:
            identity: The name of the stream's database.
            layout: How contents are to be read.
            batch: The last batch of the stream.
            former: The token that this process had before; empty where it had none.

        Raises:
            Superseded: Another stream writes there, or this one from further on.
            StoreError: Redis does not answer.
        """
        keys = (self._head, self._index)
        token, found = self._asked(_CLAIM, keys, (identity, layout, batch, int(LEASE_S * 1000), former))
        if not token:
            raise self._superseded(f"another process writes there, at batch {found:,} where this one is at {batch:,}")
        return token.decode(), int(found)

    def write(self, token: str, batch: int, newest_minute: int | None, changes: Changes) -> None:
        """Write windows, and then that they are whole up to a batch.

        Args:
            token: The token.
            batch: The batch.
            newest_minute: Minute since 1970 of the newest event; None before the first.
            changes: What changed.

        Raises:
            Superseded: The token is old, or Redis lost all that it had.
            StoreError: Redis does not answer.
        """
        gone, changed = self._by_key(changes)
        if changes.kept is not None:
            kept = self._fields(*changes.kept)
            for key in self._named(lambda: self._redis.smembers(self._index)):
                gone[key] = self._named(partial(self._redis.hkeys, key)) - kept.get(key, set())
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for key in {**gone, **changed}:
                    for arguments in _chunks(gone.get(key, set()), changed.get(key, {})):
                        pipe.eval(_CHANGE, 3, self._head, self._index, key, token, batch, *arguments)
                if changes.is_whole:
                    minute = -1 if newest_minute is None else newest_minute
                    pipe.eval(_FINISH, 1, self._head, token, batch, minute)
                pipe.execute()
        except redis.RedisError as error:
            raise self._translated(error) from error

    def entities(self, names: Sequence[str]) -> Shared:
        """Return the contents of entities, by one question; those that are not known are left out.

        Args:
            names: The entities.

        Raises:
            StoreError: Redis does not answer.
        """
        found = self._read((self._entities,) if names else (), names)
        contents = {name: each for name, each in zip(names, found[5], strict=False) if each is not None}
        return _shared(found, contents)

    def feature(self, name: str) -> Shared:
        """Return the contents of a feature by platform and release, by one question.

        Args:
            name: The feature.

        Raises:
            StoreError: Redis does not answer.
        """
        found = self._read((self._features + name,), ())
        flat = iter(found[5])
        return _shared(found, {field.decode(): content for field, content in zip(flat, flat, strict=True)})

    def _read(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        return self._asked(_READ, (self._head, self._entities, *keys), arguments)

    def _asked(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return self._redis.eval(script, len(keys), *keys, *arguments)
        except redis.RedisError as error:
            raise self._translated(error) from error

    def _named(self, ask: Callable[[], Iterable[bytes | str]]) -> set[str]:
        """Return the names that Redis lists."""
        try:
            return {each.decode() if isinstance(each, bytes) else each for each in ask()}
        except redis.RedisError as error:
            raise self._translated(error) from error

    def _by_key(self, changes: Changes) -> tuple[dict[str, set[str]], dict[str, dict[str, bytes]]]:
        """Return the fields that go and the contents that come, by the key of their hash."""
        changed = dict[str, dict[str, bytes]]()
        if changes.entities:
            changed[self._entities] = {name: _packed(each) for name, each in changes.entities.items()}
        for (feature, *place), content in changes.series.items():
            changed.setdefault(self._features + feature, {})[json.dumps(place)] = _packed(content)
        return self._fields(changes.gone, changes.gone_series), changed

    def _fields(self, entities: Collection[str], series: Collection[Series]) -> dict[str, set[str]]:
        """Return the fields of entities and series, by the key of their hash."""
        found = {self._entities: set(entities)} if entities else {}
        for feature, *place in series:
            found.setdefault(self._features + feature, set()).add(json.dumps(place))
        return found

    def _translated(self, error: redis.RedisError) -> StoreError:
        if _OF_OTHERS in str(error):
            return self._superseded("another process has written since, or Redis lost what it had")
        said = "it does not answer in time" if isinstance(error, redis.TimeoutError) else f"it cannot be used ({error})"
        return StoreError(f"Redis at {self.name}", f"{said}.", hint="See whether the server runs that is named.")

    def _superseded(self, problem: str) -> Superseded:
        return Superseded(f"Redis at {self.name}", f"{problem}.", hint="Let one process read the stream of a product.")


def _chunks(gone: Collection[str], changed: Mapping[str, bytes]) -> Iterator[list[Any]]:
    """Yield the arguments of one change after the other, since a script takes only so many."""
    leaving, coming = iter(sorted(gone)), iter(changed.items())
    while True:
        names, contents = list(islice(leaving, _FIELDS)), list(islice(coming, _FIELDS))
        if not names and not contents:
            return
        yield [len(names), *names, *(part for pair in contents for part in pair)]


def _packed(content: bytes) -> bytes:
    # Most of a ring is empty.
    return zlib.compress(content, 1)


def _shared(found: Any, contents: Mapping[str, bytes]) -> Shared:
    layout, batch, age_ms, minute, entities, _ = found
    return Shared(
        layout=layout.decode(),
        batch=batch,
        age_s=None if age_ms < 0 else age_ms / 1000,
        newest_minute=None if minute < 0 else minute,
        entities=entities,
        contents={name: zlib.decompress(each) for name, each in contents.items()},
    )
