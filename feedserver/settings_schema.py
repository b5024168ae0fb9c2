"""The keys of the settings: names, types, defaults and checks.

Frozen pydantic models, one per section; a check says in one phrase what its key must be. Where
values come from, and how problems are worded and collected, is the business of `settings`. Nothing
here reads a file or the environment, but for the system's time zones. It serves promise 4: it
refuses what would let two folders write the same ids. Units are in the comments; `docs/settings.md`
explains each key to operators, and `config/feedserver.yaml` shows them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

# The fields of an article that settings may give further front matter keys. What hides an article
# (`published: false`, `draft`, `removed`, `deleted`) is not among them: it is fixed (promise 6).
FIELD_NAMES: Final = (
    "id",
    "title",
    "published",
    "updated",
    "url",
    "amp_urls",
    "excerpt",
    "body",
    "featured",
    "category",
    "kind",
    "topics",
    "provider",
    "authors",
    "images",
    "length",
    "actions",
    "related",
    "quality",
    "heat",
    "language",
)
URL_PLACEHOLDERS: Final = ("year", "month", "day", "slug", "path")

_YEARS_10: Final = 315_360_000  # seconds; the time stamps of cached files end in 2106
_MAX_AGE: Final = 2**31 - 1  # seconds; RFC 9111 section 1.2.2
_HOST: Final = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?"
_BASE_URL = re.compile(rf"(https?://{_HOST})((?:/[a-z0-9._~!$&'()*+,;=:@%/-]*)?)", re.IGNORECASE)
_LINK = re.compile(rf"https?://{_HOST}(?:[/?#][!-~]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[a-z0-9._-]+@)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")  # RFC 4151 section 2.1
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # the shape of RFC 5646 section 2.1
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ADDRESS = re.compile(r"/(?!/)[^\s?#]*")  # "//host" would lead to another site
_CACHE_URL = re.compile(
    r"|memory://|null://|file:///[^?#]+|memcached://[a-z0-9.-]+:[0-9]{1,5}"
    r"|rediss?://(?:[^/\s]*@)?(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:/[0-9]*)?(?:\?\S*)?"
)


def _matching(pattern: re.Pattern[str], demand: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(demand)
        return value

    return AfterValidator(check)


def _base_url(value: str | None) -> str | None:
    """Scheme and host in lower case, no slash at the end; an empty value is none at all."""
    if not value:
        return None
    match = _BASE_URL.fullmatch(value)
    if not match:
        msg = "must be an http:// or https:// URL in ASCII, without user, query and fragment"
        raise ValueError(msg)
    return match[1].lower() + match[2].rstrip("/")


def _link(value: str) -> str:
    if value and not _LINK.fullmatch(value):
        msg = "must be an http:// or https:// URL in ASCII"
        raise ValueError(msg)
    return value


def _url_pattern(value: str) -> str:
    if not value:
        return value
    used = set(re.findall(r"\{([^{}]*)\}", value))
    filled = re.sub(r"\{[^{}]*\}", "x", value)
    if not used <= set(URL_PLACEHOLDERS) or "{" in filled or "}" in filled:
        allowed = ", ".join(f"{{{name}}}" for name in URL_PLACEHOLDERS)
        msg = f"may hold the placeholders {allowed} and no other braces"
        raise ValueError(msg)
    if not used & {"slug", "path"}:
        msg = "needs {slug} or {path}, or all articles would have one URL"
        raise ValueError(msg)
    _link(filled)
    return value


def _authority(value: str | None) -> str | None:
    if value and not _AUTHORITY.fullmatch(value):
        msg = "must be a host name or e-mail address in lower case"
        raise ValueError(msg)
    return value or None


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError) as error:  # a folder, a path, an unknown name
        msg = "must be the IANA name of a time zone, such as Europe/Paris"
        raise ValueError(msg) from error
    return value


def _folder(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value):
        msg = "should be the path of a folder"
        raise ValueError(msg)
    if str(value).startswith("~"):
        msg = "must be written out: ~ is not replaced by a home folder"
        raise ValueError(msg)
    return value


def _id_prefix(value: str) -> str:
    if value and not all(part.strip(".") for part in value.split("/")):
        msg = "must be a relative path such as news/local, without empty parts and dots alone"
        raise ValueError(msg)
    return value


def _not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    # Not Field(min_length=1): that counts elements with a problem as absent, and reports them twice.
    if not value:
        msg = "must not be empty"
        raise ValueError(msg)
    return value


def _field_name(value: str) -> str:
    if value not in FIELD_NAMES:
        msg = f"is no field of an article; fields are {', '.join(FIELD_NAMES)}"
        raise ValueError(msg)
    return value


Text = Annotated[str, Field(min_length=1)]
Link = Annotated[str, AfterValidator(_link)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Address = Annotated[str, _matching(_ADDRESS, 'must be an address of this site, such as "/topics/ai"')]
FieldName = Annotated[str, AfterValidator(_field_name)]
SelectionName = Annotated[str, _matching(_SLUG, "must be made of a-z, 0-9 and single hyphens")]
Extension = Annotated[str, _matching(re.compile(r"\.[a-z0-9]+"), "must look like .md, in lower case")]
NamePattern = Annotated[str, _matching(re.compile(r"[^/]+"), "must be a pattern of one name, without /")]
Positive = Annotated[StrictInt, Field(ge=1)]
Seconds = Annotated[StrictInt, Field(ge=0, le=_MAX_AGE)]


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys, defaults checked like any other value."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Site(Section):
    """What the site is called, where it is reached, and what its ids are made of."""

    title: Text = "Feeds"
    description: str = ""
    base_url: Annotated[str | None, AfterValidator(_base_url)] = None
    language: Annotated[str, _matching(_LANGUAGE, "must be a language tag such as en or pt-BR")] = "en"
    rights: str = ""
    icon: Link = ""
    logo: Link = ""
    author: str = ""
    id_authority: Annotated[str | None, AfterValidator(_authority)] = None
    id_year: Annotated[StrictInt, Field(ge=1990, le=9999)] = 2025
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"


class Root(Section):
    """A folder of articles. A plain string is short for `{path: …}`."""

    path: Folder
    id_prefix: Annotated[str, AfterValidator(_id_prefix)] = ""
    base_url: Link = ""
    url: Annotated[str, AfterValidator(_url_pattern)] = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | Path) else value


class Scan(Section):
    """Which files are article files, and how changes are noticed."""

    extensions: Annotated[tuple[Extension, ...], AfterValidator(_not_empty)] = (
        ".md",
        ".markdown",
        ".html",
        ".yaml",
        ".yml",
        ".json",
    )
    skip: tuple[NamePattern, ...] = (
        ".*",
        "*~",
        "*.swp",
        ".#*",
        "README*",
        "_site",
        "_layouts",
        "_includes",
        "_drafts",
        "node_modules",
    )
    max_file_size: Positive = 1_048_576  # bytes
    rescan_interval: Positive = 60  # seconds
    drop_missing_after: Seconds = 86_400
    watch: StrictBool = True


class Dates(Section):
    """Where the date of an article comes from when its front matter has none."""

    fallback: Literal["none", "mtime"] = "none"
    from_file_name: StrictBool = False


class Selection(Section):
    """A feed of one's own: an article matches all of the kinds given, and any value inside a kind."""

    title: Text
    description: str = ""
    topics: tuple[Text, ...] = ()
    providers: tuple[Text, ...] = ()
    categories: tuple[Text, ...] = ()
    min_quality: StrictInt | None = None
    min_heat: StrictInt | None = None


class Feeds(Section):
    """How much a feed holds, and the feeds defined here."""

    limit: Positive = 50  # entries
    min_entries: Positive = 10
    max_bytes: Positive = 1_000_000
    selections: Mapping[SelectionName, Selection] = {}

    @field_validator("min_entries")
    @classmethod
    def _fits_the_limit(cls, value: int, info: ValidationInfo) -> int:
        limit = info.data.get("limit", value)  # absent when it has a problem of its own
        if value > limit:
            msg = f"must not be more than feeds.limit, which is {limit}"
            raise ValueError(msg)
        return value


class Branding(Section):
    """How aggregators are asked to show the feeds."""

    cover: Link = ""
    icon: Link = ""
    logo: Link = ""
    accent_color: Annotated[
        str,
        _matching(re.compile("|#?[0-9a-fA-F]{6}"), "must be six hexadecimal digits"),
        AfterValidator(lambda color: color.removeprefix("#").lower()),
    ] = ""
    related_cards: StrictBool = False


class Http(Section):
    """How long clients and proxies may keep what they got."""

    max_age: Seconds = 300
    stale_while_revalidate: Seconds = 86_400
    stale_if_error: Seconds = 604_800
    page_max_age: Seconds = 60
    deltas: StrictBool = False


class Cache(Section):
    """Where rendered feeds are kept; an empty URL means files in the state folder."""

    url: Annotated[
        str,
        _matching(
            _CACHE_URL,
            "must be empty, memory://, null://, file:///folder, redis://host, rediss://host or memcached://host:port",
        ),
    ] = ""
    # Never 0, which cachelib takes for "keep for ever".
    max_age: Annotated[StrictInt, Field(ge=1, le=_YEARS_10)] = 2_592_000  # seconds


class State(Section):
    """The folder of index and memory."""

    dir: Folder = Path(".feedserver")
    adopt: StrictBool = False


class Server(Section):
    """The server process."""

    host: Text = "127.0.0.1"
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = 8000
    workers: Positive = 2
    threads: Positive = 4


class Status(Section):
    """Access to the status page."""

    token: str = ""


class Settings(Section):
    """The effective settings of one process."""

    site: Site = Site()
    articles: Annotated[tuple[Root, ...], AfterValidator(_not_empty)] = (Root(path=Path("articles")),)
    fields: Mapping[FieldName, tuple[Text, ...]] = {}
    scan: Scan = Scan()
    dates: Dates = Dates()
    feeds: Feeds = Feeds()
    branding: Branding = Branding()
    http: Http = Http()
    cache: Cache = Cache()
    state: State = State()
    server: Server = Server()
    redirects: Mapping[Address, Address] = {}
    retired: tuple[Address, ...] = ()
    status: Status = Status()

    @property
    def public_url(self) -> str:
        """The URL that all addresses of the site begin with, without a slash at its end."""
        return self.site.base_url or f"http://127.0.0.1:{self.server.port}"

    @property
    def id_authority(self) -> str:
        """The authority in the `tag:` ids (RFC 4151): the one set, else the host of `public_url`."""
        host = self.public_url.partition("://")[2].partition("/")[0].partition(":")[0]
        return self.site.id_authority or host

    @field_validator("articles")
    @classmethod
    def _ids_do_not_meet(cls, roots: tuple[Root, ...]) -> tuple[Root, ...]:
        prefixes = [root.id_prefix for root in roots]
        if len(set(prefixes)) < len(prefixes):
            again = next(prefix for prefix in prefixes if prefixes.count(prefix) > 1)
            msg = f'with several folders each needs an id_prefix of its own; "{again}" is used twice'
            raise ValueError(msg)
        return roots

    @field_validator("redirects")
    @classmethod
    def _redirects_end(cls, redirects: Mapping[str, str]) -> Mapping[str, str]:
        for start in redirects:
            seen, address = {start}, redirects[start]
            while address in redirects and address not in seen:
                seen.add(address)
                address = redirects[address]
            if address in seen:
                msg = f"{start} leads round in a circle"
                raise ValueError(msg)
        return redirects

    @field_validator("retired")
    @classmethod
    def _retired_leads_nowhere(cls, retired: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        both = sorted(set(retired) & set(info.data.get("redirects", {})))
        if both:
            msg = f"{', '.join(both)} cannot be retired and redirected"
            raise ValueError(msg)
        return retired


SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
# What the elements of a key look like, where they have keys themselves.
ELEMENTS: Final[Mapping[str, type[BaseModel]]] = {"articles": Root, "feeds.selections": Selection}


def _keys() -> Iterator[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            yield from (
                (f"{name}.{key}", inner.annotation) for key, inner in SECTIONS[name].model_fields.items()
            )
        else:
            yield name, field.annotation


# Every key that has a value of its own, dotted, with its type: `site.title`, `articles`, `feeds.selections`.
KEYS: Final[Mapping[str, Any]] = dict(_keys())
