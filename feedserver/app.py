"""Wiring: from settings to the parts, and to the WSGI application.

Each part gets the values it needs, none gets the settings. `create_app` may run in a gunicorn master:
it opens nothing that a fork would share and starts nothing; `start_serving` does, in the process that
answers, at the latest with its first request.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
from collections.abc import Callable
from importlib.metadata import version

import msgspec
from flask import Flask

from feedserver import claims
from feedserver.articles.reading import PARSER_VERSION
from feedserver.articles.rules import ReadingRules
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.cache import open_cache
from feedserver.channels import SiteFacts
from feedserver.errors import StateError
from feedserver.export.site import ExportPlan, Scope
from feedserver.index.memory import Memory
from feedserver.index.schema import INDEX_SCHEMA_VERSION
from feedserver.model import Branding, Selection
from feedserver.plan import Claim, Plan, Root
from feedserver.publisher import FeedLimits, Publisher
from feedserver.settings import Settings
from feedserver.settings_schema import Root as RootSettings
from feedserver.starter import IndexerStarter
from feedserver.web.front import Front
from feedserver.web.responses import CachePolicy
from feedserver.web.routes import RouteRules, Site

# Packages that decide what the index holds of an article.
_PARSING_PACKAGES = ("nh3", "pyromark", "text-unidecode")


def make_plan(settings: Settings) -> Plan:
    """What the indexer is to do."""
    roots = tuple(_root(root, settings) for root in settings.articles)
    base = Plan(
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
        selections=_selections(settings),
        rescan_interval=settings.scan.rescan_interval,
        drop_missing_after=settings.scan.drop_missing_after,
        watch=settings.scan.watch,
    )
    versions = [PARSER_VERSION, INDEX_SCHEMA_VERSION, *(version(name) for name in _PARSING_PACKAGES)]
    content = [base.roots, base.extensions, base.skip, base.max_file_size, base.selections, versions]
    fingerprint = hashlib.blake2b(msgspec.json.encode(content), digest_size=16).hexdigest()
    return msgspec.structs.replace(base, fingerprint=fingerprint)


def make_publisher(settings: Settings) -> Publisher:
    """The publisher of the settings' state folder."""
    state_dir = settings.state.dir.resolve()
    cache = open_cache(settings.cache.url, state_dir / "cache", settings.cache.max_age)
    return Publisher(state_dir, _site_facts(settings), _limits(settings), cache)


def make_export_plan(settings: Settings, scope: Scope) -> ExportPlan:
    """What an export is to write."""
    return ExportPlan(
        state_dir=str(settings.state.dir.resolve()),
        site=_site_facts(settings),
        limits=_limits(settings),
        redirected=tuple(settings.redirects),
        scope=scope,
    )


def prepare_state(settings: Settings) -> None:
    """Make the state folder and check that it is ours.

    Raises:
        StateError: if it cannot be written or belongs to another site.
    """
    state_dir = settings.state.dir.resolve()
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(state_dir, f"cannot be made: {error.strerror}") from error
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise StateError(state_dir, "cannot be written by this user")
    memory = Memory(state_dir)
    try:
        if not settings.state.adopt:
            claims.check(memory, make_plan(settings).claim)
    finally:
        memory.close()


class ServingProcess:
    """What a process that answers requests runs beside its requests: the offer to start the indexer."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._pid = 0
        self._starter: IndexerStarter | None = None

    def start(self) -> None:
        """Start once per process; called with every request, so it looks first."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._starter = IndexerStarter(self._plan)
                self._starter.start()
                self._pid = os.getpid()
                atexit.register(self.stop)

    def stop(self) -> None:
        """Stop the indexer if this process started it."""
        if self._starter is not None and self._pid == os.getpid():
            self._starter.stop()
            self._starter = None


def create_app(settings: Settings) -> Flask:
    """The WSGI application.

    Raises:
        StateError: if the state folder cannot be used.
        SettingsError: if the cache needs a package that is not installed.
    """
    prepare_state(settings)
    serving = ServingProcess(make_plan(settings))
    app = make_app(settings, serving.start)
    app.extensions["feedserver"] = serving
    return app


def make_app(settings: Settings, on_request: Callable[[], None]) -> Flask:
    """The application over a state folder that something else keeps up to date; `on_request` comes first.

    Raises:
        SettingsError: if the cache needs a package that is not installed.
    """
    app = Flask("feedserver", static_folder=None)
    policy = CachePolicy(
        max_age=settings.http.max_age,
        stale_while_revalidate=settings.http.stale_while_revalidate,
        stale_if_error=settings.http.stale_if_error,
        page_max_age=settings.http.page_max_age,
    )
    rules = RouteRules(
        redirects=dict(settings.redirects),
        status_token=settings.status.token,
        is_public=not is_local(settings.public_url),
        cache_policy=policy,
    )
    names = [str(root.path) for root in settings.articles]
    publisher = make_publisher(settings)
    front = Front(publisher, app.wsgi_app)
    Site(publisher, rules, names, on_request, front).register(app)
    # Flask's own place for middleware; the application stays one for gunicorn's hooks and the test client.
    app.wsgi_app = front  # type: ignore[method-assign]
    return app


def start_serving(app: Flask) -> None:
    """Start what runs beside the requests, in a process that was forked already."""
    app.extensions["feedserver"].start()


def stop_serving(app: Flask) -> None:
    """Stop it again, and wait for its end."""
    app.extensions["feedserver"].stop()


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


def _site_facts(settings: Settings) -> SiteFacts:
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
        selections=_selections(settings),
        retired=settings.retired,
    )


def _limits(settings: Settings) -> FeedLimits:
    return FeedLimits(
        entries=settings.feeds.limit,
        min_entries=settings.feeds.min_entries,
        max_bytes=settings.feeds.max_bytes,
        deltas=settings.http.deltas,
    )


def _selections(settings: Settings) -> tuple[Selection, ...]:
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
