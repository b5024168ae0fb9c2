"""Faults of feedgen 1.0.0 that must not reach the output: one test for each that could.

The library's own tests do not cover them, and an upgrade may bring others; so these assert on the
documents, not on how the library is used. They keep to the order in which the faults are met in
feedgen's `entry.py`, `feed.py`, `ext` and `util.py`. Faults of elements that we never write (textInput,
sy:updatePeriod, unextended documents) have none.
"""

from __future__ import annotations

import locale
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feed_samples import BASE_URL, EMPTY, NOON, RICH, a_feed, an_article, an_entry
from lxml import etree

from feedserver.model import Action, Category, Feed, Format, Image, Person, Related, Video
from feedserver.render import render

NAMESPACES = {
    "a": "http://www.w3.org/2005/Atom",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "media": "http://search.yahoo.com/mrss/",
}
PROJECT = Path(__file__).parents[1]
XML_FORMATS = (Format.RSS, Format.ATOM)
PIXEL = Image(url="https://gazette.example/a.png", width=3, height=2, title="A", credit="C")


def find(feed: Feed, fmt: Format, path: str) -> list[etree._Element]:
    """The elements that a path finds in the document of a feed."""
    found = etree.fromstring(render(feed, fmt)).xpath(path, namespaces=NAMESPACES)
    assert isinstance(found, list)
    return found  # type: ignore[return-value]


def texts(feed: Feed, fmt: Format, path: str) -> list[str | None]:
    return [element.text for element in find(feed, fmt, path)]


def attributes(feed: Feed, fmt: Format, path: str) -> list[dict[str, str]]:
    return [attributes_of(element) for element in find(feed, fmt, path)]


def attributes_of(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.items()}


def test_links_of_atom_entries_keep_rel_type_and_title() -> None:
    """Feedgen reuses the loop variable and keeps the address only: every link is an alternate then."""
    article = an_article(
        actions=(Action(url="https://a.example/1.pdf", title="Book", media_type="application/pdf"),),
        related=(Related(title="More", url="https://a.example/more"),),
    )
    assert attributes(a_feed(an_entry(article)), Format.ATOM, "a:entry/a:link") == [
        {"rel": "alternate", "type": "text/html", "href": article.url},
        {"rel": "enclosure", "type": "application/pdf", "href": "https://a.example/1.pdf", "title": "Book"},
        {"rel": "related", "href": "https://a.example/more", "title": "More"},
    ]


def test_atom_content_is_declared_as_html_and_never_as_cdata() -> None:
    """Feedgen copies its pseudo type into the document: `<content type="CDATA">`."""
    assert attributes(a_feed(an_entry()), Format.ATOM, "a:entry/a:content") == [{"type": "html"}]
    assert b'"CDATA"' not in render(RICH, Format.ATOM) + render(RICH, Format.RSS)


def test_the_date_of_a_feed_is_the_one_of_its_content_and_not_now() -> None:
    """Feedgen defaults updated and lastBuildDate to the time of rendering."""
    assert texts(EMPTY, Format.ATOM, "a:updated") == ["2021-03-14T12:00:00Z"]
    assert texts(EMPTY, Format.RSS, "channel/lastBuildDate") == ["Sun, 14 Mar 2021 12:00:00 GMT"]


def test_the_date_of_an_entry_is_its_own_and_not_now() -> None:
    """Feedgen defaults the date of an entry to the time of rendering."""
    feed = a_feed(an_entry(updated=NOON + timedelta(seconds=1)))
    assert texts(feed, Format.ATOM, "a:entry/a:updated") == ["2021-03-14T12:00:01Z"]
    assert texts(feed, Format.RSS, "//item/a:updated") == ["2021-03-14T12:00:01Z"]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_the_generator_is_ours(fmt: Format) -> None:
    """Feedgen names itself, with the address of its own page."""
    assert b"python-feedgen" not in render(EMPTY, fmt)
    (generator,) = find(RICH, fmt, "channel/generator | a:generator")
    assert (generator.text or "").startswith("feedserver")


def test_the_documentation_of_rss_is_linked_securely() -> None:
    """Feedgen links it without TLS."""
    assert texts(EMPTY, Format.RSS, "channel/docs") == ["https://www.rssboard.org/rss-specification"]


def test_the_link_of_an_rss_channel_is_its_page() -> None:
    """Feedgen takes the last link that was added, whatever its relation."""
    assert texts(RICH, Format.RSS, "channel/link") == [f"{BASE_URL}/topics/bees"]


@pytest.mark.parametrize("fmt", XML_FORMATS)
@pytest.mark.parametrize(
    "archive", [{}, {"archive": "2021-03.1", "next_archive": "2021-04.1"}], ids=["feed", "archive"]
)
def test_a_document_links_its_page_itself_and_its_history_and_no_other_format(
    fmt: Format, archive: dict[str, str]
) -> None:
    """Feedgen writes the first rel=self and drops every other link of a channel.

    SimplePie and fastfeedparser take a link to another format for the page, htmlparser2 the first link.
    """
    feed = a_feed(previous_archive="2021-02.1", **archive)
    links = find(feed, fmt, "channel/link | channel/a:link | a:link")
    page = feed.channel.page_url
    history = {"prev-archive": f"{page}/2021-02.1.{fmt.value}"}
    if archive:
        history |= {"next-archive": f"{page}/2021-04.1.{fmt.value}", "current": f"{page}.{fmt.value}"}
    expected = {"alternate": page, "self": feed.channel.self_url(fmt)} | history

    found = [(link.get("rel", "alternate"), link.get("href") or link.text) for link in links]
    assert found == list(expected.items())


def test_an_author_without_an_address_is_named_in_rss() -> None:
    """Feedgen writes authors with an e-mail address only."""
    people = (Person(name="Ann", email="ann@a.example"), Person(name="Bob"))
    feed = a_feed(an_entry(an_article(authors=people)))
    assert texts(feed, Format.RSS, "//item/dc:creator") == ["Ann", "Bob"]
    assert find(feed, Format.RSS, "//item/author") == []


def test_the_source_of_an_atom_entry_has_id_title_date_and_links() -> None:
    """Feedgen writes a title and a link without a relation: RFC 4287 section 4.2.11 asks for more."""
    (source,) = find(RICH, Format.ATOM, "a:entry[1]/a:source")
    page = f"{BASE_URL}/providers/the-gazette-and-mail"
    assert [(etree.QName(child).localname, child.text or attributes_of(child)) for child in source] == [
        ("id", "tag:feeds.example.org,2020:feeds/providers/the-gazette-and-mail"),
        ("title", "The Gazette & Mail"),
        ("updated", "2021-03-14T12:00:00Z"),
        ("author", {}),
        ("link", {"rel": "alternate", "type": "text/html", "href": page}),
        ("link", {"rel": "self", "type": "application/atom+xml", "href": f"{page}.atom"}),
        ("icon", "https://gazette.example/icon.png"),
    ]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_images_are_flat_media_contents(fmt: Format) -> None:
    """Feedgen puts a single image into a media:group, which is for several forms of one thing."""
    feed = a_feed(an_entry(an_article(images=(PIXEL, PIXEL))))
    assert find(feed, fmt, "//media:group") == []
    assert len(find(feed, fmt, "//item/media:content | a:entry/media:content")) == 2


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_images_have_credit_thumbnail_and_numbers_for_their_size(fmt: Format) -> None:
    """Feedgen has no credit, and fails on a size that is a number."""
    (content,) = find(a_feed(an_entry(an_article(images=(PIXEL,)))), fmt, "//media:content")
    size = {"url": PIXEL.url, "width": "3", "height": "2"}
    assert attributes_of(content) == size | {"type": "image/png", "medium": "image"}
    media = f"{{{NAMESPACES['media']}}}"
    assert [(child.tag, child.text, attributes_of(child)) for child in content] == [
        (f"{media}thumbnail", None, size),
        (f"{media}credit", "C", {}),
    ]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_video_is_a_media_content_with_a_player(fmt: Format) -> None:
    """Feedgen knows no media:player."""
    video = Video(url="https://v.example/2", player_url="https://v.example/embed/2", width=8, height=5)
    feed = a_feed(an_entry(an_article(video=video, duration=543)))
    size = {"width": "8", "height": "5"}
    assert attributes(feed, fmt, "//media:content") == [{"medium": "video", "duration": "543"} | size]
    assert attributes(feed, fmt, "//media:player") == [{"url": video.player_url} | size]


def test_an_enclosure_of_unknown_length_has_length_zero() -> None:
    """Feedgen writes `length="None"`."""
    article = an_article(actions=(Action(url="https://a.example/1.mp3", media_type="audio/mpeg"),))
    enclosure = {"url": "https://a.example/1.mp3", "length": "0", "type": "audio/mpeg"}
    assert attributes(a_feed(an_entry(article)), Format.RSS, "//enclosure") == [enclosure]


def test_the_image_of_an_rss_channel_has_its_title_and_link() -> None:
    """Feedgen loses parts of an image, and takes any picture for one that RSS allows."""
    feed = a_feed(logo="https://a.example/logo.svg", icon="https://a.example/icon.PNG?v=1")
    (image,) = find(feed, Format.RSS, "channel/image")
    assert [(child.tag, child.text) for child in image] == [
        ("url", "https://a.example/icon.PNG?v=1"),
        ("title", "Bees"),
        ("link", f"{BASE_URL}/topics/bees"),
    ]
    assert find(a_feed(logo="https://a.example/logo.svg"), Format.RSS, "channel/image") == []


def test_rendering_never_calls_setlocale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feedgen changes the locale of the process for every date."""

    def refuse(*_: object) -> str:
        raise AssertionError("setlocale was called")

    monkeypatch.setattr(locale, "setlocale", refuse)
    for fmt in Format:
        render(RICH, fmt)


def test_rendering_in_threads_leaves_the_locale_alone() -> None:
    """Feedgen's change of the locale is not safe in threads: the process stayed in another one."""
    before = locale.setlocale(locale.LC_ALL)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: render(RICH, Format.RSS), range(40)))
    assert locale.setlocale(locale.LC_ALL) == before


def test_dates_of_rss_are_in_gmt_with_english_names() -> None:
    """Feedgen writes the zone as a number, and the names in the locale of the moment."""
    published = datetime(2021, 3, 14, 23, 30, tzinfo=UTC) + timedelta(microseconds=7)
    feed = a_feed(an_entry(an_article(published=published)))
    assert texts(feed, Format.RSS, "//item/pubDate") == ["Sun, 14 Mar 2021 23:30:00 GMT"]


def test_every_element_of_atom_is_in_the_namespace_of_atom_without_a_prefix() -> None:
    """Feedgen declares the namespace as a plain attribute: an extension that uses it gets `ns0:`."""
    document = render(RICH, Format.ATOM)
    assert b"ns0" not in document
    namespaces = {etree.QName(element).namespace for element in etree.fromstring(document).iter()}
    assert namespaces == {NAMESPACES["a"], NAMESPACES["media"]}


def test_namespaces_of_rss_are_declared_once() -> None:
    """Feedgen collects the namespaces of feed extensions only, not those of entries."""
    document = render(RICH, Format.RSS)
    assert b"ns0" not in document
    assert all(document.count(f'"{uri}"'.encode()) == 1 for uri in NAMESPACES.values())


@pytest.mark.parametrize(("author", "shown"), [("", "Bees"), ("The desk", "The desk")])
def test_an_atom_feed_always_has_an_author(author: str, shown: str) -> None:
    """Feedgen accepts a feed without any, which RFC 4287 section 4.1.1 does not."""
    assert texts(a_feed(an_entry(), author=author), Format.ATOM, "a:author/a:name") == [shown]


@pytest.mark.parametrize("title", ["", "  ", "\x0b", "\ud800"])
@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_an_article_without_a_legible_title_costs_no_other_article(fmt: Format, title: str) -> None:
    """Feedgen refuses the whole feed for an empty title or a forbidden character."""
    feed = a_feed(an_entry(an_article(1, title=title)), an_entry(an_article(2)))
    # Atom requires the element, RSS does not.
    expected = ["Article 2"] if fmt is Format.RSS else [None, "Article 2"]
    assert texts(feed, fmt, "//item/title | a:entry/a:title") == expected


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_channel_may_have_a_blank_title_and_description(fmt: Format) -> None:
    """Feedgen refuses a feed without a title, and RSS without a description."""
    feed = a_feed(title=" ", description="")
    assert texts(feed, fmt, "channel/title | a:title") == [f"{BASE_URL}/topics/bees"]


@pytest.mark.parametrize(("ttl", "expected"), [(0, []), (15, ["15"])])
def test_the_time_to_live_is_written_unless_it_is_zero(ttl: int, expected: list[str]) -> None:
    """Feedgen drops a zero, which would say nothing useful to a reader, and so do we."""
    assert texts(a_feed(ttl=ttl), Format.RSS, "channel/ttl") == expected


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_rendering_twice_gives_the_same_document(fmt: Format) -> None:
    """Feedgen writes defaults into the mappings that it is given."""
    assert render(RICH, fmt) == render(RICH, fmt)


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_entries_keep_their_order(fmt: Format) -> None:
    """Feedgen puts every new entry before the others."""
    feed = a_feed(*(an_entry(an_article(number)) for number in (2, 1, 3)))
    expected = ["Article 2", "Article 1", "Article 3"]
    assert texts(feed, fmt, "//item/title | a:entry/a:title") == expected


def test_rendering_can_be_imported_first() -> None:
    """`feedgen.util` fails in a fresh interpreter unless another module imported lxml.etree."""
    subprocess.run([sys.executable, "-c", "import feedserver.render"], check=True, cwd=PROJECT)


def test_excerpt_and_content_of_rss_are_two_elements_in_this_order() -> None:
    """In feedgen, description() also sets the content, and summary() the description."""
    feed = a_feed(an_entry(an_article(excerpt="Short", body_html="<p>Long</p>")))
    (item,) = find(feed, Format.RSS, "//item")
    names = [etree.QName(child).localname for child in item]
    assert names.index("description") < names.index("encoded")
    assert texts(feed, Format.RSS, "//item/description") == ["Short"]
    assert "<p>Long</p>" in (texts(feed, Format.RSS, "//item/content:encoded")[0] or "")


@pytest.mark.parametrize("excerpt", ["", " \n", "\x0b"])
def test_without_an_excerpt_there_is_one_description_and_no_summary(excerpt: str) -> None:
    """In feedgen, an empty summary becomes an empty element."""
    feed = a_feed(an_entry(an_article(excerpt=excerpt, body_html="<p>Long</p>")))
    assert "<p>Long</p>" in (texts(feed, Format.RSS, "//item/description")[0] or "")
    assert find(feed, Format.RSS, "//item/content:encoded") == []
    assert find(feed, Format.ATOM, "//a:summary") == []


def test_a_category_has_its_name_and_its_scheme() -> None:
    """In feedgen, the name of an RSS category is the label of the Atom one."""
    category = Category(label="R&D", term="r-and-d", scheme=f"{BASE_URL}/topics")
    feed = a_feed(an_entry(categories=(category,)))
    assert texts(feed, Format.RSS, "//item/category") == ["R&D"]
    assert attributes(feed, Format.RSS, "//item/category") == [{"domain": f"{BASE_URL}/topics"}]
    expected = {"term": "r-and-d", "scheme": f"{BASE_URL}/topics", "label": "R&D"}
    assert attributes(feed, Format.ATOM, "//a:category") == [expected]


def test_an_rss_item_has_one_enclosure_and_an_atom_entry_all() -> None:
    """In feedgen, the last enclosure wins in RSS."""
    (item,) = find(RICH, Format.RSS, "//item[4]")
    urls = ["https://gazette.example/book.pdf", "https://gazette.example/book.mp3"]
    assert [enclosure.get("url") for enclosure in item.iter("enclosure")] == urls[1:]
    links = attributes(RICH, Format.ATOM, "a:entry[4]/a:link[@rel='enclosure']")
    assert [link["href"] for link in links] == urls


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_feed_without_entries_is_complete(fmt: Format) -> None:
    assert find(EMPTY, fmt, "//item | //a:entry") == []
    assert texts(EMPTY, fmt, "channel/title | a:title") == ["Bees"]
