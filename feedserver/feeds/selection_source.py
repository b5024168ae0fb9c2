"""The feed documents of ad hoc selections as a `DocumentSource`.

Nothing about a selection is kept where others are: no copy in the cache that processes share, and only a
bounded number of dates in the publication history, because clients can ask for any number of selections. The
same articles give the same bytes in every process, so a client gets 304 from each, also after a restart.
Thread-safe. Knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from feedserver.articles.selections.matching import listings_named
from feedserver.articles.selections.parameters import SelectionRequest
from feedserver.articles.selections.values import Sort
from feedserver.errors import UnknownSelectionError
from feedserver.feeds.document_source import Rendered, Revision
from feedserver.feeds.feed_renderer import FeedRenderer
from feedserver.feeds.folding import fold
from feedserver.feeds.last_modified import LastModifiedDates
from feedserver.feeds.representation import Representation, digest
from feedserver.feeds.selection_feed import make_selection_feed, selection_address, with_saved_view
from feedserver.feeds.windows import Window, window_at
from feedserver.index.values import SelectedEntry, SelectionState
from feedserver.model import Feed, Format, Kind, ListingKey, ListingSummary, with_suffix
from feedserver.render import MEDIA_TYPES

# The time limit of a query; other requests of the thread wait for it.
MOST_SECONDS: Final = 2.0

# Stories are folded among so many articles, the first ones in the order of the selection.
FOLDED: Final = 500

# Of selections with more articles it is not counted how many each topic would leave: 2,000 take 15 ms.
MOST_COUNTED: Final = 2_000
COUNTED_KINDS: Final = (Kind.TOPIC, Kind.PROVIDER, Kind.CATEGORY)

# The publication history keeps the dates of so many addresses of selections, the last ones.
MOST_DATED: Final = 5_000

# Commits are numbered by the clock, in microseconds.
_SEQUENCES_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class SelectionDocument:
    """A feed document of a selection; equal if the addresses are."""

    address: str = field(init=False)
    request: SelectionRequest = field(compare=False)
    fmt: Format = field(compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", with_suffix(selection_address(self.request), self.fmt.value))


class Selecting(NamedTuple):
    """A selection in one state: its entries, and the window that they were taken from."""

    state: SelectionState
    entries: list[SelectedEntry]
    window: Window


class Facets(NamedTuple):
    """How many articles a selection has, and each topic, provider and category would leave of it.

    `articles` is None, and nothing counted, if there are more than `MOST_COUNTED`: counting them takes too
    long.
    """

    articles: int | None
    listings: tuple[tuple[ListingSummary, int], ...]


class Selector:
    """Finds the articles of selections, and makes feeds of them. Thread-safe.

    Args:
        renderer: has the index, the limits of feeds and the facts of the site.
        clock: seconds since the epoch.
    """

    def __init__(self, renderer: FeedRenderer, clock: Callable[[], float]) -> None:
        self._renderer = renderer
        self._clock = clock

    def state(self, request: SelectionRequest, address: str = "") -> SelectionState:
        """The state of a selection now; with the address of a document of it, it is remembered.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownSelectionError: if it asks for listings that never existed.
        """
        reader = self._renderer.reader
        criteria = with_saved_view(request, self._renderer.site)
        state = reader.selection_state(request.base, criteria, address)
        if state is None:
            named = listings_named(request.criteria.condition)
            missing = [key.slug for key in (request.base, *named) if reader.listing(key) is None]
            raise UnknownSelectionError(missing)
        return state

    def select(self, request: SelectionRequest) -> Selecting:
        """The entries of a selection now, as many as it shows.

        Raises:
            SelectionError: if finding them takes too long.
            IndexNotReadyError, UnknownSelectionError: as `state`.
        """
        # Before the query, so that a commit in between is noticed by the next request.
        state, criteria = self.state(request), with_saved_view(request, self._renderer.site)
        window = window_at(criteria.since, self._clock())
        limit = criteria.limit or self._renderer.limits.entries
        found = self._renderer.reader.find(
            request.base,
            criteria,
            published=window.first,
            limit=max(FOLDED, limit) if criteria.fold else limit,
            most_seconds=MOST_SECONDS,
        )
        entries = fold(found) if criteria.fold else [one.entry for one in found]
        return Selecting(state, entries[:limit], window)

    def window(self, request: SelectionRequest) -> Window:
        """The window from which a selection takes articles now."""
        return window_at(with_saved_view(request, self._renderer.site).since, self._clock())

    def facets(self, request: SelectionRequest) -> Facets:
        """The topics and providers of the articles of a selection. Raises as `select`."""
        criteria, reader = with_saved_view(request, self._renderer.site), self._renderer.reader
        counts = reader.count_listings(
            request.base,
            replace(criteria, sort=Sort.PUBLISHED),
            published=self.window(request).first,
            limit=MOST_COUNTED,
            most_seconds=MOST_SECONDS,
        )
        if counts is None:
            return Facets(None, ())
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0].slug))
        listings = [
            (state.summary, count)
            for key, count in ordered
            if key.kind in COUNTED_KINDS and (state := reader.listing(key)) is not None
        ]
        whole = ListingKey(kind=Kind.ARTICLES)
        return Facets(counts.get(whole, 0), tuple(listings))

    def feed(self, request: SelectionRequest, selecting: Selecting, entries: int) -> Feed:
        """The feed with the first so many entries."""
        return make_selection_feed(request, selecting.state, selecting.entries[:entries], self._renderer.site)

    def write(self, request: SelectionRequest, selecting: Selecting, fmt: Format) -> bytes:
        """The bytes of a feed document, with as many entries as fit."""

        def written(entries: int) -> bytes:
            return self._renderer.write(self.feed(request, selecting, entries), fmt)

        entries = len(selecting.entries)
        least = min(entries, self._renderer.limits.min_entries)
        return self._renderer.fit_entries(entries, least, written).body


class SelectionSource:
    """The feed documents of selections, for `CachedDocuments`.

    Args:
        renderer: has the index.
        selector: finds the articles.
        dates: their Last-Modified.
    """

    def __init__(self, renderer: FeedRenderer, selector: Selector, dates: LastModifiedDates) -> None:
        self._renderer = renderer
        self._selector = selector
        self._dates = dates

    def revision(self, name: SelectionDocument) -> Revision:
        """As `DocumentSource.revision`."""
        return self._selector.state(name.request, name.address).revision

    def retraction(self, name: SelectionDocument) -> Revision:
        """As `DocumentSource.retraction`."""
        return self._selector.state(name.request).retraction

    def render(self, name: SelectionDocument) -> Rendered:
        """As `DocumentSource.render`, with the Last-Modified of the bytes."""
        return self.made(name.request, name.address, name.fmt, MOST_DATED)

    def made(self, request: SelectionRequest, address: str, fmt: Format, keep: int | None = None) -> Rendered:
        """A feed document at an address; `keep` as `LastModifiedDates.last_modified` has it."""
        selecting = self._selector.select(request)
        state, window = selecting.state, selecting.window
        body = self._selector.write(request, selecting, fmt)
        etag = digest(body)
        # A window that moved may have changed the document, as a commit may.
        moved = 0 if window.begin < 0 else int(window.begin * _SEQUENCES_PER_SECOND)
        dated = self._dates.last_modified(
            address, etag, max(state.changed, moved), self._renderer.reader.switched, keep
        )
        return Rendered(
            Representation(body, MEDIA_TYPES[fmt], etag, dated.moment),
            state.revision,
            state.retraction,
            max(dated.begin, window.begin),
            min(dated.end, window.end),
            is_shared=True,
        )

    def share(self, name: SelectionDocument, rendered: Rendered) -> None:
        """Nothing: see above."""

    def last_good(self, name: SelectionDocument, since: Revision | None) -> Representation | None:
        """None: no copy is kept."""
