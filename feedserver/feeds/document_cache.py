"""The document cache of a process: representations in memory, each under its revision, bounded by bytes.

The least recently used documents lose their body first and keep only their encoded forms, then go entirely
(promise 8). Thread-safe. Renders nothing and knows neither the index nor the cache that processes share.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

from cachetools import LRUCache

from feedserver.bounded import is_admitted
from feedserver.feeds.document_source import Revision
from feedserver.feeds.representation import Representation

log = logging.getLogger(__name__)


class _Kept(NamedTuple):
    revision: Revision
    representation: Representation
    begin: float
    end: float


def _size(kept: _Kept) -> int:
    """The bytes of a document that is kept whole: a quarter more than its body, for its encodings."""
    return kept.representation.size * 5 // 4


class _Packed(LRUCache[Hashable, _Kept]):
    """Documents without their bodies. `has_lost` says whether one was ever evicted."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes, getsizeof=lambda kept: kept.representation.held_bytes)
        self.has_lost = False

    def popitem(self) -> tuple[Hashable, _Kept]:
        """Make room."""
        self.has_lost = True
        return super().popitem()


class _Whole(LRUCache[Hashable, _Kept]):
    """Documents with their bodies. Evicted ones go to `packed` if clients requested them in an encoding.

    `has_lost` says whether one was ever evicted that had no encoding.
    """

    def __init__(self, most_bytes: int, packed: _Packed) -> None:
        super().__init__(most_bytes, getsizeof=_size)
        self._packed = packed
        self.has_lost = False

    def popitem(self) -> tuple[Hashable, _Kept]:
        """Make room."""
        name, kept = super().popitem()
        if kept.representation.pack():
            _put(self._packed, name, kept)
        else:
            self.has_lost = True
        return name, kept


class DocumentCache:
    """The representations that a process keeps, each under its revision.

    Args:
        most_bytes: for documents with their bodies. Beyond that, the least recently used ones are packed, or
            evicted if no client requested them in an encoding.
        most_packed: bytes for packed documents. Beyond that, the least recently used ones are evicted.
        is_admitted: whether a new document evicts others from a full cache.
        clock: in seconds, as the times of `Rendered`.

    Attributes:
        making: held while a document is rendered for this cache.
    """

    def __init__(
        self,
        most_bytes: int,
        most_packed: int,
        is_admitted: Callable[[], bool] = is_admitted,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.making = threading.Lock()
        self._clock = clock
        self._is_admitted = is_admitted
        self._packed = _Packed(most_packed)
        self._whole = _Whole(most_bytes, self._packed)
        self._lock = threading.Lock()  # an LRU cache is changed by looking into it

    def find(self, name: Hashable, revision: Revision) -> Representation | None:
        """The representation under a revision, if it is cached and current by the clock."""
        kept = self._look(name)
        is_current = kept is not None and kept.revision == revision and kept.begin <= self._clock() < kept.end
        return kept.representation if kept is not None and is_current else None

    def last(self, name: Hashable, since: Revision | None = None) -> Representation | None:
        """The representation of any revision that is cached; of none before `since`, if that is given."""
        kept = self._look(name)
        if kept is None or (
            since is not None and (kept.revision[0] != since[0] or kept.revision[1] < since[1])
        ):
            return None
        return kept.representation

    def keep(
        self,
        name: Hashable,
        revision: Revision,
        representation: Representation,
        *,
        begin: float = -math.inf,
        end: float = math.inf,
    ) -> None:
        """Cache a representation in place of the earlier one, which goes even if the new one finds no room.

        A full cache admits a new document only sometimes (`bounded` says why).
        """
        with self._lock:
            was_kept = self._whole.pop(name, None) is not None or self._packed.pop(name, None) is not None
            kept = _Kept(revision, representation, begin, end)
            if was_kept or not self._would_lose_another(kept) or self._is_admitted():
                _put(self._whole, name, kept)

    def _would_lose_another(self, kept: _Kept) -> bool:
        """Whether a new document probably evicts another one, as an earlier one did."""
        has_lost = self._whole.has_lost or self._packed.has_lost
        return has_lost and self._whole.currsize + _size(kept) > self._whole.maxsize

    def _look(self, name: Hashable) -> _Kept | None:
        with self._lock:
            try:
                return self._whole[name]
            except KeyError:
                kept = self._packed.pop(name, None)
            if kept is not None:  # requested again, so it is cached with its body
                _put(self._whole, name, kept)
            return kept


def _put(cache: LRUCache[Hashable, _Kept], name: Hashable, kept: _Kept) -> None:
    try:
        cache[name] = kept
    except ValueError:  # larger than the whole cache
        log.debug("%s is too large to be cached", name)
