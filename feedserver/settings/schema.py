"""The keys of the settings: names, types, defaults and checks.

Frozen pydantic models, one per section; the message of a check says in one phrase what the value must be.
`settings.sources` reads the values, and words and collects the problems. Reads neither files nor the
environment, except for the time zones of the system. Serves promise 4: it refuses settings with which two
folders would write the same ids. Units are in the comments; `docs/reference/settings.md` explains each key to
operators, and `config/feedserver.yaml` shows them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from feedserver.settings.folders import RootSettings
from feedserver.settings.kinds import (
    CACHE_SECRET,
    CACHE_URL,
    DATABASE_URL,
    LANGUAGE,
    LANGUAGE_DEMAND,
    SCHEMA,
    SCHEMA_DEMAND,
    YEARS_10,
    Address,
    Extension,
    FieldName,
    Folder,
    Link,
    NamePattern,
    Positive,
    Seconds,
    Section,
    SelectionName,
    Text,
    checked_authority,
    checked_base_url,
    checked_time_zone,
    matching,
    not_empty,
)
from feedserver.settings.selections import SelectionSettings


class SiteSettings(Section):
    """The name and address of the site, and the parts of its ids."""

    title: Text = "Feeds"
    description: str = ""
    base_url: Annotated[str | None, AfterValidator(checked_base_url)] = None
    language: Annotated[str, matching(LANGUAGE, LANGUAGE_DEMAND)] = "en"
    rights: str = ""
    icon: Link = ""
    logo: Link = ""
    author: str = ""
    id_authority: Annotated[str | None, AfterValidator(checked_authority)] = None
    id_year: Annotated[StrictInt, Field(ge=1990, le=9999)] = 2025
    time_zone: Annotated[str, AfterValidator(checked_time_zone)] = "UTC"


class ScanSettings(Section):
    """Which files are article files, and how changes are noticed."""

    extensions: Annotated[tuple[Extension, ...], AfterValidator(not_empty)] = (
        ".md",
        ".markdown",
        ".mdx",
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
    max_topics: Positive = 100
    rescan_interval: Positive = 60  # seconds
    drop_missing_after: Seconds = 86_400
    watch: StrictBool = True


class DatesSettings(Section):
    """Where the date of an article comes from when its front matter has none."""

    fallback: Literal["none", "mtime"] = "none"
    from_file_name: StrictBool = False


class FeedsSettings(Section):
    """How much a feed holds, and the feeds defined here."""

    limit: Positive = 50  # entries
    min_entries: Positive = 10
    max_bytes: Positive = 1_000_000
    ad_hoc: StrictBool = True
    search: StrictBool = True
    selections: Mapping[SelectionName, SelectionSettings] = {}

    @field_validator("min_entries")
    @classmethod
    def _fits_the_limit(cls, value: int, info: ValidationInfo) -> int:
        limit = info.data.get("limit", value)  # absent when it has a problem of its own
        if value > limit:
            msg = f"must not be more than feeds.limit, which is {limit}"
            raise ValueError(msg)
        return value


class BrandingSettings(Section):
    """How aggregators are asked to show the feeds."""

    cover: Link = ""
    icon: Link = ""
    logo: Link = ""
    accent_color: Annotated[
        str,
        matching(re.compile("|#?[0-9a-fA-F]{6}"), "must be six hexadecimal digits"),
        AfterValidator(lambda color: color.removeprefix("#").lower()),
    ] = ""
    related_cards: StrictBool = False


class HttpSettings(Section):
    """How long clients and proxies may keep responses, and the names by which a CDN forgets them."""

    max_age: Seconds = 300
    stale_while_revalidate: Seconds = 86_400
    stale_if_error: Seconds = 604_800
    page_max_age: Seconds = 60
    deltas: StrictBool = False
    cache_tags: Annotated[
        Literal["off", "surrogate-key", "cache-tag"],
        BeforeValidator(lambda value: "off" if value is False else value),  # as YAML 1.1 reads `off`
    ] = "off"


_CACHE_SERVERS: Final = ("redis:", "rediss:", "memcached:", "memcacheds:")


class CacheSettings(Section):
    """Where rendered feeds are kept; an empty URL means files in the state folder."""

    url: Annotated[
        str,
        matching(
            CACHE_URL,
            "must be empty, memory://, null://, file:///folder, redis://host, rediss://host or memcached://host:port",
        ),
    ] = ""
    # Never 0, which cachelib takes for "keep for ever".
    max_age: Annotated[StrictInt, Field(ge=1, le=YEARS_10)] = 2_592_000  # seconds
    max_size: Annotated[StrictInt, Field(ge=1_000_000)] = 268_435_456  # bytes
    secret: Annotated[str, matching(CACHE_SECRET, "must be empty or have at least 32 characters")] = ""
    password: str = ""
    password_file: str = ""

    @field_validator("password", "password_file")
    @classmethod
    def _is_for_servers(cls, value: str, info: ValidationInfo) -> str:
        # The URL is absent when it has a problem of its own.
        if value and not info.data.get("url", "redis:").startswith(_CACHE_SERVERS):
            msg = "is for Redis and Memcached in cache.url only"
            raise ValueError(msg)
        return value

    @field_validator("password_file")
    @classmethod
    def _is_the_only_password(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("password"):
            msg = "cannot be set together with cache.password"
            raise ValueError(msg)
        return value

    @property
    def is_server(self) -> bool:
        """Whether several machines can share it."""
        return self.url.startswith(_CACHE_SERVERS)


_DATABASE_DEMAND: Final = "must be empty or postgresql://user@host/database"


class IndexSettings(Section):
    """The database of index and publication history; an empty URL means files in the state folder."""

    url: Annotated[str, matching(DATABASE_URL, _DATABASE_DEMAND)] = ""
    read_url: Annotated[str, matching(DATABASE_URL, _DATABASE_DEMAND)] = ""
    # "schema" is an attribute of pydantic's models.
    site_schema: Annotated[str, matching(SCHEMA, SCHEMA_DEMAND)] = "feedserver"
    password_file: str = ""
    role: Literal["all", "web"] = "all"

    @field_validator("read_url")
    @classmethod
    def _is_of_a_database(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("url", value):
            msg = "needs index.url, the database that is written"
            raise ValueError(msg)
        return value

    @field_validator("role")
    @classmethod
    def _web_needs_a_database(cls, value: str, info: ValidationInfo) -> str:
        if value == "web" and not info.data.get("url", value):
            msg = "can be web with index.url only: without a database each server has an index of its own"
            raise ValueError(msg)
        return value


class StateSettings(Section):
    """The folder of index and publication history."""

    dir: Folder = Path(".feedserver")
    adopt: StrictBool = False
    history_copies: Annotated[StrictInt, Field(ge=0)] = 7


class ServerSettings(Section):
    """The server process."""

    engine: Literal["gunicorn", "granian"] = "gunicorn"
    host: Text = "127.0.0.1"
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = 8000
    workers: Positive = 2
    threads: Positive = 4


class StatusSettings(Section):
    """Access to the status page."""

    token: str = ""


def _host_in_url(host: str) -> str:
    """How a URL names an address to listen at: `[::1]`; loopback for one that stands for all addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]".replace("%", "%25") if address.version == 6 else str(address)


def _without_slash(address: str) -> str:
    return address.rstrip("/") or "/"


def _authority_of(base_url: str) -> str:
    """The host as RFC 4151 wants it, which knows no IPv6 literals: for one, its name in the DNS."""
    host = urlsplit(base_url).hostname or ""
    return ip_address(host).reverse_pointer if ":" in host else host


class Settings(Section):
    """The effective settings of one process."""

    site: SiteSettings = SiteSettings()
    articles: Annotated[tuple[RootSettings, ...], AfterValidator(not_empty)] = (
        RootSettings(path=Path("articles")),
    )
    fields: Mapping[FieldName, tuple[Text, ...]] = {}
    scan: ScanSettings = ScanSettings()
    dates: DatesSettings = DatesSettings()
    feeds: FeedsSettings = FeedsSettings()
    branding: BrandingSettings = BrandingSettings()
    http: HttpSettings = HttpSettings()
    cache: CacheSettings = CacheSettings()
    index: IndexSettings = IndexSettings()
    state: StateSettings = StateSettings()
    server: ServerSettings = ServerSettings()
    redirects: Mapping[Address, Address] = {}
    retired: tuple[Address, ...] = ()
    status: StatusSettings = StatusSettings()

    @property
    def public_url(self) -> str:
        """The URL that all addresses of the site begin with, without a slash at its end."""
        return self.site.base_url or self.local_url

    @property
    def local_url(self) -> str:
        """The URL at which the server answers on this machine, without a slash at its end."""
        return f"http://{_host_in_url(self.server.host)}:{self.server.port}"

    @property
    def id_authority(self) -> str:
        """The authority in the `tag:` ids (RFC 4151): the one set, else the host of the base URL.

        Without a base URL it is the same wherever the server listens, so that ids do not change with
        `server.host` (promise 4).
        """
        return self.site.id_authority or _authority_of(self.site.base_url or "http://127.0.0.1")

    @field_validator("articles")
    @classmethod
    def _ids_do_not_meet(cls, roots: tuple[RootSettings, ...]) -> tuple[RootSettings, ...]:
        prefixes = [root.id_prefix for root in roots]
        if len(set(prefixes)) < len(prefixes):
            again = next(prefix for prefix in prefixes if prefixes.count(prefix) > 1)
            msg = f'with several folders each needs an id_prefix of its own; "{again}" is used twice'
            raise ValueError(msg)
        return roots

    @field_validator("redirects")
    @classmethod
    def _redirects_end(cls, redirects: Mapping[str, str]) -> Mapping[str, str]:
        # Each holds with and without a slash at its end.
        leads = {_without_slash(old): new for old, new in redirects.items()} | dict(redirects)
        for start in redirects:
            seen: set[str] = set()
            address: str | None = start
            while address is not None and address not in seen:
                seen.add(address)
                address = leads.get(address) or leads.get(_without_slash(address))
            if address is not None:
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
# The models of the elements of a key, if they have keys themselves.
ELEMENTS: Final[Mapping[str, type[BaseModel]]] = {
    "articles": RootSettings,
    "feeds.selections": SelectionSettings,
}


def _keys() -> Iterator[tuple[str, Any]]:
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            for key, inner in SECTIONS[name].model_fields.items():
                yield f"{name}.{key}", inner.annotation
        else:
            yield name, field.annotation


# Every key that has a value of its own, dotted, with its type: `site.title`, `articles`, `feeds.selections`.
KEYS: Final[Mapping[str, Any]] = dict(_keys())
