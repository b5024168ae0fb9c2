"""Makes the publisher of a site, and its facts and limits, from the settings."""

from __future__ import annotations

from feedserver.feeds.cache import open_cache
from feedserver.feeds.cache_servers import ServerAccess
from feedserver.feeds.channels import SiteFacts
from feedserver.feeds.feed_renderer import FeedLimits
from feedserver.feeds.publisher import Publisher
from feedserver.index.stores import open_store
from feedserver.model import Branding
from feedserver.settings.sources import Settings
from feedserver.site.caching import CachePolicy
from feedserver.system import private
from feedserver.wiring.planning import listing_rules, store_address


def make_publisher(settings: Settings) -> Publisher:
    """The publisher of the settings' state folder."""
    state_dir = settings.state.dir.resolve()
    options = settings.cache
    cache = open_cache(
        options.url,
        state_dir / "cache",
        lambda: options.secret or private.secret(state_dir / "cache-secret"),
        max_age=options.max_age,
        max_size=options.max_size,
        access=ServerAccess(settings.public_url, options.password, options.password_file),
    )
    return Publisher(open_store(store_address(settings)), site_facts(settings), feed_limits(settings), cache)


def site_facts(settings: Settings) -> SiteFacts:
    """The facts of the site from the settings."""
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
        selections=listing_rules(settings).feeds,
        retired=settings.retired,
    )


def feed_limits(settings: Settings) -> FeedLimits:
    """The limits on the length of feeds."""
    return FeedLimits(
        entries=settings.feeds.limit,
        min_entries=settings.feeds.min_entries,
        max_bytes=settings.feeds.max_bytes,
        deltas=settings.http.deltas,
    )


def cache_policy(settings: Settings) -> CachePolicy:
    """How long documents may be cached."""
    http = settings.http
    return CachePolicy(
        max_age=http.max_age,
        stale_while_revalidate=http.stale_while_revalidate,
        stale_if_error=http.stale_if_error,
        page_max_age=http.page_max_age,
    )
