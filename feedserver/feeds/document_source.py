"""The Protocol that each kind of cached document implements: feeds, pages and lists.

`CachedDocuments` asks a source for the revision of a document, and has it rendered where the revision moved.
Values and signatures only.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import NamedTuple, Protocol, TypeVar

from feedserver.feeds.representation import Representation

# The build of an index, and the last commit to it that may have changed a document.
Revision = tuple[str, int]


class Addressed(Hashable, Protocol):
    """The name of a document; equal names mean the same document."""

    @property
    def address(self) -> str:
        """Its path below the base URL, for the log and the status."""


class Rendered(NamedTuple):
    """A representation as a source renders it.

    Attributes:
        representation: the document.
        revision: under which it is current.
        retraction: the revision by which an article last left it.
        begin: when it starts to be current by the clock, in seconds since the epoch.
        end: when it ends to be current by the clock.
        version: of the copy in the cache that processes share.
        is_shared: whether that copy exists already, under this retraction.
    """

    representation: Representation
    revision: Revision
    retraction: Revision
    begin: float = -math.inf
    end: float = math.inf
    version: str = ""
    is_shared: bool = False


Name_contra = TypeVar("Name_contra", bound=Addressed, contravariant=True)


class DocumentSource(Protocol[Name_contra]):
    """Renders the documents of one kind."""

    def revision(self, name: Name_contra) -> Revision:
        """The revision of a document now; cheap.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if there is no such document.
        """

    def retraction(self, name: Name_contra) -> Revision:
        """The revision by which an article last left a document. Raises as `revision`."""

    def render(self, name: Name_contra) -> Rendered:
        """The current representation. Called for one document of a cache at a time. Raises as `revision`."""

    def share(self, name: Name_contra, rendered: Rendered) -> None:
        """Leave a copy in the cache that processes share."""

    def last_good(self, name: Name_contra, since: Revision | None) -> Representation | None:
        """The copy that was last left in that cache, by any process.

        Args:
            name: of the document.
            since: only a copy under this retraction; None for any copy.
        """


def series_of(retraction: Revision) -> str:
    """Names, in the shared cache, the copies from which no article has been retracted since a revision."""
    return f"{retraction[0]} {retraction[1]}"
