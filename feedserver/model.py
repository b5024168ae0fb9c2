"""The vocabulary: values that the other modules pass to each other.

Nouns only. Everything here is immutable and has no behaviour beyond naming itself; nothing reads a
file, a clock, the environment or a socket. The structs are `msgspec.Struct`s, because an `Article`
is stored and digested as the JSON that msgspec writes: fields in the order of definition, defaults
left out, so that a field added later leaves the digest of every older article as it was (promise 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from feedserver.findings import FINDINGS, FindingCode, Severity


class Value(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Base of all values: immutable, keyword-only, defaults not stored."""


# --- Reports about a file ---------------------------------------------------------------------


class Finding(Value, frozen=True):
    """One thing worth telling an operator about one file; `line` and `column` are 1-based."""

    severity: Severity
    code: FindingCode
    message: str
    line: int = 1
    column: int = 1

    @classmethod
    def of(cls, code: FindingCode, message: str) -> Finding:
        """A finding about a file as a whole, with the severity of its code."""
        return cls(severity=FINDINGS[code].severity, code=code, message=message)


# --- The content of an article file -----------------------------------------------------------


class Term(Value, frozen=True):
    """A topic or category: the spelling of one article and the slug that is its identity."""

    name: str
    slug: str


class Image(Value, frozen=True):
    """A picture; `width` and `height` in pixels, absolute http(s) URL."""

    url: str
    width: int | None = None
    height: int | None = None
    title: str = ""
    credit: str = ""


class Person(Value, frozen=True):
    """An author; at least the name."""

    name: str
    url: str = ""
    email: str = ""


class Provider(Value, frozen=True):
    """The news provider that an article was republished from; `slug` is its identity."""

    name: str
    slug: str
    domain: str = ""
    images: tuple[Image, ...] = ()
    authors: tuple[Person, ...] = ()


class Video(Value, frozen=True):
    """An embedded video: the page that plays it and, where known, the player to embed."""

    url: str
    player_url: str = ""
    width: int | None = None
    height: int | None = None


class Action(Value, frozen=True):
    """A link that an article offers, such as a download; `media_type` is set for media files.

    `size` is in bytes, `duration` in seconds.
    """

    url: str
    title: str = ""
    media_type: str = ""
    size: int | None = None
    duration: int | None = None


class Related(Value, frozen=True):
    """An article shown below another one; not an entry of its own."""

    title: str
    url: str
    excerpt: str = ""
    published: datetime | None = None
    provider: str = ""
    domain: str = ""


class Article(Value, frozen=True):
    """Everything of an article that a subscriber can see. Text fields are plain text, NFC.

    `quality`, `heat` and visibility are not here: their change is no change of the article.
    `duration` is in seconds. `body_html` is sanitised and its URLs are absolute; `body_digest`
    stands for the body as written, so that another renderer re-dates nothing (see
    `articles.digests`). `derived` names the fields of text that come from the body, the name of the file or
    the settings instead of a key of their own.
    """

    id: str
    title: str
    url: str
    published: datetime
    updated: datetime | None = None
    amp_urls: tuple[str, ...] = ()
    excerpt: str = ""
    body_html: str = ""
    body_digest: str = ""
    kind: str = ""
    category: Term | None = None
    topics: tuple[Term, ...] = ()
    provider: Provider | None = None
    authors: tuple[Person, ...] = ()
    images: tuple[Image, ...] = ()
    video: Video | None = None
    duration: int | None = None
    actions: tuple[Action, ...] = ()
    related: tuple[Related, ...] = ()
    language: str = ""
    derived: tuple[str, ...] = ()


class TaxonomyKind(StrEnum):
    """The kinds of taxonomy files; the value is that of the `taxonomy` key."""

    TOPIC = "topic"
    PROVIDER = "organization"


class Taxonomy(Value, frozen=True):
    """The description of a topic or provider, from a taxonomy file."""

    kind: TaxonomyKind
    name: str
    slug: str
    domain: str = ""
    parent: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()


# --- The publication history -------------------------------------------------------------------


class HistoryOrigin(StrEnum):
    """How a publication history came to be."""

    BEGUN = "begun"
    INDEX = "lost, and made again from the index"
    LOST = "lost, and begun anew"
    COPY = "restored from a copy"


# --- The results of reading a file ------------------------------------------------------------


class Verdict(StrEnum):
    """The kind of a file, as decided by its content."""

    ARTICLE = "article"
    TAXONOMY = "taxonomy"
    HIDDEN = "hidden"
    UNDATED = "undated"
    NOT_ARTICLE = "not-article"
    BROKEN = "broken"


class Reading(Value, frozen=True):
    """The outcome of reading one file.

    `article` is set exactly when the verdict is ARTICLE, `taxonomy` exactly when it is TAXONOMY.
    `quality` and `heat` serve selection only and are never shown. `date_is_provisional` says that
    `article.published` is the file's modification time: the history replaces it by the time of first
    sight. The article is visible from its publication on, not before `visible_from` if that is later, and
    no longer at `visible_until`. `links` are the files of the same root that the file links to, each with
    the address of its article, or '' if none is published.
    """

    verdict: Verdict
    article: Article | None = None
    taxonomy: Taxonomy | None = None
    quality: int = 0
    heat: int = 0
    date_is_provisional: bool = False
    findings: tuple[Finding, ...] = ()
    visible_from: datetime | None = None
    visible_until: datetime | None = None
    links: tuple[tuple[str, str], ...] = ()


# --- Listings and the feeds made of them ------------------------------------------------------


class Kind(StrEnum):
    """The kinds of listings. A domain is a second, wider address of providers.

    Those of `HELPERS` have no page of their own: selections ask for them.
    """

    ARTICLES = "articles"
    TOPIC = "topics"
    PROVIDER = "providers"
    DOMAIN = "domains"
    CATEGORY = "categories"
    FEED = "feeds"
    TYPE = "types"
    LANGUAGE = "languages"
    AUTHOR = "authors"


# With the parameter by which an address asks for them.
HELPERS: Final[Mapping[Kind, str]] = {Kind.TYPE: "type", Kind.LANGUAGE: "language", Kind.AUTHOR: "author"}

# The kinds whose listings have a page and feeds.
PUBLIC_KINDS: Final = tuple(kind for kind in Kind if kind not in HELPERS)


class ListingKey(Value, frozen=True):
    """The identity of a listing; the slug of ARTICLES is empty, the one of DOMAIN the domain."""

    kind: Kind
    slug: str = ""

    @property
    def address(self) -> str:
        """The path of the listing's page, below the base URL: `/topics/ai`."""
        if self.kind is Kind.ARTICLES:
            return "/articles"
        if self.kind is Kind.DOMAIN:
            return f"/providers/{self.slug}"
        if self.kind in HELPERS:
            return f"/articles?{HELPERS[self.kind]}={self.slug}"
        return f"/{self.kind.value}/{self.slug}"


class Format(StrEnum):
    """A feed format; the value is the suffix of its address."""

    RSS = "rss"
    ATOM = "atom"
    JSON = "json"


def with_suffix(page: str, suffix: str) -> str:
    """The address of a document beside a page: `/topics/ai.rss`, `/articles.rss?q=robot`."""
    path, mark, query = page.partition("?")
    return f"{path}.{suffix}{mark}{query}"


class ListingSummary(Value, frozen=True):
    """A line of a directory: `updated` is the latest one of the listing's entries, if it has any."""

    key: ListingKey
    title: str
    description: str = ""
    count: int = 0
    updated: datetime | None = None


class Source(Value, frozen=True):
    """Where an entry was republished from: our own feed of its provider."""

    id: str
    title: str
    page_url: str
    icon: str = ""


class Category(Value, frozen=True):
    """A topic of an entry, as feeds show it: `scheme` is the page that lists all topics."""

    label: str
    term: str
    scheme: str


class Entry(Value, frozen=True):
    """An article as a feed shows it, with the `updated` that the publication history decided."""

    article: Article
    updated: datetime
    source: Source | None = None
    categories: tuple[Category, ...] = ()


class Branding(Value, frozen=True):
    """How aggregators are asked to show a feed; empty values leave it to them.

    URLs are absolute, `icon` and `logo` of SVG files; `accent_color` is six hexadecimal digits.
    """

    cover: str = ""
    icon: str = ""
    logo: str = ""
    accent_color: str = ""
    related_cards: bool = False


class Channel(Value, frozen=True):
    """The metadata of a feed. URLs are absolute; `ttl` is in minutes.

    The address of the subscription document in a format is that of the page with the format as suffix. An
    archive document (RFC 5005) names itself in `archive`, such as `2020-06.1`, and its neighbours in
    `previous_archive` and `next_archive`; the subscription document names the newest one as previous.
    """

    id: str
    title: str
    description: str
    page_url: str
    updated: datetime
    language: str = ""
    rights: str = ""
    icon: str = ""
    logo: str = ""
    author: str = ""
    ttl: int = 0
    generator: str = "feedserver"
    generator_version: str = ""
    generator_url: str = ""
    branding: Branding = Branding()

    archive: str = ""
    previous_archive: str = ""
    next_archive: str = ""

    def feed_url(self, fmt: Format) -> str:
        """The URL of the subscription document in a format."""
        return with_suffix(self.page_url, fmt.value)

    def archive_url(self, archive: str, fmt: Format) -> str:
        """The URL of an archive document in a format."""
        return f"{self.page_url}/{archive}.{fmt.value}"

    def self_url(self, fmt: Format) -> str:
        """The URL of this very document in a format."""
        return self.archive_url(self.archive, fmt) if self.archive else self.feed_url(fmt)


class Feed(Value, frozen=True):
    """A channel and its entries, newest first: all that a renderer needs."""

    channel: Channel
    entries: tuple[Entry, ...] = ()
