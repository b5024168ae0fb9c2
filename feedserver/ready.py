"""Representations at hand: the current one of each document, or the last good one where that cannot be had.

A document has a *mark*, which is cheap to ask for and another one whenever the document may be. What is
kept under the present mark is the answer; anything else is made anew, one at a time, because that is bound to
the CPU and one is enough for all who wait for it. The last good bytes are sent, under their own validators,
where asking or making fails: the news of a document may be lost, the document may not. What is kept is
bounded by bytes; what has become cold is kept in the codings alone that clients asked for. Thread-safe. Knows
no index, no cache and no HTTP: it is handed what to ask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from cachetools import LRUCache

from feedserver.errors import IndexNotReadyError, UnknownAddressError
from feedserver.representation import Representation

log = logging.getLogger(__name__)

# The build of an index, and what was its last commit that may have changed the document.
Mark = tuple[str, int]


class Addressed(Hashable, Protocol):
    """What names a document; equal ones name the same."""

    @property
    def address(self) -> str:
        """Its path below the base URL, for the log and the status."""


class Made(NamedTuple):
    """A representation, the mark that it is current by, and whether it is kept for the next who asks.

    `afterwards` may be done when the client has it, while it is current: others get the bytes by that, say.
    If it is never done, they make their own.
    """

    representation: Representation
    mark: Mark
    is_kept: bool = True
    afterwards: tuple[Callable[[], None], ...] = ()


# Takes what may be done when the client has its answer.
Later = Callable[[Callable[[], None]], object]


def at_once(task: Callable[[], None]) -> None:
    """Do not wait, for want of a client."""
    task()


class StaleAnswers:
    """How often this process had to answer with old bytes, and why it did so last."""

    def __init__(self) -> None:
        self.count = 0
        self.last_reason = ""

    def note(self, address: str, error: Exception) -> None:
        """Count one; tell the log of each reason once in a row, because every request meets it again."""
        self.count += 1
        reason = f"{address}: {type(error).__name__}: {error}"
        if reason != self.last_reason:
            log.error("%s failed, its last good state is served", address, exc_info=error)
        self.last_reason = reason


_Kept = tuple[Mark, Representation]


class _Whole(LRUCache[Hashable, _Kept]):
    """Documents with their bodies; what goes is handed on, packed, if clients asked for it in a coding."""

    def __init__(self, most_bytes: int, hand_on: Callable[[Hashable, _Kept], None]) -> None:
        # A quarter more than the body, for the codings that are kept with it.
        super().__init__(most_bytes, getsizeof=lambda kept: kept[1].size * 5 // 4)
        self._hand_on = hand_on

    def popitem(self) -> tuple[Hashable, _Kept]:
        """Make room."""
        name, kept = super().popitem()
        if kept[1].pack():
            self._hand_on(name, kept)
        return name, kept


class Shelf:
    """The representations that a process keeps, each under its mark.

    Args:
        most_bytes: for documents with their bodies; beyond that the coldest are packed, and those that nobody
            asked for in a coding go.
        most_packed: bytes for the packed ones; beyond that the coldest go.

    Attributes:
        making: held while one is made for this shelf.
    """

    def __init__(self, most_bytes: int, most_packed: int) -> None:
        self.making = threading.Lock()
        self._packed: LRUCache[Hashable, _Kept] = LRUCache(most_packed, lambda kept: kept[1].held_bytes)
        self._whole = _Whole(most_bytes, partial(_put, self._packed))
        self._lock = threading.Lock()  # an LRU cache is changed by looking into it

    def find(self, name: Hashable, mark: Mark) -> Representation | None:
        """What is kept under a mark."""
        kept = self._look(name)
        return kept[1] if kept is not None and kept[0] == mark else None

    def last(self, name: Hashable) -> Representation | None:
        """What is kept, under whatever mark."""
        kept = self._look(name)
        return None if kept is None else kept[1]

    def keep(self, name: Hashable, mark: Mark, representation: Representation) -> None:
        """Keep a representation in place of the one before, which goes even if the new one finds no room."""
        with self._lock:
            self._whole.pop(name, None)
            self._packed.pop(name, None)
            _put(self._whole, name, (mark, representation))

    def _look(self, name: Hashable) -> _Kept | None:
        with self._lock:
            try:
                return self._whole[name]
            except KeyError:
                kept = self._packed.pop(name, None)
            if kept is not None:  # in demand again, so that its body may be held once more
                _put(self._whole, name, kept)
            return kept


def _put(cache: LRUCache[Hashable, _Kept], name: Hashable, kept: _Kept) -> None:
    try:
        cache[name] = kept
    except ValueError:  # larger than all that is kept
        log.debug("%s is too large to be kept ready", name)


_Name = TypeVar("_Name", bound=Addressed)


class ReadyDocuments(Generic[_Name]):
    """The documents of one kind.

    Args:
        shelf: to keep them on; several kinds may share one.
        stale: to note answers with old bytes.
        mark: a document's mark now. Raises UnknownAddressError where there is no such document,
            IndexNotReadyError before the first index is complete.
        make: the current representation. Runs under the shelf's lock.
        last_good: what was published last by whoever shares the cache, if that can be had.
    """

    def __init__(
        self,
        shelf: Shelf,
        stale: StaleAnswers,
        mark: Callable[[_Name], Mark],
        make: Callable[[_Name], Made],
        last_good: Callable[[_Name], Representation | None],
    ) -> None:
        self._shelf = shelf
        self._stale = stale
        self._mark = mark
        self._make = make
        self._last_good = last_good

    def ready(self, name: _Name) -> Representation | None:
        """The current representation if it is at hand. Waits for none to be made.

        None also where something fails: `current` tells what.
        """
        try:
            mark = self._mark(name)
        # Nothing is lost: who gets None asks `current`, which meets the same failure, answers with the last
        # good bytes and tells the log. As there, a damaged row, a damaged file and the driver raise what
        # they like.
        except Exception:
            return None
        return self._shelf.find(name, mark)

    def current(self, name: _Name, later: Later = at_once) -> Representation:
        """The current representation; the last good one where that cannot be had.

        Args:
            name: of the document.
            later: takes what may be done afterwards.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if there is no such document.
            Exception: whatever failed, if the document was never good.
        """
        try:
            return self._found_or_made(name, later)
        except (IndexNotReadyError, UnknownAddressError):
            raise
        # Exception: a damaged row, the driver and a renderer raise what they like.
        except Exception as error:
            good = self._shelf.last(name) or self._last_good(name)
            if good is None:
                raise
            self._stale.note(name.address, error)
            return good

    def _found_or_made(self, name: _Name, later: Later) -> Representation:
        found = self._shelf.find(name, self._mark(name))
        if found is not None:
            return found
        with self._shelf.making:
            found = self._shelf.find(name, self._mark(name))
            if found is not None:  # somebody made it while this thread waited
                return found
            made = self._make(name)
            if made.is_kept:
                self._shelf.keep(name, made.mark, made.representation)
        later(partial(self._finish, name, made))
        return made.representation

    def _finish(self, name: _Name, made: Made) -> None:
        """Do what was to be done afterwards, unless the document has changed since.

        An answer may take long to send, and what was retracted meanwhile must not be the last good state.
        """
        if not self._has_moved_on(name, made.mark):
            for task in made.afterwards:
                task()

    def _has_moved_on(self, name: _Name, mark: Mark) -> bool:
        try:
            return self._mark(name) != mark
        # Nothing is lost: where the mark cannot be had, nothing newer can be made.
        except Exception:
            return False
