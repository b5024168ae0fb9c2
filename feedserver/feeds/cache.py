"""The cache of rendered documents that processes share: a cachelib backend, which may fail.

Keeps promise 8: if a backend raises, times out, or loses, truncates or swaps bytes, `get` returns bytes that
were set under this name or None, and `set` returns. A failure is logged once per kind and counted. A backend
that failed slowly is not asked for a while, so that a dead host costs one request in ten seconds its timeout.
Other programs may write to it. Nothing is pickled: values are bytes behind a seal that only processes with
the secret can make. There is one value for each name, so a new version replaces the one before in every
backend. This module does not decide what is cached or what a version is.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from cachelib import NullCache
from cachelib.base import BaseCache
from cachetools import TTLCache

from feedserver.errors import SettingsError
from feedserver.feeds.cache_folder import FolderCache
from feedserver.feeds.cache_servers import SCHEMES, Claim, LockingCache, ServerAccess, Sought, server_opener

_Answer = TypeVar("_Answer")

_SEAL: Final = 16  # bytes; before the stamps and the value
_STAMP: Final = 16  # bytes; one of the version, one of the series
_HEAD: Final = _SEAL + 2 * _STAMP
_OVERHEAD: Final = 500  # bytes that a value in memory takes beside its own
_SLOW: Final = 0.1  # seconds; a failure that took longer was a timeout
_PAUSE: Final = 10.0  # seconds in which a backend that failed slowly is left alone

_log = logging.getLogger(__name__)


class Copy(NamedTuple):
    """The bytes of a name, and whether they are of the series that was asked for."""

    value: bytes
    is_of_series: bool


class FeedCache:
    """Bytes by name, each of one version. An error is a miss.

    Its state is the backend and the secret, which are opened at the first use and so after the fork of a
    worker, and the recent failures. Any thread may use and change it: a race costs a miscount or a second
    connection and nothing else.

    Args:
        open_backend: opens the backend.
        secret: of all processes that share the values. Only a process that has it can make a value.
        clock: seconds, for failures.

    Attributes:
        failures: the number of failed calls of this process, for the status page.
    """

    def __init__(
        self,
        open_backend: Callable[[], BaseCache],
        secret: Callable[[], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures = 0
        self._clock = clock
        self._open_backend = open_backend
        self._secret = secret
        self._opened: _Sealed | None = None
        self._reported: set[tuple[type[Exception], int | None]] = set()
        self._paused_until = 0.0

    def get(self, name: str, version: str = "") -> bytes | None:
        """The bytes that were last set under a name. None if they have another version, or were changed."""
        copy = self.find(name, version)
        return None if copy is None else copy.value

    def find(self, name: str, version: str, series: str = "") -> Copy | None:
        """As `get`, and whether the bytes are of a series."""
        return self._attempt(lambda backend: backend.get(name, version, series))

    def latest(self, name: str, series: str | None = None) -> bytes | None:
        """The bytes that were last set under a name, of any version; of one series, if that is given."""
        copy = self._attempt(lambda backend: backend.get(name, None, series or ""))
        return None if copy is None or not (series is None or copy.is_of_series) else copy.value

    def set(self, name: str, value: bytes, version: str = "", series: str = "") -> bool:
        """Set the bytes of a name in place of those before, if the backend can.

        Args:
            name: of the bytes.
            value: the bytes.
            version: by which `get` finds them.
            series: groups versions. The backend may drop the older versions of a series; `latest` returns the
                newest.

        Returns:
            Whether the backend did not fail. It may have no room for the bytes all the same.
        """
        return self._attempt(lambda backend: backend.set(name, value, version, series)) or False

    def claim(self, name: str, version: str, token: str, seconds: float) -> Claim | None:
        """Take the lock of one version of a name, which processes that share the cache take one at a time.

        Args:
            name: of the bytes.
            version: of the bytes.
            token: of this claim alone; it frees the lock.
            seconds: after which the lock is free in any case.

        Returns:
            The answer; None if the backend has no locks, or failed.
        """
        return self._attempt(lambda backend: backend.claim(name, version, token, seconds))

    def release(self, name: str, version: str, token: str) -> None:
        """Free the lock of one version of a name, if the claim with this token still has it."""
        self._attempt(lambda backend: backend.release(name, version, token))

    def sweep(self, now: float) -> int:
        """Remove old and excess bytes, if the backend does not do that itself.

        Args:
            now: seconds since the epoch.

        Returns:
            The number of files removed; always 0 for backends other than files.
        """
        return self._attempt(lambda backend: backend.sweep(now)) or 0

    def _attempt(self, action: Callable[[_Sealed], _Answer]) -> _Answer | None:
        start = self._clock()
        if start < self._paused_until:
            return None
        try:
            if self._opened is None:
                self._opened = _Sealed(self._open_backend(), self._secret())
            return action(self._opened)
        # Exception: each client library has a family of its own, and OSError as well (promise 8).
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


class _Sealed:
    """A backend in which only holders of a secret find and make values.

    A key is made from the secret, so sites that share a server do not read each other's values. A seal covers
    the key, so a value cannot be moved to another name. It has no time: a program that can write to the
    backend can put back an earlier value of the same name, which is served only as the last good version.
    """

    def __init__(self, backend: BaseCache, secret: str) -> None:
        self._backend = backend
        self._secret = hashlib.blake2b(
            secret.encode("utf-8", "surrogateescape"), digest_size=32, person=b"feedserver"
        ).digest()

    def get(self, name: str, version: str | None, series: str) -> Copy | None:
        """The value of a name, of one version or, if that is None, of any."""
        key = self._key(name)
        sealed = self._backend.get(key)
        if not isinstance(sealed, bytes):
            return None
        seal, stamps, value = sealed[:_SEAL], sealed[_SEAL:_HEAD], sealed[_HEAD:]
        # The version first, so that the bytes of a document that changed are not digested.
        if version is not None and stamps[:_STAMP] != _stamp(version):
            return None
        if not hmac.compare_digest(seal, self._seal(key, stamps, value)):
            return None
        return Copy(value, stamps[_STAMP:] == _stamp(series))

    def set(self, name: str, value: bytes, version: str, series: str) -> bool:
        """Set the value of a name."""
        key, stamps = self._key(name), _stamp(version) + _stamp(series)
        self._backend.set(key, self._seal(key, stamps, value) + stamps + value)
        return True

    def claim(self, name: str, version: str, token: str, seconds: float) -> Claim | None:
        """As `FeedCache.claim`."""
        if not isinstance(self._backend, LockingCache):
            return None
        sought = Sought(self._key(name), _SEAL, _stamp(version))
        return self._backend.claim(self._lock(name, version), token, seconds, sought)

    def release(self, name: str, version: str, token: str) -> None:
        """As `FeedCache.release`."""
        if isinstance(self._backend, LockingCache):
            self._backend.release(self._lock(name, version), token)

    def sweep(self, now: float) -> int:
        """As `FeedCache.sweep`."""
        return self._backend.sweep(now) if isinstance(self._backend, FolderCache) else 0

    def _key(self, name: str) -> str:
        return hashlib.blake2b(name.encode(), digest_size=20, key=self._secret, person=b"key").hexdigest()

    def _lock(self, name: str, version: str) -> str:
        return "lock:" + self._key(f"{name} {version}")

    def _seal(self, key: str, stamps: bytes, value: bytes) -> bytes:
        # Keyed BLAKE2b is a MAC by itself (RFC 7693, section 2.9), at the speed of the plain digest.
        seal = hashlib.blake2b(key.encode() + stamps, digest_size=_SEAL, key=self._secret, person=b"seal")
        seal.update(value)
        return seal.digest()


def _stamp(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_STAMP).digest()


def open_cache(  # noqa: PLR0913  the parts that it is made of
    url: str,
    folder: Path,
    secret: Callable[[], str],
    *,
    max_age: int,
    max_size: int,
    access: ServerAccess | None = None,
) -> FeedCache:
    """The cache at a URL. Nothing is connected or created before its first use.

    Args:
        url: empty for files in `folder`, `file:///path`, `memory://`, `null://`, `redis://…`,
            `rediss://…`, `memcached://host:port` or `memcacheds://host:port`.
        folder: the folder used if the URL is empty; it belongs to the cache alone.
        secret: as for `FeedCache`.
        max_age: seconds after which a value may be removed, at least 1.
        max_size: bytes that files, or values in memory, may take together. Servers have limits of their own.
        access: to a server; None where its URL is enough.

    Raises:
        SettingsError: the URL names no backend, or one whose package is not installed.
    """
    if url.partition("://")[0] in SCHEMES:
        return FeedCache(server_opener(url, access or ServerAccess(), max_age), secret)
    return FeedCache(_opener(url, folder, max_age, max_size), secret)


def _opener(url: str, folder: Path, max_age: int, max_size: int) -> Callable[[], BaseCache]:
    scheme, _, _ = url.partition("://")
    if not url:
        return partial(FolderCache, folder, max_age, max_size)
    if scheme == "file":
        return partial(FolderCache, Path(unquote(urlsplit(url).path)), max_age, max_size)
    if scheme == "memory":
        return partial(_MemoryCache, max_age, max_size)
    if scheme == "null":
        return NullCache
    raise SettingsError([f"cache.url: {scheme}:// is no cache that feedserver knows"])


class _MemoryCache(BaseCache):
    """Values in this process; cachelib's own counts 500 of them, however large they are."""

    def __init__(self, max_age: int, max_size: int) -> None:
        super().__init__(default_timeout=max_age)
        self._lock = threading.Lock()
        self._values: TTLCache[str, bytes] = TTLCache(
            max_size, max_age, getsizeof=lambda value: len(value) + _OVERHEAD
        )

    def get(self, key: str) -> bytes | None:
        """The value; None if there is none."""
        with self._lock:
            return self._values.get(key)

    def set(self, key: str, value: bytes, timeout: int | timedelta | None = None) -> bool:
        """Set a value, and evict the least recently used ones to make room."""
        with self._lock, suppress(ValueError):  # larger than the whole cache
            self._values.pop(key, None)
            self._values[key] = value
        return True
