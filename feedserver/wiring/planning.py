"""Makes the plan for reading articles from the settings: the folders, the rules, the selections.

Imports neither index nor publisher, which reading articles does not need.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from feedserver.articles.rules import ReadingRules
from feedserver.articles.selections.values import ListingRules
from feedserver.index.values import StoreAddress
from feedserver.indexing.plan import Ownership, Plan, Root
from feedserver.settings.folders import RootSettings
from feedserver.settings.selections import selection_of
from feedserver.settings.sources import Settings


def plan_of(settings: Settings) -> Plan:
    """The plan for reading, without the fingerprint of a build, which `wiring.indexing.make_plan` adds."""
    roots = tuple(_root(root, settings) for root in settings.articles)
    return Plan(
        store=store_address(settings),
        roots=roots,
        extensions=settings.scan.extensions,
        skip=settings.scan.skip,
        max_file_size=settings.scan.max_file_size,
        fingerprint="",
        ownership=Ownership(
            roots=tuple(root.path for root in roots),
            id_authority=settings.id_authority,
            id_year=settings.site.id_year,
            is_public=settings.site.base_url is not None and not is_local(settings.public_url),
        ),
        listing_rules=listing_rules(settings),
        rescan_interval=settings.scan.rescan_interval,
        drop_missing_after=settings.scan.drop_missing_after,
        watch=settings.scan.watch,
        # A database has tools of its own for copies.
        history_copies=0 if settings.index.url else settings.state.history_copies,
    )


def store_address(settings: Settings) -> StoreAddress:
    """Where the index and the publication history are."""
    index = settings.index
    return StoreAddress(
        state_dir=str(settings.state.dir.resolve()),
        url=index.url,
        read_url=index.read_url,
        schema=index.site_schema if index.url else "",
        password_file=index.password_file,
    )


def listing_rules(settings: Settings) -> ListingRules:
    """The rules by which articles are assigned to listings, from the settings."""
    feeds = settings.feeds
    return ListingRules(
        feeds=tuple(selection_of(name, one) for name, one in feeds.selections.items()),
        language=settings.site.language,
        has_terms=feeds.ad_hoc,
        is_searched=feeds.ad_hoc and feeds.search,
    )


def is_local(url: str) -> bool:
    """Whether the host of a URL is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _root(root: RootSettings, settings: Settings) -> Root:
    dated = root.dates_from_file_name
    rules = ReadingRules(
        id_authority=settings.id_authority,
        id_year=settings.site.id_year,
        id_prefix=root.id_prefix,
        time_zone=root.time_zone or settings.site.time_zone,
        base_url=root.base_url,
        root_urls=root.root_urls,
        url_pattern=root.url,
        section_urls=tuple(root.section_urls.items()),
        url_names=root.url_names,
        trailing_slash=root.trailing_slash,
        ids=root.ids,
        folder_categories=root.folder_categories,
        more_keys=_more_keys(settings.fields, root.fields),
        date_from_file_name=settings.dates.from_file_name if dated is None else dated,
        date_from_mtime=settings.dates.fallback == "mtime",
        bodies_are_html=root.bodies == "html",
        header=root.header,
        bare=root.bare,
        underscored=root.underscored,
        markdown=root.markdown,
        templates=root.templates,
        titles=root.titles,
        excerpts=root.excerpts,
        separators=root.separators,
        language=root.language,
        languages=root.languages,
        hidden_if=tuple(root.hidden_if.items()),
        max_topics=settings.scan.max_topics,
    )
    # Not resolved, so that a link such as `current` is followed anew when it is changed.
    path = os.path.abspath(root.path)  # noqa: PTH100  pathlib would resolve it
    return Root(path=path, reading=rules, only=root.only, skip=root.skip)


def _more_keys(
    everywhere: Mapping[str, tuple[str, ...]], here: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The keys of each field that the settings add, those for all folders first."""
    fields = dict.fromkeys((*everywhere, *here))
    return tuple((field, (*everywhere.get(field, ()), *here.get(field, ()))) for field in fields)
