"""Feeds to render in tests: one with every kind of article, a minimal one, one without entries.

All names and addresses are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

from feedserver.model import (
    Action,
    Article,
    Category,
    Channel,
    Entry,
    Feed,
    Image,
    Person,
    Provider,
    Related,
    Source,
    Term,
    Video,
)

BASE_URL = "https://feeds.example.org"
NOON = datetime(2021, 3, 14, 12, 0, tzinfo=UTC)


def a_channel(**changes: object) -> Channel:
    """A channel with the least that it may have, and the changes."""
    least = {
        "id": "tag:feeds.example.org,2020:feeds/topics/bees",
        "title": "Bees",
        "description": "Everything about bees",
        "page_url": f"{BASE_URL}/topics/bees",
        "updated": NOON,
    }
    return Channel(**(least | changes))  # type: ignore[arg-type]


def an_article(number: int = 1, **changes: object) -> Article:
    """An article with the least that it may have, and the changes; later numbers are older."""
    least = {
        "id": f"tag:feeds.example.org,2020:bees/news/{number}",
        "title": f"Article {number}",
        "url": f"https://gazette.example/articles/{number}",
        "published": NOON - timedelta(hours=number),
    }
    return Article(**(least | changes))  # type: ignore[arg-type]


def an_entry(article: Article | None = None, **changes: object) -> Entry:
    """An entry of an article, last changed when it was published."""
    article = article or an_article()
    return Entry(**({"article": article, "updated": article.published} | changes))  # type: ignore[arg-type]


def a_feed(*entries: Entry, **changes: object) -> Feed:
    """A feed of the entries, the changes being those of its channel."""
    return Feed(channel=a_channel(**changes), entries=entries)


GAZETTE = Provider(
    name="The Gazette & Mail",
    slug="the-gazette-and-mail",
    domain="gazette.example",
    images=(Image(url="https://gazette.example/icon.png", width=50, height=50),),
)
GAZETTE_FEED = Source(
    id="tag:feeds.example.org,2020:feeds/providers/the-gazette-and-mail",
    title="The Gazette & Mail",
    page_url=f"{BASE_URL}/providers/the-gazette-and-mail",
    icon="https://gazette.example/icon.png",
)
RICH_CHANNEL: Mapping[str, object] = {
    "title": "Bees & hives",
    "language": "en",
    "rights": "The publishers hold the rights",
    "icon": "https://feeds.example.org/icon.png",
    "logo": "https://feeds.example.org/logo.jpg",
    "author": "The bee desk",
    "ttl": 15,
    "generator_version": "1.2",
    "generator_url": "https://feedserver.example/",
}


def _news() -> Entry:
    article = an_article(
        1,
        title="Hives & honey: the price of 1 kg < €10",
        excerpt="Prices fall; “sweet”, say buyers of AT&T & <b>others.",
        body_html='<p>A text with <a href="https://gazette.example/a?b=1&amp;c=2">a link</a>.</p>',
        body_digest="0123",
        kind="article",
        category=Term(name="news", slug="news"),
        topics=(Term(name="Bees", slug="bees"), Term(name="R&D", slug="r-and-d")),
        provider=GAZETTE,
        authors=(
            Person(name="Ann Ärger", url="https://gazette.example/ann", email="ann@gazette.example"),
            Person(name="Bob"),
        ),
        images=(
            Image(url="https://gazette.example/hive.jpg?w=1", width=1280, height=720, title='A "hive"'),
            Image(url="https://gazette.example/bee.png", title="A bee", credit="C. Lens"),
            Image(url="https://gazette.example/picture"),
        ),
        related=(
            Related(
                title="Wax < honey",
                url="https://herald.example/wax",
                excerpt="On wax",
                published=NOON - timedelta(days=3),
                provider="The Herald",
                domain="herald.example",
            ),
            Related(title="Wax again", url="https://herald.example/wax"),
            Related(title="Pollen", url="https://herald.example/pollen", domain="herald.example"),
        ),
        amp_urls=("https://gazette.example/amp/1",),
    )
    categories = tuple(
        Category(label=topic.name, term=topic.slug, scheme=f"{BASE_URL}/topics") for topic in article.topics
    )
    return an_entry(article, updated=NOON, source=GAZETTE_FEED, categories=categories)


def _video() -> Entry:
    article = an_article(
        2,
        title="Watching bees",
        excerpt="A film",
        kind="video",
        provider=GAZETTE,
        images=(Image(url="https://video.example/2.webp", width=640, height=360),),
        video=Video(
            url="https://video.example/watch?v=2",
            player_url="https://video.example/embed/2",
            width=800,
            height=500,
        ),
        duration=543,
    )
    return an_entry(article, source=GAZETTE_FEED)


def _course() -> Entry:
    german = timezone(timedelta(hours=1))
    return an_entry(
        an_article(
            3,
            title="Imkern für Anfänger",
            excerpt="Ein Kurs",
            kind="course",
            language="de",
            duration=44 * 60,
            published=datetime(2021, 3, 14, 10, 30, 15, 250_000, tzinfo=german),
        )
    )


def _download() -> Entry:
    return an_entry(
        an_article(
            4,
            title="The handbook",
            excerpt="To print",
            kind="download",
            body_html="<p>Two files and a page.</p>",
            authors=(Person(name="Cy", email="not an address"),),
            actions=(
                Action(url="https://gazette.example/about", title="About"),
                Action(
                    url="https://gazette.example/book.pdf", title="Handbook", media_type="application/pdf"
                ),
                Action(
                    url="https://gazette.example/book.mp3",
                    media_type="audio/mpeg",
                    size=12_345_678,
                    duration=3723,
                ),
            ),
        )
    )


RICH = a_feed(_news(), _video(), _course(), _download(), an_entry(an_article(5)), **RICH_CHANNEL)
MINIMAL = a_feed(an_entry(), description="")
EMPTY = a_feed()
SAMPLES: Mapping[str, Feed] = {"rich": RICH, "minimal": MINIMAL, "empty": EMPTY}
