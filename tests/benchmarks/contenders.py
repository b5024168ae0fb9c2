"""Applications that `serving.py` compares feedserver with; gunicorn starts them by name.

Each is what somebody would write who needs just that. `BENCHMARK_DATA` names a JSON file with what
they serve: recorded answers, and the items of a feed.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ["BENCHMARK_DATA"]).read_text(encoding="utf-8"))
    return found


def bare() -> WSGIApplication:
    """A function that returns recorded answers, and looks at nothing but the path: the floor."""
    answers = {
        path: (one["status"], [tuple(pair) for pair in one["headers"]], base64.b64decode(one["body"]))
        for path, one in _data()["answers"].items()
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        status, headers, body = answers[environ["PATH_INFO"]]
        start_response(status, headers)
        return [body] if body else []

    return application


def uncached() -> WSGIApplication:
    """Flask and feedgen, as their manuals show them: the feed is made at every request."""
    from feedgen.feed import FeedGenerator
    from flask import Flask, Response

    app = Flask("uncached")
    items = _data()["items"]

    @app.get("/articles.rss")
    def feed() -> Response:
        document = FeedGenerator()
        document.title("Example")
        document.link(href="https://feeds.example/", rel="alternate")
        document.description("The latest articles.")
        for item in items:
            entry = document.add_entry(order="append")
            entry.guid(item["id"])
            entry.title(item["title"])
            entry.link(href=item["url"])
            entry.content(item["content_html"], type="CDATA")
            entry.published(item["date_published"])
        return Response(document.rss_str(), content_type="application/rss+xml; charset=utf-8")

    return app


def django() -> WSGIApplication:
    """Django's syndication framework behind its own cache of whole pages, in memory."""
    from datetime import datetime

    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="django_urls",
        USE_TZ=True,
        MIDDLEWARE=[
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
        INSTALLED_APPS=["django.contrib.sites"],
        SITE_ID=1,
        DATABASES={},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    )
    django.setup()

    import sys
    import types

    from django.contrib.sites.models import Site
    from django.contrib.syndication.views import Feed
    from django.core.wsgi import get_wsgi_application
    from django.urls import path
    from django.views.decorators.cache import cache_page

    Site.objects.clear_cache()
    sys.modules["django.contrib.sites.models"].SITE_CACHE[1] = Site(domain="feeds.example", name="Example")

    class Articles(Feed):  # type: ignore[misc]  # Django is not installed where types are checked
        title, link, description = "Example", "/", "The latest articles."

        def items(self) -> list[dict[str, str]]:
            found: list[dict[str, str]] = _data()["items"]
            return found

        def item_title(self, item: dict[str, str]) -> str:
            return item["title"]

        def item_link(self, item: dict[str, str]) -> str:
            return item["url"]

        def item_description(self, item: dict[str, str]) -> str:
            return item["content_html"]

        def item_pubdate(self, item: dict[str, str]) -> datetime:
            return datetime.fromisoformat(item["date_published"])

    urls: Any = types.ModuleType("django_urls")
    urls.urlpatterns = [path("articles.rss", cache_page(3600)(Articles()))]
    sys.modules["django_urls"] = urls
    application: WSGIApplication = get_wsgi_application()
    return application
