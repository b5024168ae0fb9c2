"""What the settings say of files: where they are, how they are read, what is selected of them.

All that reading articles needs, so it imports neither index nor publisher.
"""

from __future__ import annotations

import os

from feedserver.articles.rules import ReadingRules
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.model import Selection
from feedserver.plan import Claim, Plan, Root
from feedserver.settings import Settings
from feedserver.settings_schema import Root as RootSettings


def plan_of(settings: Settings) -> Plan:
    """What is to be read, and how: a plan that is of no build yet, which `indexing.make_plan` makes it."""
    roots = tuple(_root(root, settings) for root in settings.articles)
    return Plan(
        state_dir=str(settings.state.dir.resolve()),
        roots=roots,
        extensions=settings.scan.extensions,
        skip=settings.scan.skip,
        max_file_size=settings.scan.max_file_size,
        fingerprint="",
        claim=Claim(
            roots=tuple(root.path for root in roots),
            id_authority=settings.id_authority,
            id_year=settings.site.id_year,
            is_public=settings.site.base_url is not None and not is_local(settings.public_url),
        ),
        selections=selections_of(settings),
        rescan_interval=settings.scan.rescan_interval,
        drop_missing_after=settings.scan.drop_missing_after,
        watch=settings.scan.watch,
    )


def selections_of(settings: Settings) -> tuple[Selection, ...]:
    """The feeds that the settings define."""
    return tuple(
        Selection(
            name=name,
            title=one.title,
            description=one.description,
            topics=tuple(slugify(topic) for topic in one.topics),
            providers=tuple(domain_slug(name) or slugify(name) for name in one.providers),
            categories=tuple(slugify(category) for category in one.categories),
            min_quality=one.min_quality,
            min_heat=one.min_heat,
        )
        for name, one in settings.feeds.selections.items()
    )


def is_local(url: str) -> bool:
    """Whether a URL can only be meant for this machine."""
    host = url.partition("://")[2].partition("/")[0].partition(":")[0]
    return host == "localhost" or host.startswith("127.") or host.endswith(".localhost")


def _root(root: RootSettings, settings: Settings) -> Root:
    rules = ReadingRules(
        id_authority=settings.id_authority,
        id_year=settings.site.id_year,
        id_prefix=root.id_prefix,
        time_zone=settings.site.time_zone,
        base_url=root.base_url,
        url_pattern=root.url,
        aliases=dict(settings.fields),
        date_from_file_name=settings.dates.from_file_name,
        date_from_mtime=settings.dates.fallback == "mtime",
    )
    # Not resolved: a link such as `current` is followed anew when it leads elsewhere.
    return Root(path=os.path.abspath(root.path), reading=rules)  # noqa: PTH100  pathlib would resolve it
