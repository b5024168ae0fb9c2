"""Reads feeds with parsers of Python, and names their fields in the words of `reader_comparison`.

Each function takes the bytes of a document and its format, and returns the channel and the items as mappings
of plain values; what the parser does not keep is left out.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

Kept = dict[str, Any]
Parser = Callable[[bytes, str], Kept]


def by_feedparser(document: bytes, _: str) -> Kept:
    import feedparser

    result = feedparser.parse(document)
    feed = result.feed
    channel = {
        "title": feed.get("title"),
        "page": feed.get("link"),
        "description": feed.get("subtitle"),
        "language": feed.get("language"),
        "rights": feed.get("rights"),
        "updated": feed.get("updated"),
        "picture": feed.get("image", {}).get("href") or feed.get("logo"),
        "authors": [one.get("name") for one in feed.get("authors", [])],
    }
    return {"channel": channel, "items": [_of_feedparser(entry) for entry in result.entries]}


def _of_feedparser(entry: Any) -> Kept:
    media = entry.get("media_content", [])
    durations = {one.get("url"): one.get("duration") for one in media}
    return {
        "id": entry.get("id"),
        "title": entry.get("title"),
        "page": entry.get("link"),
        "published": entry.get("published"),
        "updated": entry.get("updated"),
        "authors": [one.get("name") for one in entry.get("authors", [])],
        "excerpt": entry.get("summary"),
        "content": entry.content[0].value if "content" in entry else entry.get("summary"),
        "pictures": [one["url"] for one in media if one.get("medium") == "image"],
        "files": [
            _file(one.href, one.get("type"), one.get("length"), durations.get(one.href))
            for one in entry.enclosures
        ],
        "topics": [one.label or one.term for one in entry.get("tags", [])],
        "language": entry.get("language") or entry.get("title_detail", {}).get("language"),
        "source": entry.get("source", {}).get("title"),
    }


def by_fastfeedparser(document: bytes, _: str) -> Kept:
    import fastfeedparser

    result = fastfeedparser.parse(document)
    feed = result.feed
    channel = {
        "title": feed.get("title"),
        "page": feed.get("link"),
        "description": feed.get("subtitle"),
        "language": feed.get("language"),
        "updated": feed.get("updated"),
        "picture": (feed.get("image") or {}).get("url") or feed.get("logo") or feed.get("icon"),
        "authors": _given(feed.get("author")),
    }
    return {"channel": channel, "items": [_of_fastfeedparser(entry) for entry in result.entries]}


def _of_fastfeedparser(entry: Any) -> Kept:
    content = entry.get("content") or []
    pictures = [one["url"] for one in entry.get("media_content", []) if one.get("medium") == "image"]
    files = entry.get("enclosures") or [
        {**one, "url": one["href"]} for one in entry.get("links", []) if one["rel"] == "enclosure"
    ]
    return {
        "id": entry.get("id"),
        "title": entry.get("title"),
        "page": entry.get("link"),
        "published": entry.get("published"),
        "updated": entry.get("updated"),
        "authors": [one["name"] for one in entry.get("authors", [])],
        "excerpt": entry.get("description"),
        "content": content[0]["value"] if content else entry.get("description"),
        "pictures": pictures or _given(entry.get("image"), entry.get("banner_image")),
        "files": [_file(one["url"], one.get("type"), one.get("length")) for one in files],
        "topics": [one.get("label") or one["term"] for one in entry.get("tags", [])],
    }


def by_atoma(document: bytes, fmt: str) -> Kept:
    import atoma

    if fmt == "rss":
        channel = atoma.parse_rss_bytes(document)
        return {
            "channel": {
                "title": channel.title,
                "page": channel.link,
                "description": channel.description,
                "language": channel.language,
                "rights": channel.copyright,
                "updated": channel.last_build_date,
                "picture": channel.image and channel.image.url,
            },
            "items": [_of_atoma_rss(item) for item in channel.items],
        }
    if fmt == "atom":
        feed = atoma.parse_atom_bytes(document)
        return {
            "channel": {
                "title": feed.title.value,
                "page": _linked(feed.links, "alternate")[0].href,
                "description": feed.subtitle.value,
                "rights": feed.rights and feed.rights.value,
                "updated": feed.updated,
                "picture": feed.logo,
                "authors": [one.name for one in feed.authors],
            },
            "items": [_of_atoma_atom(entry) for entry in feed.entries],
        }
    feed = atoma.parse_json_feed_bytes(document)
    return {
        "channel": {
            "title": feed.title,
            "page": feed.home_page_url,
            "description": feed.description,
            "picture": feed.icon,
            "authors": _given(feed.author and feed.author.name),
        },
        "items": [_of_atoma_json(item) for item in feed.items],
    }


def _of_atoma_rss(item: Any) -> Kept:
    return {
        "id": item.guid,
        "title": item.title,
        "page": item.link,
        "published": item.pub_date,
        "authors": _given(item.author),
        "excerpt": item.description if item.content_encoded else None,
        "content": item.content_encoded or item.description,
        "files": [_file(one.url, one.type, one.length) for one in item.enclosures],
        "topics": item.categories,
        "source": item.source and item.source.title,
    }


def _of_atoma_atom(entry: Any) -> Kept:
    return {
        "id": entry.id_,
        "title": entry.title.value,
        "page": _linked(entry.links, "alternate")[0].href,
        "published": entry.published,
        "updated": entry.updated,
        "authors": [one.name for one in entry.authors],
        "excerpt": entry.summary and entry.summary.value,
        "content": entry.content.value,
        "files": [_file(one.href, one.type_, one.length) for one in _linked(entry.links, "enclosure")],
        "topics": [one.label for one in entry.categories],
        "language": entry.title.lang,
        "source": entry.source and entry.source.title.value,
    }


def _of_atoma_json(item: Any) -> Kept:
    return {
        "id": item.id_,
        "title": item.title,
        "page": item.url,
        "published": item.date_published,
        "updated": item.date_modified,
        "authors": _given(item.author and item.author.name),
        "excerpt": item.summary,
        "content": item.content_html,
        "pictures": _given(item.image, item.banner_image),
        "files": [
            _file(one.url, one.mime_type, one.size_in_bytes, one.duration and one.duration.total_seconds())
            for one in item.attachments
        ],
        "topics": item.tags,
    }


def by_podcastparser(document: bytes, fmt: str) -> Kept:
    import podcastparser

    feed = podcastparser.parse(f"https://feeds.example.org/articles.{fmt}", io.BytesIO(document))
    channel = {
        "title": feed.get("title"),
        "page": feed.get("link"),
        "description": feed.get("description"),
        "language": feed.get("language"),
        "picture": feed.get("cover_url"),
        "authors": _given(feed.get("itunes_author")),
    }
    return {"channel": channel, "items": [_of_podcastparser(episode) for episode in feed["episodes"]]}


def _of_podcastparser(episode: Any) -> Kept:
    # In RSS it has a file twice, from `enclosure` and from `media:content`.
    files = {one["url"]: one for one in episode["enclosures"]}
    return {
        "id": episode["guid"],
        "title": episode["title"],
        "page": episode["link"],
        "published": episode["published"],
        "excerpt": episode["description"],
        "content": episode.get("description_html"),
        "files": [
            _file(url, one["mime_type"], one["file_size"], episode["total_time"])
            for url, one in files.items()
        ],
    }


def _file(url: str, media_type: str | None, size: object = None, duration: object = None) -> Kept:
    return {"url": url, "type": media_type, "size": size, "duration": duration}


def _linked(links: Iterable[Any], rel: str) -> list[Any]:
    return [link for link in links if link.rel == rel]


def _given(*values: str | None) -> list[str]:
    return [value for value in values if value]


# By their names, with the formats that they read.
PARSERS: dict[str, tuple[Parser, tuple[str, ...]]] = {
    "feedparser": (by_feedparser, ("rss", "atom")),
    "fastfeedparser": (by_fastfeedparser, ("rss", "atom", "json")),
    "atoma": (by_atoma, ("rss", "atom", "json")),
    "podcastparser": (by_podcastparser, ("rss", "atom")),
}
