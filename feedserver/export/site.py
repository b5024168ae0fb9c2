"""Lists the units of an exported site, and makes the documents of each.

The documents of a unit change together: a listing with its page, feeds and archive documents; a group of
listings; the directory; the documents that do not depend on articles. The *signature* of a unit is a digest
of all that goes into its bytes, so a unit with an equal signature need not be made. A document has the path
at which it is served; a page at P is the file `P/index.html`, which every static server finds. Writes no
files, and does not know HTTP.

Answers that need a server are left out: deltas and health. Redirects, and 410 for retired addresses, are not
documents; `moved` lists them for nginx. The status page has the values that need neither a server nor a
clock, so that the link to it works.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from feedserver.errors import IndexMovedError
from feedserver.export.folder import SUFFIXES
from feedserver.export.moved import nginx_lines
from feedserver.export.object_form import ObjectForm
from feedserver.export.target import OWN, Made
from feedserver.feeds.cache import open_cache
from feedserver.feeds.channels import SiteFacts, make_feed, summarise
from feedserver.feeds.document import Document
from feedserver.feeds.document_cache import DocumentCache
from feedserver.feeds.document_source import series_of
from feedserver.feeds.feed_renderer import FeedLimits
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.representation import ENCODINGS, Representation, digest
from feedserver.index.archives import (
    ARCHIVE_ENTRIES,
    ArchiveDocument,
    closed_archives,
    month_of,
    next_archive,
    previous_archive,
)
from feedserver.index.catalogue import CatalogueReader
from feedserver.index.stores import open_store
from feedserver.index.values import ListingState, Selected, StoreAddress
from feedserver.model import PUBLIC_KINDS, Format, Kind, ListingKey, Value
from feedserver.render import MEDIA_TYPES, render
from feedserver.site import cache_tags, directory, icons, pages, status
from feedserver.site.addresses import DIRECTORY, GROUPS, ListTarget, page_of_archive, parse
from feedserver.site.caching import DocumentKind
from feedserver.site.pages import SiteChrome
from feedserver.site.static_files import static_file

# How long file systems let the name of a file be, in bytes (addresses are ASCII); and the ends of ours.
_LONGEST_NAME = 255
_LONGEST_END = max(len(f".{fmt.value}{suffix}") for fmt in Format for suffix in SUFFIXES.values())

# Units that the server answers from before it looks for retired addresses.
_NEVER_RETIRED = ("/", "/static")

# The lines for nginx, below the export's own notes, which no server shows.
MOVED = f"/{OWN}/moved.map"

# A file is written once, so it gets its date at once, which is up to a second ahead of the clock.
LEAD_SECONDS = 1.0

_NOT_FOUND = "There is nothing at this address."


class Scope(Value, frozen=True):
    """The parts of the site to export; `pages` includes the directory and the lists of listings."""

    formats: tuple[Format, ...] = tuple(Format)
    archives: bool = True
    pages: bool = True
    kinds: tuple[Kind, ...] = PUBLIC_KINDS


class ExportPlan(Value, frozen=True):
    """All that a process needs to know to make documents, as a value that can be sent to it.

    `redirects` hold for addresses of listings as long as these have no article. `objects` is the form of
    documents in object storage, None for a folder.
    """

    store: StoreAddress
    site: SiteFacts
    limits: FeedLimits
    redirects: dict[str, str]
    scope: Scope = Scope()
    objects: ObjectForm | None = None


class Unit(Value, frozen=True):
    """A unit: a listing, or a unit of another kind, whose `key` is None.

    `weight` is about how many entries go into it, `retraction` names the last commit by which an article
    left it.
    """

    name: str
    signature: str
    key: ListingKey | None = None
    weight: int = 1
    retraction: str = ""


class ExportSite:
    """Makes the documents of one site. For one thread; open it after a fork, never before.

    Attributes:
        plan: the site, and the parts of it to export.
    """

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        site, store = plan.site, open_store(plan.store)
        # Without a cache: each document is made once, and one that cannot be made must not be an older one.
        cache = open_cache("null://", Path(plan.store.state_dir), lambda: "", max_age=1, max_size=1)
        # A state folder that cannot be used is refused before anything is written.
        store.history().close()
        self._publisher = Publisher(
            store, site, plan.limits, cache, document_cache=DocumentCache(0, 0), lead=LEAD_SECONDS
        )
        self._catalogue = CatalogueReader(store)
        self._chrome = SiteChrome(
            title=site.title,
            description=site.description,
            language=site.language,
            base_url=site.base_url,
            icon=site.icon,
        )
        self._icon_url = icons.redirect_url(site.icon, site.base_url)
        self._icons = icons.own_addresses({*plan.redirects, *site.retired})
        self._retired = {name for one in site.retired for name in (_file(one), f"{_file(one)}/index.html")}
        # None stands for the page.
        self._archive_forms: tuple[Format | None, ...] = (
            *plan.scope.formats,
            *([None] if plan.scope.pages else []),
        )
        form = [] if plan.objects is None else [plan.objects]
        self._base = _digest([self._publisher.fingerprint, plan.scope, ENCODINGS, pages.look(), *form])
        self._shared: Mapping[str, Callable[[], Iterator[Made]]] = {
            "/": self._directory,
            "/static": self._static,
            MOVED: self._moved,
            **{f"/{name}": partial(self._group, kind) for name, kind in GROUPS.items()},
        }

    def close(self) -> None:
        """Give the connections back."""
        self._catalogue.close()
        self._publisher.close()

    def revision(self) -> str:
        """Another one whenever the site may be; told at once while nothing was committed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        return f"{self._catalogue.revision()} {self._catalogue.open_month()}"

    def units(self) -> list[Unit]:
        """The units of the site now, the largest first.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        open_month, scope = self._catalogue.open_month(), self.plan.scope
        # Pages list all listings, whichever are exported.
        states = self._catalogue.states(tuple(Kind) if scope.pages else scope.kinds)
        shown = self.plan.limits.entries
        listings = [
            Unit(
                name=state.key.address,
                signature=self._signature(state, open_month),
                key=state.key,
                weight=state.count if scope.archives else min(state.count, shown),
                retraction=series_of(state.retraction),
            )
            for state in states
            if self._is_exported(state)
        ]
        listings.sort(key=lambda unit: (-unit.weight, unit.name))
        return self._moved_unit() + self._shared_units(states) + listings

    def documents(self, unit: Unit, sources: Collection[str]) -> Iterator[Made | str]:
        """The documents of a unit.

        Args:
            unit: of `units`.
            sources: of documents that are there already; those are not made, their sources are returned.

        Raises:
            UnknownAddressError: if the listing is gone meanwhile.
            IndexMovedError: if it changed meanwhile, between two questions.
        """
        made = self._shared[unit.name]() if unit.key is None else self._listing(unit.key, sources)
        if unit.name in _NEVER_RETIRED:
            yield from made
        else:  # a document can be retired alone, beside its listing
            yield from (one for one in made if isinstance(one, str) or one.path not in self._retired)

    def signature(self, unit: Unit) -> str:
        """The current signature of a listing; empty if it is gone, and for other units."""
        state = None if unit.key is None else self._catalogue.listing(unit.key)
        return "" if state is None else self._signature(state, self._catalogue.open_month())

    # --- units ----------------------------------------------------------------------------------

    def _shared_units(self, states: list[ListingState]) -> list[Unit]:
        if not self.plan.scope.pages:
            return []
        everything = _digest([self._base, sorted(_identity(state) for state in states)])
        # A line in a list is half the work of an entry (measured). The directory has all of them.
        lines = Counter(
            {f"/{name}": sum(state.key.kind is kind for state in states) for name, kind in GROUPS.items()}
        )
        lines["/"] = lines.total()
        last = series_of(max(state.retraction for state in states)) if states else ""
        changing = [
            Unit(name=name, signature=everything, weight=1 + count // 2, retraction=last)
            for name, count in lines.items()
        ]
        return [*changing, Unit(name="/static", signature=_digest([self._base, self._icons]))]

    def _moved_unit(self) -> list[Unit]:
        redirects, retired = self.plan.redirects, self.plan.site.retired
        if self.plan.objects is not None:
            return []  # no nginx reads them there
        if not redirects and not retired and not self._icon_url:
            return []
        return [Unit(name=MOVED, signature=_digest([self._base, sorted(redirects.items())]))]

    def _is_exported(self, state: ListingState) -> bool:
        """Whether a listing has files: not where the server answers something else at its address."""
        key, site = state.key, self.plan.site
        if key.kind not in self.plan.scope.kinds or key.address in site.retired:
            return False
        is_moved = not state.count and key.address in self.plan.redirects
        return _has_place(key) and not is_moved

    def _signature(self, state: ListingState, open_month: int) -> str:
        viewed = self._publisher.viewed(state.key)
        if viewed is None:
            return _digest([self._base, _identity(state), open_month])
        # Its order may change while its articles do not, and a window moves by the clock.
        entries = [one.digest for one in self._publisher.selector.select(viewed).entries]
        return _digest([self._base, _identity(state), open_month, entries])

    # --- documents ------------------------------------------------------------------------------

    def _listing(self, key: ListingKey, sources: Collection[str]) -> Iterator[Made | str]:
        scope, publisher = self.plan.scope, self._publisher
        tags = cache_tags.of_listing(key)
        for fmt in scope.formats:
            document = Document(key, fmt)
            feed = publisher.feed_document(document)
            yield Made(_file(document.address), feed, kind=DocumentKind.FEED, tags=tags)
        if scope.pages:
            shown = publisher.feed(key)
            older = shown.older if scope.archives else None
            html = pages.listing_page(self._chrome, shown.feed, shown.summary, older)
            yield _page(key.address, html, tags)
        state = self._catalogue.listing(key) if scope.archives else None
        if state is not None:
            yield from self._archives(state, sources)

    def _archives(self, state: ListingState, sources: Collection[str]) -> Iterator[Made | str]:
        """The archive documents, each with a source that determines its bytes: its entries, its neighbours
        and the metadata of the listing."""
        members, open_month = self._catalogue.members(state), self._catalogue.open_month()
        if self._catalogue.listing(state.key) != state:  # in another build its id is that of another listing
            raise IndexMovedError(f"{state.key.address} changed while it was read")
        of_month = [month_of(member.published) for member in members]
        months = Counter(of_month)
        history = Selected(state=state, entries=(), months=dict(months), open_month=open_month)
        about = [self._base, state.title, state.taxonomy]
        begin = 0
        for month in sorted(months):
            for number in range(1, closed_archives(months, month, open_month) + 1):
                archive = ArchiveDocument(month=month, number=number)
                end = min(begin + archive.offset + ARCHIVE_ENTRIES, begin + months[month])
                digests = [member.digest for member in members[begin + archive.offset : end]]
                neighbours = [
                    previous_archive(archive, months, open_month),
                    next_archive(archive, months, open_month),
                ]
                source = _digest([state.key.address, *about, archive, neighbours, digests])
                needed = {form: f"{source}.{form or 'html'}" for form in self._archive_forms}
                yield from (one for one in needed.values() if one in sources)
                missing = {form: one for form, one in needed.items() if one not in sources}
                if missing:
                    yield from self._archive(history, archive, digests, missing)
            begin += months[month]

    def _archive(
        self,
        history: Selected,
        archive: ArchiveDocument,
        digests: list[bytes],
        missing: Mapping[Format | None, str],
    ) -> Iterator[Made]:
        """An archive document in some forms, as the publisher makes it, but with one query for all."""
        entries = self._catalogue.archive(history.state, archive)
        if [one.digest for one in entries] != [one.hex() for one in digests]:
            raise IndexMovedError(f"{history.state.key.address} changed while it was read")
        feed = make_feed(msgspec.structs.replace(history, entries=entries), self.plan.site, archive)
        tags = cache_tags.of_archives(history.state.key)
        for fmt, source in missing.items():
            if fmt is None:
                summary = summarise(history.state, self.plan.site)
                html = pages.archive_page(self._chrome, feed, summary, archive)
                page = _page(page_of_archive(summary.key, archive), html, tags)
                yield page._replace(source=source)
                continue
            document = Document(history.state.key, fmt, archive)
            body = render(feed, fmt)
            etag = digest(body)
            moment = self._publisher.last_modified(document, etag, history.state)
            archived = Representation(body, MEDIA_TYPES[fmt], etag, moment)
            yield Made(_file(document.address), archived, source, DocumentKind.ARCHIVE, tags)

    def _directory(self) -> Iterator[Made]:
        publisher, chrome = self._publisher, self._chrome
        everything, groups = directory.everything(publisher), directory.groups(publisher)
        tags = cache_tags.of_list(DIRECTORY)
        yield _page("/", pages.directory_page(chrome, everything, groups), tags)
        yield _made("/all.opml", directory.OPML_TYPE, directory.opml(publisher), tags)
        yield _made("/recommended.opml", directory.OPML_TYPE, directory.recommended_opml(publisher), tags)
        known = status.status_of_articles(publisher)
        yield _page("/status", pages.status_page(chrome, status.values(known)))
        yield _made("/status.json", "application/json", status.as_json(known, None))

    def _group(self, kind: Kind) -> Iterator[Made]:
        publisher, tags = self._publisher, cache_tags.of_list(ListTarget(kind, ""))
        for page in range(1, directory.page_count(publisher, kind) + 1):
            address = ListTarget(kind, "", page).address
            yield _page(address, pages.group_page(self._chrome, directory.group(publisher, kind, page)), tags)
            yield _made(f"{address}.opml", directory.OPML_TYPE, directory.opml(publisher, kind, page), tags)
            yield _made(f"{address}.json", "application/json", directory.as_json(publisher, kind, page), tags)

    def _moved(self) -> Iterator[Made]:
        moved_icons = dict.fromkeys(self._icons, self._icon_url) if self._icon_url else {}
        lines = nginx_lines(self.plan.redirects, self.plan.site.retired, moved_icons)
        yield _made(MOVED, "text/plain", lines.encode())

    def _static(self) -> Iterator[Made]:
        for name in pages.STATIC_DIGESTS:
            yield _static_file(f"/static/{name}", name)
        if not self._icon_url:
            yield from (_static_file(address, icons.ADDRESSES[address]) for address in self._icons)
        page = pages.error_page(self._chrome, 404, "Not found", _NOT_FOUND)
        yield _made("/404.html", "text/html", page.encode())._replace(kind=DocumentKind.NOT_FOUND)


def _static_file(address: str, name: str) -> Made:
    return Made(_file(address), static_file(name), kind=DocumentKind.STATIC)


def _has_place(key: ListingKey) -> bool:
    """Whether the server answers with a listing at its address, and its files can have their names.

    A domain has up to 253 letters, and may be the name of a file that is another one's.
    """
    target = parse(key.address)
    is_served = target is not None and target.key == key and target.document is None
    is_too_long = len(key.slug) + _LONGEST_END > _LONGEST_NAME
    return is_served and not is_too_long and not (key.kind is Kind.DOMAIN and _is_name_of_file(key.slug))


def _is_name_of_file(domain: str) -> bool:
    """Whether a domain has the name of a file that lies beside the domains: `index.html`, `herald.rss.gz`."""
    suffix = next((one for one in SUFFIXES.values() if domain.endswith(one)), "")
    document = domain.removesuffix(suffix)
    return document == "index.html" or document.endswith(tuple(f".{fmt.value}" for fmt in Format))


def _identity(state: ListingState) -> list[object]:
    """All of a listing's state that can be seen, and the same after a rebuild of the index."""
    quiet_since = None if state.count else state.since
    return [
        state.key.address,
        state.version,
        state.count,
        state.title,
        str(quiet_since),
        str(state.updated),
        msgspec.json.encode(state.taxonomy).decode(),
    ]


def _file(address: str) -> str:
    return address.removeprefix("/")


def _page(address: str, html: str, tags: tuple[str, ...] = ()) -> Made:
    return _made(f"{address.rstrip('/')}/index.html", "text/html", html.encode(), tags)


def _made(address: str, media_type: str, body: bytes, tags: tuple[str, ...] = ()) -> Made:
    return Made(_file(address), Representation(body, media_type, digest(body)), tags=tags)


def _digest(facts: list[object]) -> str:
    return hashlib.blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()
