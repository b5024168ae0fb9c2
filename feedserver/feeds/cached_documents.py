"""Documents of one kind, cached: the current representation of each, or the last good one.

A document has a *revision*, which is cheap to ask for and changes whenever the document may have changed. A
representation that is cached under the current revision is the answer, as long as the clock allows it (a
Last-Modified may have to wait for its second). Any other document is rendered again, one at a time: rendering
is bound to the CPU, and all threads that wait for a document share one result.

If reading the index or rendering fails, the last good representation is sent under its own validators. It is
not sent if an article has left the document since (promise 6). While the index itself cannot be read, nothing
can tell. Thread-safe. Knows no index, no shared cache and no HTTP: a `DocumentSource` answers its questions.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from feedserver.errors import (
    IndexNotReadyError,
    SelectionError,
    UnknownAddressError,
    UnknownSelectionError,
)
from feedserver.feeds.document_cache import DocumentCache
from feedserver.feeds.document_source import Addressed, DocumentSource, Rendered, Revision
from feedserver.feeds.failures import StaleAnswers
from feedserver.feeds.representation import Representation

Name = TypeVar("Name", bound=Addressed)


class CachedDocuments(Generic[Name]):
    """The documents of one kind.

    Args:
        cache: keeps their representations; several kinds may share one.
        stale: counts answers with the last good representation.
        source: renders them.
    """

    def __init__(self, cache: DocumentCache, stale: StaleAnswers, source: DocumentSource[Name]) -> None:
        self._cache = cache
        self._stale = stale
        self._source = source

    def cached(self, name: Name) -> Representation | None:
        """The current representation if it is cached. Never waits for a document to be rendered.

        None also where something fails: `find` meets the same failure, and reports it.
        """
        try:
            revision = self._source.revision(name)
        # Exception: damaged rows, damaged files and the SQLite driver raise errors of any class. The caller
        # asks `find` then, which reports it.
        except Exception:
            return None
        return self._cache.find(name, revision)

    def current(self, name: Name) -> Representation:
        """As `find`, with the copy for other processes made at once."""
        found = self.find(name)
        found.share()
        return found.representation

    def find(self, name: Name) -> FoundDocument[Name]:
        """The current representation; the last good one if that cannot be had.

        The caller is to call `FoundDocument.share` when the client has its answer.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError, UnknownSelectionError: if there is no such document.
            SelectionError: if finding its articles takes too long.
            Exception: any failure of index or rendering, if the document was never good.
        """
        try:
            return self._found_or_rendered(name)
        except (IndexNotReadyError, UnknownAddressError, UnknownSelectionError, SelectionError):
            raise
        # Exception: damaged rows, the SQLite driver and renderers raise errors of any class.
        except Exception as error:
            good = self._last_good(name)
            if good is None:
                raise
            self._stale.note(name.address, error)
            return FoundDocument(self, name, good)

    def share(self, name: Name, rendered: Rendered) -> None:
        """Leave a copy for other processes, unless the document has changed since it was rendered.

        An answer may take long to send, and articles that were retracted meanwhile must not be in the last
        good representation. Without a copy, other processes render the document themselves.
        """
        if not rendered.is_shared and not self._has_changed(name, rendered.revision):
            self._source.share(name, rendered)

    def _last_good(self, name: Name) -> Representation | None:
        """The last good representation, unless an article was retracted from it since (promise 6)."""
        try:
            since = self._source.retraction(name)
        # Exception: as above. Where the retraction cannot be had, nothing can tell.
        except Exception:
            since = None
        return self._cache.last(name, since) or self._source.last_good(name, since)

    def _found_or_rendered(self, name: Name) -> FoundDocument[Name]:
        cached = self._cache.find(name, self._source.revision(name))
        if cached is not None:
            return FoundDocument(self, name, cached)
        with self._cache.making:
            cached = self._cache.find(name, self._source.revision(name))
            if cached is not None:  # another thread rendered it while this one waited
                return FoundDocument(self, name, cached)
            rendered = self._source.render(name)
            if rendered.begin < rendered.end:
                self._cache.keep(
                    name,
                    rendered.revision,
                    rendered.representation,
                    begin=rendered.begin,
                    end=rendered.end,
                )
        return FoundDocument(self, name, rendered.representation, rendered)

    def _has_changed(self, name: Name, revision: Revision) -> bool:
        try:
            return self._source.revision(name) != revision
        # Exception: as above. Where the revision cannot be had, nothing newer can be rendered.
        except Exception:
            return False


class FoundDocument(NamedTuple, Generic[Name]):
    """A representation that was found for a request; `rendered` if it was rendered for this one."""

    documents: CachedDocuments[Name]
    name: Name
    representation: Representation
    rendered: Rendered | None = None

    def share(self) -> None:
        """To be called when the client has its answer: leave a copy, as `CachedDocuments.share`."""
        if self.rendered is not None:
            self.documents.share(self.name, self.rendered)
