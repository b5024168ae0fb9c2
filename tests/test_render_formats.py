"""One entry in three formats: what goes where, and that the formats agree.

Where feedgen would get it wrong, `test_feedgen_faults` asks.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import feedparser
import pytest
from feed_samples import BASE_URL, GAZETTE, GAZETTE_FEED, MINIMAL, NOON, RICH, a_feed, an_article, an_entry

from feedserver.model import (
    Action,
    Article,
    Category,
    Feed,
    Format,
    Image,
    Person,
    Related,
    Source,
    Term,
    Video,
)
from feedserver.render import render
from feedserver.render.feedgen_support import ATOM, ITUNES, MEDIA

XML_FORMATS = (Format.RSS, Format.ATOM)


def as_json(feed: Feed) -> Any:
    return json.loads(render(feed, Format.JSON))


def json_item(article: Article, **changes: object) -> Any:
    (item,) = as_json(a_feed(an_entry(article, **changes)))["items"]
    return item


def parsed(feed: Feed, fmt: Format) -> Any:
    result = feedparser.parse(render(feed, fmt))
    assert not result.bozo
    return result


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_xml_and_json_agree_on_every_entry(fmt: Format) -> None:
    """A subscriber who changes the format sees the same articles: ids, titles, pages and dates."""
    entries = parsed(RICH, fmt).entries
    items = as_json(RICH)["items"]
    assert [(e.id, e.title, e.link, e.updated) for e in entries] == [
        (i["id"], i["title"], i["url"], i["date_modified"]) for i in items
    ]
    moments = [entry.article.published.utctimetuple()[:6] for entry in RICH.entries]
    assert [e.published_parsed[:6] for e in entries] == moments
    assert [i["date_published"] for i in items] == [e.published for e in parsed(RICH, Format.ATOM).entries]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_channel_says_what_it_is(fmt: Format) -> None:
    channel = parsed(RICH, fmt).feed
    assert channel.title == "Bees & hives"
    assert channel.subtitle == "Everything about bees"
    assert channel.link == f"{BASE_URL}/topics/bees"
    assert channel.rights == "The publishers hold the rights"
    assert channel.language == "en"
    self_links = [link.href for link in channel.links if link.rel == "self"]
    assert self_links == [RICH.channel.feed_url(fmt)]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_a_feed_is_by_its_author_and_no_entry_is_by_that(fmt: Format) -> None:
    result = parsed(a_feed(an_entry(), an_entry(an_article(2)), author="The desk & co."), fmt)
    assert result.feed.author == "The desk & co."
    assert not any(entry.get("author") for entry in result.entries)


def test_an_rss_channel_of_nobody_names_nobody() -> None:
    assert b"dc:creator" not in render(a_feed(an_entry(), author=" "), Format.RSS)


def test_an_atom_feed_has_the_id_icon_and_logo_of_its_channel() -> None:
    channel = parsed(RICH, Format.ATOM).feed
    assert channel.id == RICH.channel.id
    assert (channel.icon, channel.logo) == (RICH.channel.icon, RICH.channel.logo)
    assert channel.generator_detail == {
        "name": "feedserver",
        "version": "1.2",
        "href": "https://feedserver.example/",
    }


def test_a_json_feed_says_what_it_is() -> None:
    feed = as_json(RICH)
    del feed["items"]
    assert feed == {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Bees & hives",
        "home_page_url": f"{BASE_URL}/topics/bees",
        "feed_url": f"{BASE_URL}/topics/bees.json",
        "description": "Everything about bees",
        "icon": "https://feeds.example.org/logo.jpg",
        "favicon": "https://feeds.example.org/icon.png",
        "authors": [{"name": "The bee desk"}],
        "author": {"name": "The bee desk"},
        "language": "en",
        "_feedserver": {
            "about": "https://feedserver.example/",
            "generator": "feedserver",
            "version": "1.2",
            "id": "tag:feeds.example.org,2020:feeds/topics/bees",
            "updated": "2021-03-14T12:00:00Z",
            "rights": "The publishers hold the rights",
            "ttl": 15,
        },
    }


def test_an_empty_json_feed_has_an_empty_list_of_items() -> None:
    assert as_json(a_feed())["items"] == []


def test_a_minimal_json_item_has_no_empty_members() -> None:
    (item,) = as_json(MINIMAL)["items"]
    names = ["id", "url", "title", "content_html", "date_published", "date_modified"]
    assert list(item) == names
    assert all(item.values())


def test_json_is_compact_and_not_escaped() -> None:
    document = render(a_feed(title="Bienen für alle 🐝"), Format.JSON)
    assert '"title":"Bienen für alle 🐝",'.encode() in document


def test_the_guid_of_an_rss_item_is_no_address() -> None:
    document = render(RICH, Format.RSS)
    assert document.count(b'<guid isPermaLink="false">tag:') == len(RICH.entries)


def test_the_excerpt_of_rss_is_escaped_as_html_once() -> None:
    feed = a_feed(an_entry(an_article(excerpt="AT&T <b>")))
    text = b"<![CDATA[AT&amp;T &lt;b&gt;]]>"
    assert b"<description>" + text + b"</description>" in render(feed, Format.RSS)
    assert b'<summary type="html">' + text + b"</summary>" in render(feed, Format.ATOM)
    assert as_json(feed)["items"][0]["summary"] == "AT&T <b>"


def test_the_source_of_an_rss_item_is_our_feed_of_its_provider() -> None:
    source = {"href": f"{GAZETTE_FEED.page_url}.rss", "title": "The Gazette & Mail"}
    assert parsed(RICH, Format.RSS).entries[0].source == source


def test_the_provider_of_a_json_item_names_our_feed() -> None:
    assert json_item(an_article(provider=GAZETTE), source=GAZETTE_FEED)["_feedserver"]["provider"] == {
        "name": "The Gazette & Mail",
        "domain": "gazette.example",
        "url": GAZETTE_FEED.page_url,
        "icon": GAZETTE_FEED.icon,
        "feed_url": f"{GAZETTE_FEED.page_url}.json",
    }


def test_authors_have_their_page_in_json_and_all_there_is_in_atom() -> None:
    people = (
        Person(name="Ann", url="https://a.example/ann", email="ann@a.info"),
        Person(name="Cy", email="no address"),
    )
    article = an_article(authors=people)
    assert json_item(article)["authors"] == [{"name": "Ann", "url": "https://a.example/ann"}, {"name": "Cy"}]
    document = render(a_feed(an_entry(article)), Format.ATOM)
    ann = b"<name>Ann</name><email>ann@a.info</email><uri>https://a.example/ann</uri>"
    assert b"<author>" + ann + b"</author><author><name>Cy</name></author>" in document


def test_a_republished_article_without_authors_is_by_its_provider_and_not_by_us() -> None:
    entry = an_entry(an_article(provider=GAZETTE), source=GAZETTE_FEED)
    feed = a_feed(entry, author="The desk")
    assert as_json(feed)["items"][0]["authors"] == [{"name": "The Gazette & Mail"}]
    assert parsed(feed, Format.ATOM).entries[0].source.author == "The Gazette & Mail"
    for fmt in XML_FORMATS:
        assert parsed(feed, fmt).entries[0].authors == [{"name": "The Gazette & Mail"}]


@pytest.mark.parametrize("fmt", XML_FORMATS)
def test_the_title_of_a_picture_is_not_taken_for_the_title_of_the_article(fmt: Format) -> None:
    """feedparser does so with `media:title` in RSS, and mail from rss2email has it as its subject."""
    article = an_article(title="Bees", images=(Image(url="https://a.example/1.png", title="A hive"),))
    (entry,) = parsed(a_feed(an_entry(article, source=GAZETTE_FEED)), fmt).entries
    assert (entry.title, entry.title_detail.value) == ("Bees", "Bees")


@pytest.mark.parametrize(
    ("media_types", "chosen"),
    [
        (["application/pdf", "audio/mpeg", "video/mp4"], 1),
        (["application/pdf", "", "video/mp4"], 2),
        (["", "application/pdf", "application/zip"], 1),
    ],
)
def test_the_one_file_that_rss_has_room_for_is_what_can_be_played(
    media_types: list[str], chosen: int
) -> None:
    """newsboat knows no other enclosures."""
    actions = tuple(
        Action(url=f"https://a.example/{number}", media_type=media_type)
        for number, media_type in enumerate(media_types)
    )
    (entry,) = parsed(a_feed(an_entry(an_article(actions=actions))), Format.RSS).entries
    assert [enclosure.href for enclosure in entry.enclosures] == [f"https://a.example/{chosen}"]


def test_lines_of_an_excerpt_stay_lines() -> None:
    feed = a_feed(an_entry(an_article(excerpt="One\n\ntwo & three")))
    for fmt in XML_FORMATS:
        assert parsed(feed, fmt).entries[0].summary == "One<br />\n<br />\ntwo &amp; three"
    assert as_json(feed)["items"][0]["summary"] == "One\n\ntwo & three"


def test_a_source_without_provider_and_icon_is_its_title_and_links() -> None:
    source = Source(id="tag:a.example,2020:p", title="A", page_url="https://a.example/p")
    feed = a_feed(an_entry(source=source))
    assert as_json(feed)["items"][0]["_feedserver"]["provider"] == {
        "name": "A",
        "url": "https://a.example/p",
        "feed_url": "https://a.example/p.json",
    }
    names = set(parsed(feed, Format.ATOM).entries[0].source)
    assert {"id", "title", "updated", "links"} <= names
    assert not names & {"author", "icon"}


def test_an_article_of_our_own_without_authors_is_by_the_author_of_the_feed() -> None:
    assert "authors" not in json_item(an_article())
    assert b"<entry><author>" not in render(MINIMAL, Format.ATOM)


def test_topics_are_tags_in_json() -> None:
    categories = tuple(
        Category(label=label, term="t", scheme="https://a.example/") for label in ("R&D", "AI")
    )
    assert json_item(an_article(), categories=categories)["tags"] == ["R&D", "AI"]


def test_the_banner_of_a_json_item_is_a_picture_that_the_content_does_not_show() -> None:
    images = tuple(Image(url=f"https://a.example/{number}.png") for number in range(3))
    item = json_item(an_article(images=images))
    assert item["image"] == "https://a.example/0.png"
    assert item["banner_image"] == "https://a.example/1.png"
    assert [image["url"] for image in item["_feedserver"]["images"]] == [image.url for image in images]
    assert "banner_image" not in json_item(an_article(images=images[:1]))


def test_media_files_are_attachments_and_other_links_are_not() -> None:
    actions = (
        Action(url="https://a.example/about"),
        Action(url="https://a.example/1.pdf", title="Book", media_type="application/pdf"),
    )
    expected = {"url": "https://a.example/1.pdf", "mime_type": "application/pdf", "title": "Book"}
    assert json_item(an_article(actions=actions))["attachments"] == [expected]


PDF = Action(url="https://a.example/1.pdf", media_type="application/pdf", size=9, duration=8)
SONG = Action(url="https://a.example/1.mp3", title="Song", media_type="audio/mpeg", size=12345, duration=1865)
CLIP = Action(url="https://a.example/2.mp4", media_type="video/mp4")
FILM = Action(url="https://a.example/3.mp4", media_type="video/mp4")


def found(feed: Feed, fmt: Format, path: str) -> list[dict[str, str]]:
    """The attributes of elements, and their text."""
    namespaces = {"i": ITUNES, "m": MEDIA, "a": ATOM}
    elements = ET.fromstring(render(feed, fmt)).findall(path, namespaces)  # noqa: S314  our own output
    return [one.attrib | ({"": one.text} if one.text else {}) for one in elements]


def test_a_file_has_its_size_type_and_duration_where_each_format_has_a_place() -> None:
    feed = a_feed(an_entry(an_article(actions=(PDF, SONG, CLIP))))
    song = {"url": SONG.url, "fileSize": "12345", "type": "audio/mpeg", "medium": "audio", "duration": "1865"}
    clip = {"url": CLIP.url, "type": "video/mp4", "medium": "video"}

    assert found(feed, Format.RSS, ".//enclosure") == [
        {"url": SONG.url, "length": "12345", "type": "audio/mpeg"}
    ]
    assert found(feed, Format.RSS, ".//i:duration") == [{"": "1865"}]
    assert found(feed, Format.RSS, ".//m:content") == [song]
    assert found(feed, Format.ATOM, ".//a:link[@rel='enclosure']") == [
        {"rel": "enclosure", "type": "application/pdf", "href": PDF.url, "length": "9"},
        {"rel": "enclosure", "type": "audio/mpeg", "href": SONG.url, "length": "12345", "title": "Song"},
        {"rel": "enclosure", "type": "video/mp4", "href": CLIP.url},
    ]
    assert found(feed, Format.ATOM, ".//m:content") == [song, clip]
    assert as_json(feed)["items"][0]["attachments"] == [
        {"url": PDF.url, "mime_type": "application/pdf", "size_in_bytes": 9, "duration_in_seconds": 8},
        {
            "url": SONG.url,
            "mime_type": "audio/mpeg",
            "title": "Song",
            "size_in_bytes": 12345,
            "duration_in_seconds": 1865,
        },
        {"url": CLIP.url, "mime_type": "video/mp4"},
    ]


@pytest.mark.parametrize(
    ("actions", "changes", "lasting"),
    [
        ((CLIP,), {"duration": 60}, [60]),
        ((PDF, CLIP, SONG, FILM), {"duration": 60}, [8, 60, 1865, None]),
        ((SONG,), {"duration": 60}, [1865]),
        ((PDF,), {"duration": 60}, [8]),
        ((CLIP,), {"duration": 60, "video": Video(url="https://v.example/2")}, [None]),
        ((CLIP,), {}, [None]),
        ((Action(url="https://a.example/about"),), {"duration": 60}, []),
    ],
)
def test_the_duration_of_an_article_is_that_of_its_first_file_to_play(
    actions: tuple[Action, ...], changes: dict[str, Any], lasting: list[int | None]
) -> None:
    feed = a_feed(an_entry(an_article(actions=actions, **changes)))
    (item,) = as_json(feed)["items"]
    durations = [file.get("duration_in_seconds") for file in item.get("attachments", [])]
    (main,) = [one["length"] for one in found(feed, Format.RSS, ".//enclosure")] or [""]
    shown = [one[""] for one in found(feed, Format.RSS, ".//i:duration")]

    assert durations == lasting
    playing = [seconds for action, seconds in zip(actions, lasting, strict=False) if action is not PDF]
    assert shown == ([str((playing or lasting)[0])] if main and (playing or lasting)[0] else [])


def test_a_version_1_0_reader_of_json_finds_the_first_author() -> None:
    people = (Person(name="Ann", url="https://a.example/ann"), Person(name="Bob"))
    feed = as_json(a_feed(an_entry(an_article(authors=people)), author="The desk"))
    assert (feed["author"], feed["authors"]) == ({"name": "The desk"}, [{"name": "The desk"}])
    (item,) = feed["items"]
    assert item["authors"] == [{"name": "Ann", "url": "https://a.example/ann"}, {"name": "Bob"}]
    assert item["author"] == item["authors"][0]


def test_what_json_feed_has_no_words_for_is_in_the_extension() -> None:
    article = an_article(
        kind="video",
        category=Term(name="News", slug="news"),
        duration=543,
        amp_urls=("https://a.example/amp",),
        video=Video(url="https://v.example/2", player_url="https://v.example/embed/2"),
        related=(
            Related(
                title="A", url="https://a.example/r", excerpt="B", published=NOON, provider="C", domain="d"
            ),
        ),
    )
    assert json_item(article)["_feedserver"] == {
        "type": "video",
        "category": "News",
        "duration_in_seconds": 543,
        "amp_urls": ["https://a.example/amp"],
        "video": {"url": "https://v.example/2", "player_url": "https://v.example/embed/2"},
        "related": [
            {
                "title": "A",
                "url": "https://a.example/r",
                "excerpt": "B",
                "date_published": "2021-03-14T12:00:00Z",
                "provider": "C",
                "domain": "d",
            }
        ],
    }


def test_related_links_of_atom_are_distinct() -> None:
    related = tuple(
        Related(title=title, url=f"https://a.example/{title.lower()}") for title in ("A", "a", "B")
    )
    (entry,) = parsed(a_feed(an_entry(an_article(related=related))), Format.ATOM).entries
    assert [link.title for link in entry.links if link.rel == "related"] == ["A", "B"]


@pytest.mark.parametrize(("language", "marked"), [("", False), ("en", False), ("de", True)])
def test_an_entry_in_another_language_than_its_channel_says_so(language: str, marked: bool) -> None:
    feed = a_feed(an_entry(an_article(language=language)), language="en")
    assert (b'<entry xml:lang="de">' in render(feed, Format.ATOM)) is marked
    assert (b"<entry>" in render(feed, Format.ATOM)) is not marked
    assert (b"<dc:language>de</dc:language>" in render(feed, Format.RSS)) is marked
    assert (b"dc:language" in render(feed, Format.RSS)) is marked
    assert as_json(feed)["items"][0].get("language", "") == language


def test_a_video_without_a_player_is_played_on_its_page() -> None:
    feed = a_feed(an_entry(an_article(video=Video(url="https://v.example/2"))))
    assert parsed(feed, Format.RSS).entries[0].media_player["url"] == "https://v.example/2"


@pytest.mark.parametrize(
    ("url", "media_type"),
    [("https://a.example/1.JPG?w=2#x", "image/jpeg"), ("https://a.example/1.webp", "image/webp")],
)
def test_the_type_of_an_image_is_told_by_its_extension(url: str, media_type: str) -> None:
    feed = a_feed(an_entry(an_article(images=(Image(url=url),))))
    assert parsed(feed, Format.ATOM).entries[0].media_content[0]["type"] == media_type


def test_the_type_of_an_image_is_left_out_when_nobody_knows() -> None:
    feed = a_feed(an_entry(an_article(images=(Image(url="https://a.example/image.jpg/view"),))))
    assert "type" not in parsed(feed, Format.ATOM).entries[0].media_content[0]


# --- Notes without a title


@pytest.mark.parametrize(
    "article",
    [
        an_article(title="", body_html="<p>Only a text.</p>", excerpt=""),
        an_article(title=" ", body_html="", excerpt="Only an excerpt."),
        an_article(title="", body_html="", excerpt=""),
    ],
    ids=["body", "excerpt", "nothing"],
)
def test_a_note_without_a_title_has_what_each_format_requires(article: Article) -> None:
    """RSS wants a title or a description, JSON Feed content alone, Atom the element, which may be empty."""
    feed = a_feed(an_entry(article))
    item = ET.fromstring(render(feed, Format.RSS)).find("channel/item")  # noqa: S314  made here
    (entry,) = ET.fromstring(render(feed, Format.ATOM)).iter(f"{{{ATOM}}}entry")  # noqa: S314  made here
    titles = [title.text for title in entry.iter(f"{{{ATOM}}}title")]

    assert item is not None
    assert item.find("title") is None
    assert item.findtext("description")
    assert titles == [None]
    assert entry.findtext(f"{{{ATOM}}}content")
    assert "title" not in json_item(article)
    assert json_item(article)["content_html"]


def test_a_foreign_parser_reads_such_a_note_without_a_title() -> None:
    for fmt in XML_FORMATS:
        (entry,) = parsed(a_feed(an_entry(an_article(title=""))), fmt).entries
        assert not entry.get("title")
        assert entry.link
