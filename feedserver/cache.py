"""Rendered feeds, kept in a cachelib backend behind a door that fails open.

Keeps promise 8: whatever a backend does (raise, time out, lose, truncate or swap bytes), `get` answers
with the bytes that were set or with None, and `set` returns. A failure is logged once per kind and
counted, and a backend that failed slowly is left alone for a while, so that a dead host costs one
request in ten seconds its timeout. Nothing is pickled: values are bytes, and their digest stands
before them. This module does not decide what is cached or when it is stale: keys name contents
(hexadecimal digests of everything that went into the bytes), and ages serve only to throw away.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import re
import struct
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from cachelib import FileSystemCache, MemcachedCache, NullCache, RedisCache, SimpleCache
from cachelib.base import BaseCache
from cachelib.serializers import RedisSerializer, SimpleSerializer

from feedserver.errors import SettingsError

_Answer = TypeVar("_Answer")

_DIGEST_SIZE: Final = 16
_PREFIX: Final = "feedserver:"  # of keys, where others may use the same server
_TIMEOUT: Final = 0.2  # seconds for a server to answer; a render takes less than that
_SLOW: Final = 0.1  # seconds; a failure that took longer was a timeout
_PAUSE: Final = 10.0  # seconds in which a backend that failed slowly is left alone
_ABANDONED: Final = 3600  # seconds after which a temporary file belongs to nobody
_EXPIRY: Final = struct.Struct("I")  # what cachelib puts before a value in a file
_VALUE_NAME = re.compile(r"[0-9a-f]{64}")
_TEMPORARY_NAME = re.compile(r"tmp.+\.__wz_cache")

_log = logging.getLogger(__name__)


class FeedCache:
    """Bytes by key; an error is a miss.

    The only state is that of the door: the backend, opened at the first use and so after the fork of
    a worker, and what is known of its failures. Any thread may use and change it: a race costs a
    miscount or a second connection and nothing else.

    Attributes:
        failures: how many calls of this process the backend failed, for the status page.
    """

    def __init__(
        self, open_backend: Callable[[], BaseCache], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.failures = 0
        self._clock = clock
        self._open_backend = open_backend
        self._backend: BaseCache | None = None
        self._reported: set[tuple[type[Exception], int | None]] = set()
        self._paused_until = 0.0

    def get(self, key: str) -> bytes | None:
        """The bytes that were set under a key; None if there are none, or they are not what was set."""
        return _unseal(self._attempt(lambda backend: backend.get(key)))

    def set(self, key: str, value: bytes) -> None:
        """Keep bytes under a key, if the backend can."""
        self._attempt(lambda backend: backend.set(key, _seal(value)))

    def sweep(self, now: float) -> int:
        """Remove what is older than the cache's maximum age, where the backend does not do that itself.

        Args:
            now: seconds since the epoch.

        Returns:
            The number of files removed; always 0 for backends other than files.
        """
        return (
            self._attempt(lambda backend: backend.sweep(now) if isinstance(backend, FolderCache) else 0) or 0
        )

    def _attempt(self, action: Callable[[BaseCache], _Answer]) -> _Answer | None:
        start = self._clock()
        if start < self._paused_until:
            return None
        try:
            if self._backend is None:
                self._backend = self._open_backend()
            return action(self._backend)
        # Exception: each client library has a family of its own, and OSError besides (promise 8).
        except Exception as error:
            if self._clock() - start > _SLOW:
                self._paused_until = self._clock() + _PAUSE
            self._report(error)
            return None

    def _report(self, error: Exception) -> None:
        self.failures += 1
        kind = (type(error), getattr(error, "errno", None))
        if kind not in self._reported:
            self._reported.add(kind)
            _log.warning(
                "the cache failed, feeds are rendered without it: %s: %s", type(error).__name__, error
            )


def open_cache(url: str, folder: Path, max_age: int) -> FeedCache:
    """The cache that a URL names. Nothing is connected or created before its first use.

    Args:
        url: empty for files in `folder`, `file:///path`, `memory://`, `null://`, `redis://…`,
            `rediss://…` or `memcached://host:port`.
        folder: the folder used if the URL is empty; it belongs to the cache alone.
        max_age: seconds after which a value may be thrown away, at least 1.

    Raises:
        SettingsError: the URL names no backend, or one whose package is not installed.
    """
    scheme, _, _ = url.partition("://")
    if not url:
        return FeedCache(partial(FolderCache, folder, max_age))
    if scheme == "file":
        return FeedCache(partial(FolderCache, Path(unquote(urlsplit(url).path)), max_age))
    if scheme == "memory":
        return FeedCache(partial(_MemoryCache, default_timeout=max_age))
    if scheme == "null":
        return FeedCache(NullCache)
    if scheme in {"redis", "rediss"}:
        return FeedCache(partial(_redis, _package("redis", scheme, "redis"), url, max_age))
    if scheme == "memcached":
        client = _package("pymemcache.client.base", scheme, "memcached")
        return FeedCache(partial(_memcached, client, url, max_age))
    raise SettingsError([f"cache.url: {scheme}:// is no cache that feedserver knows"])


def _seal(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_SIZE).digest() + value


def _unseal(sealed: object) -> bytes | None:
    """The value without its digest; None if the digest is not the value's, or this is no sealed value."""
    if not isinstance(sealed, bytes):
        return None
    value = sealed[_DIGEST_SIZE:]
    return value if sealed == _seal(value) else None


# --- Backends -------------------------------------------------------------------------------------


class _RawSerializer(SimpleSerializer, RedisSerializer):
    """Bytes as they are: cachelib's own serializers unpickle, which runs whatever a writer put there.

    It derives from two of them only because cachelib declares the serializer of a backend by its class.
    """

    def dumps(self, value: Any, *_: object) -> Any:
        return value

    def loads(self, value: Any) -> Any:
        return value


class _MemoryCache(SimpleCache):
    serializer = _RawSerializer()


class _RedisCache(RedisCache):
    serializer = _RawSerializer()


class FolderCache(FileSystemCache):
    """Files in a folder of their own: cachelib's, with its names and layout, but failing in another way.

    cachelib retries a PermissionError for up to 16 s, logs a traceback per call through the root
    logger, leaves the temporary file of a failed `set`, and with `threshold=0` removes nothing, while
    any other threshold rests on a count that processes write without a lock (cachelib issue 19).
    """

    def __init__(self, folder: Path, max_age: int) -> None:
        super().__init__(str(folder), threshold=0, default_timeout=max_age, hash_method=hashlib.sha256)
        self._max_age = max_age

    def get(self, key: str) -> bytes | None:
        """The value; None if there is none, or it expired, or was cut off. Raises OSError."""
        try:
            content = Path(self._get_filename(key)).read_bytes()
        except FileNotFoundError:
            return None
        # A machine that crashed leaves empty files: nothing here is worth an fsync.
        if len(content) < _EXPIRY.size or _EXPIRY.unpack_from(content)[0] < time.time():
            return None
        return content[_EXPIRY.size :]

    def set(
        self, key: str, value: bytes, timeout: int | timedelta | None = None, mgmt_element: bool = False
    ) -> bool:
        """Write aside and rename, so that no reader sees half a value. Raises OSError."""
        Path(self._path).mkdir(parents=True, exist_ok=True)  # someone may have removed it to empty it
        handle, temporary = tempfile.mkstemp(suffix=self._fs_transaction_suffix, dir=self._path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_EXPIRY.pack(self._normalize_timeout(timeout)) + value)
            Path(temporary).replace(self._get_filename(key))
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        return True

    def sweep(self, now: float) -> int:
        """Remove values older than the maximum age and abandoned temporary files. Raises OSError.

        Only files that bear a name of the cache are touched: a URL may name a wrong folder.
        """
        removed = 0
        for path in Path(self._path).iterdir():
            if _VALUE_NAME.fullmatch(path.name):
                allowed = self._max_age
            elif _TEMPORARY_NAME.fullmatch(path.name):
                allowed = _ABANDONED
            else:
                continue
            with suppress(FileNotFoundError):  # another process was faster
                if now - path.stat().st_mtime > allowed:
                    path.unlink()
                    removed += 1
        return removed


def _redis(redis: ModuleType, url: str, max_age: int) -> BaseCache:
    client = redis.Redis.from_url(
        url,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        # Since release 6 the client retries three times, seconds in all, unless told otherwise.
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        # Since release 8 it asks for protocol 3 first, which Redis 5 and proxies refuse.
        protocol=2,
    )
    return _RedisCache(client, default_timeout=max_age, key_prefix=_PREFIX)


def _memcached(pymemcache: ModuleType, url: str, max_age: int) -> BaseCache:
    parts = urlsplit(url)
    # Pooled, because threads share it; waiting for replies, because an unread error garbles the next one.
    client = pymemcache.PooledClient(
        (parts.hostname, parts.port),
        connect_timeout=_TIMEOUT,
        timeout=_TIMEOUT,
        no_delay=True,
        default_noreply=False,
    )
    return MemcachedCache(client, default_timeout=max_age, key_prefix=_PREFIX)


def _package(name: str, scheme: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"cache.url: {scheme}:// needs a package that is not installed: feedserver[{extra}]"
        raise SettingsError([msg]) from error
