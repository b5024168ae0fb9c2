"""The cache in a server: Redis through cachelib, with the locks of renderings, or Memcached (`memcached`).

Nothing is pickled. A server has a fifth of a second for each answer; after that the call raises, and
`feeds.cache` makes a miss of it (promise 8). Each site has a prefix of its own, by which operators find and
delete its keys. This module does not know what the values are.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from cachelib import RedisCache
from cachelib.base import BaseCache
from cachelib.serializers import RedisSerializer

from feedserver.errors import SettingsError
from feedserver.feeds import memcached

SCHEMES: Final = ("redis", "rediss", *memcached.SCHEMES)

TIMEOUT: Final = 0.2  # seconds for a server to answer
_SITE_LENGTH: Final = 150  # characters; Memcached's keys have 250 at most, and 40 of them are a digest

# Each is one command for the server, so nothing happens between its steps. The first takes the lock, unless
# the value is there already; the second gives it back, if it is still ours.
_CLAIM: Final = """
if redis.call('GETRANGE', KEYS[1], ARGV[1], ARGV[2]) == ARGV[3] then return 2 end
if redis.call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[5]) then return 1 end
return 0
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class ServerAccess(NamedTuple):
    """The prefix and the password with which a site uses a cache server.

    Attributes:
        site: the public URL of the site, for the prefix.
        password: if the URL has none.
        password_file: has that password in its first line.
    """

    site: str = ""
    password: str = ""
    password_file: str = ""

    @property
    def prefix(self) -> str:
        """Of all keys of the site: `feedserver:feeds.example.org:`, for Memcached and patterns of Redis."""
        site = re.sub(r"[^a-z0-9.:/~_-]", "_", self.site.partition("://")[2].lower())
        return f"feedserver:{site[:_SITE_LENGTH]}:"


class Sought(NamedTuple):
    """A value that a claim looks for: its key, and the bytes at a place in it by which it is known."""

    key: str
    at: int
    mark: bytes


class Claim(Enum):
    """The answer to a claim of a lock: it is ours, another process has it, or the value is there already."""

    TAKEN = 0
    OURS = 1
    VALUE = 2


class _RawSerializer(RedisSerializer):
    """Bytes as they are: cachelib's own serializers unpickle, which runs any code that a writer put there."""

    def dumps(self, value: Any, *_: object) -> Any:
        return value

    def loads(self, value: Any) -> Any:
        return value


class LockingCache(RedisCache):
    """cachelib's cache in Redis for bytes as they are, with locks that expire.

    Args:
        client: of the package redis.
        max_age: seconds after which a value is removed.
        prefix: of all keys.
    """

    serializer = _RawSerializer()

    def __init__(self, client: Any, max_age: int, prefix: str) -> None:
        super().__init__(client, default_timeout=max_age, key_prefix=prefix)
        self._client = client
        self._prefix = prefix

    def claim(self, lock: str, token: str, seconds: float, sought: Sought) -> Claim:
        """Take a lock, unless another process has it, or the value is there.

        Args:
            lock: its key.
            token: of this claim alone.
            seconds: after which the lock is free again.
            sought: the value.
        """
        keys = (self._prefix + sought.key, self._prefix + lock)
        mark = (sought.at, sought.at + len(sought.mark) - 1, sought.mark)
        return Claim(self._client.eval(_CLAIM, 2, *keys, *mark, token, int(seconds * 1000)))

    def release(self, lock: str, token: str) -> None:
        """Free a lock, if this claim still has it."""
        self._client.eval(_RELEASE, 1, self._prefix + lock, token)


def server_opener(url: str, access: ServerAccess, max_age: int) -> Callable[[], BaseCache]:
    """Opens the cache in a server. Nothing is connected or read before that.

    Args:
        url: `redis://…`, `rediss://…`, `memcached://host:port` or `memcacheds://host:port`.
        access: for this site.
        max_age: seconds after which a value is removed.

    Raises:
        SettingsError: a package is missing, the URL has a parameter that is not known, or a user or password
            of Memcached is missing.
    """
    scheme = url.partition("://")[0]
    if scheme in memcached.SCHEMES:
        package = _package("pymemcache.client.base", scheme, "memcached")
        memcached.check_url(url, has_password=bool(access.password or access.password_file))
        password = partial(_password, access)
        return partial(
            memcached.open_memcached, package, url, password, max_age=max_age, prefix=access.prefix
        )
    redis = _package("redis", scheme, "redis")
    _check_parameters(redis, url)
    return partial(_redis, redis, url, access, max_age)


def _redis(redis: ModuleType, url: str, access: ServerAccess, max_age: int) -> BaseCache:
    password = _password(access)
    client = _client(redis, url, **({"password": password} if password else {}))
    return LockingCache(client, max_age, access.prefix)


def _client(redis: ModuleType, url: str, **more: str) -> Any:
    options: dict[str, Any] = dict(more)
    if url.startswith("rediss:"):
        options["ssl_check_hostname"] = True  # not the default before release 6
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        # Since release 6 the client retries three times, seconds in all, unless told otherwise.
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        # Since release 8 it asks for protocol 3 first, which Redis 5 and proxies refuse.
        protocol=2,
        **options,
    )


def _check_parameters(redis: ModuleType, url: str) -> None:
    """Refuse what would otherwise fail at each connection."""
    try:
        pool = _client(redis, url).connection_pool
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, redis.RedisError) as error:
        raise SettingsError([f"cache.url: a parameter is none of redis-py's: {error}"]) from error


def _password(access: ServerAccess) -> str:
    if not access.password_file:
        return access.password
    first, *_ = Path(access.password_file).read_text(encoding="utf-8").splitlines() or [""]
    return first


def _package(name: str, scheme: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"cache.url: {scheme}:// needs a package that is not installed: feedserver[{extra}]"
        raise SettingsError([msg]) from error
