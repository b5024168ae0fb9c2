"""The publisher of a site, and what it is told of the settings."""

from __future__ import annotations

from feedserver.cache import open_cache
from feedserver.channels import SiteFacts
from feedserver.model import Branding
from feedserver.publisher import FeedLimits, Publisher
from feedserver.settings import Settings
from feedserver.wiring.planning import selections_of


def make_publisher(settings: Settings) -> Publisher:
    """The publisher of the settings' state folder."""
    state_dir = settings.state.dir.resolve()
    cache = open_cache(settings.cache.url, state_dir / "cache", settings.cache.max_age)
    return Publisher(state_dir, site_facts(settings), feed_limits(settings), cache)


def site_facts(settings: Settings) -> SiteFacts:
    """What the settings say of the site."""
    site = settings.site
    return SiteFacts(
        title=site.title,
        description=site.description,
        base_url=settings.public_url,
        language=site.language,
        rights=site.rights,
        icon=site.icon,
        logo=site.logo,
        author=site.author,
        id_authority=settings.id_authority,
        id_year=site.id_year,
        ttl=settings.http.max_age // 60,
        branding=Branding(**settings.branding.model_dump()),
        selections=selections_of(settings),
        retired=settings.retired,
    )


def feed_limits(settings: Settings) -> FeedLimits:
    """How long feeds get."""
    return FeedLimits(
        entries=settings.feeds.limit,
        min_entries=settings.feeds.min_entries,
        max_bytes=settings.feeds.max_bytes,
        deltas=settings.http.deltas,
    )
