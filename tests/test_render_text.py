"""Rendering any text: nothing is lost but what XML forbids, and the same feed is the same bytes."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import feedparser
import msgspec
import pytest
from feed_samples import GAZETTE_FEED, NOON, RICH, SAMPLES, a_channel, an_article, an_entry
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feedserver.model import (
    Action,
    Category,
    Channel,
    Entry,
    Feed,
    Format,
    Image,
    Person,
    Provider,
    Related,
    Term,
    Video,
)
from feedserver.render import MEDIA_TYPES, RENDERER_VERSION, render
from feedserver.render.people import authors_of
from feedserver.render.text import clean, legible, rfc3339, title_or_url

NAMESPACES = {
    "a": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
# Every character there is, lone surrogates included, and more often those that break documents.
TEXT = st.text(
    st.characters() | st.sampled_from("\x00\x08\x0b\x0c\x1f\ud800\udfff\ufffe\uffff<>&\"']]\r\n\t ")
)
NAME = TEXT.filter(lambda text: clean(text) != "")
FORBIDDEN = ["\x00", "\x08", "\x0b", "\x0c", "\x1f", "\ud800", "\udfff", "\ufffe", "\uffff"]
ALLOWED = [
    "\t",
    "\n",
    "\r",
    " ",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufffd",
    "\U0001f41d",
    "\U0010ffff",
    "\\u0000",
    "]]>",
]


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    return a_channel(
        title=draw(TEXT),
        description=draw(TEXT),
        rights=draw(TEXT),
        author=draw(TEXT),
        generator=draw(NAME),
        generator_version=draw(TEXT),
    )


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    article = an_article(
        title=draw(TEXT),
        excerpt=draw(TEXT),
        body_html=draw(TEXT),
        kind=draw(TEXT),
        category=Term(name=draw(TEXT), slug="c"),
        provider=Provider(name=draw(NAME), slug="p"),
        authors=tuple(Person(name=draw(NAME), email=draw(TEXT)) for _ in range(draw(st.integers(0, 2)))),
        images=(Image(url="https://a.example/1.png", title=draw(TEXT), credit=draw(TEXT)),),
        video=draw(st.none() | st.just(Video(url="https://a.example/v"))),
        duration=draw(st.none() | st.integers(0, 100_000)),
        actions=(
            Action(
                url="https://a.example/1.mp3",
                title=draw(TEXT),
                media_type="audio/mpeg",
                size=draw(st.none() | st.integers(0, 10**15)),
                duration=draw(st.none() | st.integers(0, 100_000)),
            ),
        ),
        related=(Related(title=draw(TEXT), url="https://a.example/r", provider=draw(TEXT)),),
    )
    source = draw(st.none() | st.just(msgspec.structs.replace(GAZETTE_FEED, title=draw(TEXT))))
    category = Category(label=draw(NAME), term="t", scheme="https://a.example/topics")
    return an_entry(article, source=source, categories=(category,))


# feedparser strips texts, and takes Latin-1 for UTF-8 that was decoded wrongly.
READ_BY_FEEDPARSER = TEXT.filter(
    lambda text: clean(text).strip() != "" and not any("\x80" <= character <= "\xff" for character in text)
)
FEEDS = st.builds(Feed, channel=channels(), entries=st.lists(entries(), max_size=2).map(tuple))


def texts(document: bytes, path: str) -> list[str]:
    """The texts of all elements, or the values of all attributes, that a path finds in a document."""
    found = etree.fromstring(document).xpath(path, namespaces=NAMESPACES)
    assert isinstance(found, list)
    return [node if isinstance(node, str) else node.text or "" for node in found]  # type: ignore[union-attr]


def feed_that_says(text: str) -> Feed:
    """A feed that says the text everywhere."""
    article = an_article(title=text, excerpt=text, authors=(Person(name=text),))
    category = Category(label=text, term="t", scheme="https://a.example/topics")
    return Feed(channel=a_channel(), entries=(an_entry(article, categories=(category,)),))


def parsed(feed: Feed, fmt: Format) -> Any:
    """The result of feedparser, told to leave HTML and URLs alone."""
    result = feedparser.parse(render(feed, fmt), sanitize_html=False, resolve_relative_uris=False)
    assert not result.bozo
    return result


def unescape_text(markup: str) -> str:
    """The text that `lines_html` was given; `html.unescape` would also replace C1 characters."""
    markup = re.sub("<br(?: /)?>\n?", "\n", markup)
    return markup.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def names(feed: Feed) -> list[str]:
    """The names of those whom the entries are by."""
    return [clean(person.name) for entry in feed.entries for person in authors_of(entry)]


@given(FEEDS)
def test_rss_reads_back_as_written(feed: Feed) -> None:
    document = render(feed, Format.RSS)
    articles = [entry.article for entry in feed.entries]
    channel = feed.channel
    title = title_or_url(clean(channel.title), channel.page_url)
    assert texts(document, "channel/title") == [title]
    assert texts(document, "channel/description") == [clean(channel.description) or title]
    assert texts(document, "//item/title") == [clean(a.title) for a in articles if clean(a.title).strip()]
    assert texts(document, "//item/category") == [clean(e.categories[0].label) for e in feed.entries]
    assert texts(document, "//item/dc:creator") == names(feed)
    assert texts(document, "channel/dc:creator") == [one for one in [clean(channel.author)] if one.strip()]
    excerpts = [clean(a.excerpt) for a in articles if clean(a.excerpt).strip()]
    assert [unescape_text(d) for d in texts(document, "//item[content:encoded]/description")] == excerpts


@given(FEEDS)
def test_atom_reads_back_as_written(feed: Feed) -> None:
    document = render(feed, Format.ATOM)
    articles = [entry.article for entry in feed.entries]
    assert texts(document, "a:title") == [title_or_url(clean(feed.channel.title), feed.channel.page_url)]
    titles = [clean(a.title) if clean(a.title).strip() else "" for a in articles]
    assert texts(document, "a:entry/a:title") == titles
    excerpts = [clean(a.excerpt) for a in articles if clean(a.excerpt).strip()]
    assert [unescape_text(summary) for summary in texts(document, "a:entry/a:summary")] == excerpts
    assert texts(document, "a:entry/a:category/@label") == [
        clean(e.categories[0].label) for e in feed.entries
    ]
    assert texts(document, "a:entry/a:author/a:name") == names(feed)
    credits_ = [clean(a.images[0].credit) for a in articles if clean(a.images[0].credit).strip()]
    assert texts(document, "a:entry/media:content/media:credit") == credits_


@given(FEEDS)
def test_json_reads_back_as_written(feed: Feed) -> None:
    document = json.loads(render(feed, Format.JSON))
    assert document["title"] == title_or_url(clean(feed.channel.title), feed.channel.page_url)
    for item, entry in zip(document["items"], feed.entries, strict=True):
        article = entry.article
        title = clean(article.title)
        assert item.get("title", "") == (title if title.strip() else "")
        assert item.get("summary", "") == clean(article.excerpt)
        assert item["tags"] == [clean(entry.categories[0].label)]
        if article.authors:
            assert [author["name"] for author in item["authors"]] == [clean(p.name) for p in article.authors]


@given(text=READ_BY_FEEDPARSER)
def test_a_reader_of_atom_gets_every_text(text: str) -> None:
    (entry,) = parsed(feed_that_says(text), Format.ATOM).entries
    seen = clean(text).strip()
    assert (entry.title, entry.author, entry.tags[0].label) == (seen, seen, clean(text))
    assert unescape_text(entry.summary).strip() == seen


@given(text=READ_BY_FEEDPARSER)
def test_a_reader_of_rss_gets_every_text(text: str) -> None:
    (entry,) = parsed(feed_that_says(text), Format.RSS).entries
    seen = clean(text).strip()
    assert (entry.title, entry.author, entry.tags[0].term) == (seen, seen, seen)
    assert unescape_text(entry.summary).strip() == seen


@given(FEEDS)
def test_the_content_is_the_same_in_all_formats(feed: Feed) -> None:
    contents = [item["content_html"] for item in json.loads(render(feed, Format.JSON))["items"]]
    assert texts(render(feed, Format.ATOM), "a:entry/a:content") == contents
    rss = render(feed, Format.RSS)
    assert texts(rss, "//item/content:encoded | //item[not(content:encoded)]/description") == contents


@given(FEEDS, st.sampled_from(Format))
def test_equal_feeds_render_to_the_same_bytes(feed: Feed, fmt: Format) -> None:
    twin = msgspec.convert(msgspec.to_builtins(feed), Feed)
    assert twin is not feed
    assert render(twin, fmt) == render(feed, fmt)


@pytest.mark.parametrize("fmt", Format)
def test_threads_render_the_same_bytes(fmt: Format) -> None:
    expected = render(RICH, fmt)
    with ThreadPoolExecutor(4) as pool:
        rendered = pool.map(lambda _: render(RICH, fmt), range(40))
        assert set(rendered) == {expected}


@pytest.mark.parametrize("character", FORBIDDEN)
def test_a_character_that_xml_forbids_is_removed_from_every_field(character: str) -> None:
    feed = Feed(channel=a_channel(title=f"a{character}b"), entries=(an_entry(an_article(title=character)),))
    assert legible(feed) == Feed(channel=a_channel(title="ab"), entries=(an_entry(an_article(title="")),))


@pytest.mark.parametrize("text", ALLOWED)
def test_a_text_that_xml_allows_is_kept(text: str) -> None:
    feed = Feed(channel=a_channel(title=text))
    assert legible(feed) == feed


@pytest.mark.parametrize("name", SAMPLES)
def test_a_legible_feed_is_not_copied(name: str) -> None:
    assert legible(SAMPLES[name]) is SAMPLES[name]


def test_dates_are_in_utc_and_whole_seconds() -> None:
    assert rfc3339(NOON.replace(microsecond=999_999)) == "2021-03-14T12:00:00Z"


def test_every_format_has_a_media_type() -> None:
    assert set(MEDIA_TYPES) == set(Format)


def test_the_renderer_version_names_what_renders() -> None:
    assert f"lxml{etree.__version__}" in RENDERER_VERSION
    assert "feedgen1." in RENDERER_VERSION
