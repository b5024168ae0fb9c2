"""The lock by which one of several processes renders a version of a document, and the others take its copy.

Without it, ten machines that are asked for the same document at one moment render it ten times. It only saves
work: if the cache has no locks or fails, or the wait was too long, the process renders without it
(promise 8). It waits for renderers alone, never for the indexer (promise 7). This module does not render, and
knows no HTTP.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from feedserver.feeds.cache import FeedCache
from feedserver.feeds.cache_servers import Claim

# Seconds after which the lock of a process that was killed is free. A document takes up to 25 ms to render,
# and one at the limit of a megabyte 300 (measured). One that takes longer is rendered by two processes.
LIFETIME: Final = 0.5
# Seconds that a process waits at most: until the lock of a process that was killed is free, and the next
# holder has rendered too.
WAIT: Final = 0.75
_ASK: Final = 0.005  # seconds between two questions, which cost the server some 20 µs each


class Turn(NamedTuple):
    """The turn of a process to render.

    Attributes:
        is_awaited: whether the others wait for its copy.
        is_late: whether the document may have been rendered, or changed, since the claim began.
    """

    is_awaited: bool
    is_late: bool


class RenderLock:
    """The locks of the documents of a site, in the cache that its processes share.

    Args:
        cache: has the copies and the locks.
        lifetime: seconds after which a lock is free in any case.
        wait: seconds that a process waits at most.
        clock: seconds.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        cache: FeedCache,
        *,
        lifetime: float = LIFETIME,
        wait: float = WAIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cache = cache
        self._lifetime = lifetime
        self._wait = wait
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def turn(self, name: str, version: str) -> Iterator[Turn]:
        """Wait until no other process renders a version of a document, or until there is a copy of it.

        Args:
            name: of the document in the cache.
            version: of the document.
        """
        token = secrets.token_hex(16)
        claim, is_late = self._claim(name, version, token)
        try:
            yield Turn(claim is Claim.OURS, is_late or claim is Claim.VALUE)
        finally:
            if claim is Claim.OURS:
                self._cache.release(name, version, token)

    def _claim(self, name: str, version: str, token: str) -> tuple[Claim | None, bool]:
        """The last answer to the claims, and whether this process waited."""
        end = self._clock() + self._wait
        is_late = False
        while True:
            claim = self._cache.claim(name, version, token, self._lifetime)
            if claim is not Claim.TAKEN or self._clock() >= end:
                return claim, is_late
            self._sleep(_ASK)
            is_late = True
