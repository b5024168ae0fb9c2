"""What an exported site consists of: units, and the documents of each.

A unit is what changes as one: a listing with its page, feeds and archive documents; a group of listings;
the directory; what does not depend on articles. Its *signature* stands for all that goes into its bytes,
so that an equal one says that nothing needs to be made. A document is at the path that it is served at; a
page at P is the file `P/index.html`, which every static server finds. Writes no file, and knows no HTTP.

What only a server can say is not here: deltas, health; redirects and 410 for what was retired are not here as
documents, but `moved` tells nginx of them. The status is what it is without a server and a clock, so that the
pages' link to it leads somewhere.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from feedserver import __version__
from feedserver.archives import PART_ENTRIES, Part, closed_parts, month_of, next_part, previous_part
from feedserver.cache import open_cache
from feedserver.channels import SiteFacts, make_feed
from feedserver.errors import IndexMovedError
from feedserver.export.folder import OWN
from feedserver.export.moved import nginx_lines
from feedserver.index.catalogue import CatalogueReader
from feedserver.index.memory import Memory
from feedserver.index.reader import FacetState, Selected
from feedserver.model import Format, Kind, ListingKey, Value
from feedserver.publisher import Document, FeedLimits, Publisher
from feedserver.ready import Shelf
from feedserver.render import MEDIA_TYPES, render
from feedserver.representation import CODINGS, Representation, digest
from feedserver.web import directory, pages, status
from feedserver.web.addresses import GROUPS, parse
from feedserver.web.pages import SiteChrome

SUFFIXES: Mapping[str, str] = {"br": ".br", "gzip": ".gz"}

# How long file systems let the name of a file be, in bytes (addresses are ASCII); and the ends of ours.
_LONGEST_NAME = 255
_LONGEST_END = max(len(f".{fmt.value}{suffix}") for fmt in Format for suffix in SUFFIXES.values())

# Units that the server answers from before it looks what was retired.
_NEVER_RETIRED = ("/", "/static")

# The lines for nginx, below the export's own notes, which no server shows.
MOVED = f"/{OWN}/moved.map"

_NOT_FOUND = "There is nothing at this address."

# Facts of the status that are not about a running server, and change with the articles only.
_FACTS_OF_A_SITE = ("articles", "newest change", "listings")


class Scope(Value, frozen=True):
    """What of the site is exported; `pages` are also the directory and the lists of listings."""

    formats: tuple[Format, ...] = tuple(Format)
    archives: bool = True
    pages: bool = True
    kinds: tuple[Kind, ...] = tuple(Kind)


class ExportPlan(Value, frozen=True):
    """All that a process needs to know to make documents, as a value that can be sent to it.

    `redirects` hold for addresses of listings as long as these have no article.
    """

    state_dir: str
    site: SiteFacts
    limits: FeedLimits
    redirects: dict[str, str]
    scope: Scope = Scope()


class Unit(Value, frozen=True):
    """One unit: a listing, or what `key` is None for. `weight` is about how many entries go into it."""

    name: str
    signature: str
    key: ListingKey | None = None
    weight: int = 1


class Made(NamedTuple):
    """A document and its path in the folder. `source` is empty, or stands for all that is in its bytes."""

    path: str
    representation: Representation
    source: str = ""


class ExportSite:
    """Makes the documents of one site. For one thread; open it after a fork, never before.

    Attributes:
        plan: which site, and what of it.
    """

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        site, state_dir = plan.site, Path(plan.state_dir)
        # Keeps nothing: each document is made once. What cannot be made shall not be what it was before.
        cache = open_cache("null://", state_dir, 1)
        self._publisher = Publisher(state_dir, site, plan.limits, cache, shelf=Shelf(0, 0))
        self._catalogue = CatalogueReader(state_dir)
        self._memory = Memory(state_dir)
        self._chrome = SiteChrome(
            title=site.title, description=site.description, language=site.language, base_url=site.base_url
        )
        self._retired = {name for one in site.retired for name in (_file(one), f"{_file(one)}/index.html")}
        self._base = _digest([self._publisher.fingerprint, plan.scope, CODINGS, pages.look()])
        self._shared: Mapping[str, Callable[[], Iterator[Made]]] = {
            "/": self._directory,
            "/static": self._static,
            MOVED: self._moved,
            **{f"/{name}": partial(self._group, kind) for name, kind in GROUPS.items()},
        }

    def close(self) -> None:
        """Give the connections back."""
        self._memory.close()
        self._catalogue.close()
        self._publisher.close()

    def revision(self) -> str:
        """Another one whenever the site may be; told at once while nothing was committed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        return f"{self._catalogue.revision()} {self._catalogue.open_month()}"

    def units(self) -> list[Unit]:
        """What the site consists of now, the largest first.

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
        """The signature that a listing has now; empty if it is gone, and for what is no listing."""
        state = None if unit.key is None else self._catalogue.facet(unit.key)
        return "" if state is None else self._signature(state, self._catalogue.open_month())

    # --- units ----------------------------------------------------------------------------------

    def _shared_units(self, states: list[FacetState]) -> list[Unit]:
        if not self.plan.scope.pages:
            return []
        everything = _digest([self._base, sorted(_identity(state) for state in states)])
        # A line in a list is half the work of an entry (measured). The directory has all of them.
        lines = Counter(
            {f"/{name}": sum(state.key.kind is kind for state in states) for name, kind in GROUPS.items()}
        )
        lines["/"] = lines.total()
        changing = [
            Unit(name=name, signature=everything, weight=1 + count // 2) for name, count in lines.items()
        ]
        return [*changing, Unit(name="/static", signature=self._base)]

    def _moved_unit(self) -> list[Unit]:
        redirects, retired = self.plan.redirects, self.plan.site.retired
        if not redirects and not retired:
            return []
        return [Unit(name=MOVED, signature=_digest([self._base, sorted(redirects.items())]))]

    def _is_exported(self, state: FacetState) -> bool:
        """Whether a listing has files: not where the server answers something else at its address."""
        key, site = state.key, self.plan.site
        if key.kind not in self.plan.scope.kinds or key.address in site.retired:
            return False
        is_moved = not state.count and key.address in self.plan.redirects
        return _has_place(key) and not is_moved

    def _signature(self, state: FacetState, open_month: int) -> str:
        return _digest([self._base, _identity(state), open_month])

    # --- documents ------------------------------------------------------------------------------

    def _listing(self, key: ListingKey, sources: Collection[str]) -> Iterator[Made | str]:
        scope, publisher = self.plan.scope, self._publisher
        for fmt in scope.formats:
            document = Document(key, fmt)
            yield Made(_file(document.address), publisher.feed_document(document))
        if scope.pages:
            yield _page(key.address, pages.listing_page(self._chrome, *publisher.feed(key)))
        state = self._catalogue.facet(key) if scope.archives else None
        if state is not None:
            yield from self._archives(state, sources)

    def _archives(self, state: FacetState, sources: Collection[str]) -> Iterator[Made | str]:
        """The archive documents, each under a source: what is in its bytes follows from its entries, its
        neighbours and what the listing says of itself."""
        members, open_month = self._catalogue.members(state), self._catalogue.open_month()
        if self._catalogue.facet(state.key) != state:  # in another build its id is that of another listing
            raise IndexMovedError(f"{state.key.address} changed while it was read")
        of_month = [month_of(member.published) for member in members]
        months = Counter(of_month)
        history = Selected(state=state, entries=(), months=dict(months), open_month=open_month)
        about = [self._base, state.title, state.taxonomy]
        begin = 0
        for month in sorted(months):
            for number in range(1, closed_parts(months, month, open_month) + 1):
                part = Part(month=month, number=number)
                end = min(begin + part.offset + PART_ENTRIES, begin + months[month])
                digests = [member.digest for member in members[begin + part.offset : end]]
                neighbours = [previous_part(part, months, open_month), next_part(part, months, open_month)]
                source = _digest([state.key.address, *about, part, neighbours, digests])
                needed = {fmt: f"{source}.{fmt.value}" for fmt in self.plan.scope.formats}
                yield from (one for one in needed.values() if one in sources)
                missing = {fmt: one for fmt, one in needed.items() if one not in sources}
                if missing:
                    yield from self._part(history, part, digests, missing)
            begin += months[month]

    def _part(
        self, history: Selected, part: Part, digests: list[bytes], missing: Mapping[Format, str]
    ) -> Iterator[Made]:
        """An archive document in some formats: what the publisher would make, but selected once."""
        entries = self._catalogue.part(history.state, part)
        if [one.digest for one in entries] != [one.hex() for one in digests]:
            raise IndexMovedError(f"{history.state.key.address} changed while it was read")
        feed = make_feed(msgspec.structs.replace(history, entries=entries), self.plan.site, part)
        for fmt, source in missing.items():
            document = Document(history.state.key, fmt, part)
            body = render(feed, fmt)
            etag, now = digest(body), datetime.now(UTC)
            moment = self._memory.last_modified(document.address, etag, history.state.changed, now)
            yield Made(_file(document.address), Representation(body, MEDIA_TYPES[fmt], etag, moment), source)

    def _directory(self) -> Iterator[Made]:
        publisher, chrome = self._publisher, self._chrome
        everything, groups = directory.everything(publisher), directory.groups(publisher)
        yield _page("/", pages.directory_page(chrome, everything, groups))
        yield _made("/all.opml", directory.OPML_TYPE, directory.opml(publisher))
        known = status.index_facts(publisher)
        facts = {"version": __version__, **{name: known[name] for name in _FACTS_OF_A_SITE}}
        yield _page("/status", pages.status_page(chrome, facts))
        yield _made("/status.json", "application/json", status.as_json(facts, None))

    def _group(self, kind: Kind) -> Iterator[Made]:
        publisher, address = self._publisher, f"/{kind.value}"
        yield _page(address, pages.group_page(self._chrome, directory.group(publisher, kind)))
        yield _made(f"{address}.opml", directory.OPML_TYPE, directory.opml(publisher, kind))
        yield _made(f"{address}.json", "application/json", directory.as_json(publisher, kind))

    def _moved(self) -> Iterator[Made]:
        lines = nginx_lines(self.plan.redirects, self.plan.site.retired)
        yield _made(MOVED, "text/plain", lines.encode())

    def _static(self) -> Iterator[Made]:
        for name in pages.STATIC_DIGESTS:
            yield _made(f"/static/{name}", "", (pages.STATIC_DIR / name).read_bytes())
        page = pages.error_page(self._chrome, 404, "Not found", _NOT_FOUND)
        yield _made("/404.html", "text/html", page.encode())


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


def _identity(state: FacetState) -> list[object]:
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


def _page(address: str, html: str) -> Made:
    return _made(f"{address.rstrip('/')}/index.html", "text/html", html.encode())


def _made(address: str, media_type: str, body: bytes) -> Made:
    return Made(_file(address), Representation(body, media_type, digest(body)))


def _digest(facts: list[object]) -> str:
    return hashlib.blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()
