"""The spelling of text in XML: HTML as CDATA, plain text by references, and the same text to every parser."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import feedparser
import pytest
from feed_samples import a_feed, an_article, an_entry
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from feedserver.model import Feed, Format
from feedserver.render import atom, render, rss
from feedserver.render.content import content_html
from feedserver.render.spelling import Spelling
from feedserver.render.text import legible

ATOM, CONTENT = "{http://www.w3.org/2005/Atom}", "{http://purl.org/rss/1.0/modules/content/}"
# Where a document has the content of an entry with an excerpt, and the excerpt.
PLACES = {
    Format.RSS: (f".//{CONTENT}encoded", ".//item/description"),
    Format.ATOM: (f".//{ATOM}content", f".//{ATOM}summary"),
}
# Ends of a section, texts that look like one, texts that XML reads otherwise, and ends of an entry.
PIECES = ["]", "]]", "]]>", ">", "<![CDATA[", "\r", "\r\n", "\n", "&#13;", "&amp;", "&lt;", "&", "<"]
TAGS = ["</content:encoded>", "</item>\n", "<entry", "</channel></rss>", '<source src="a?b&amp;c">&amp;']
TEXT = st.lists(st.sampled_from([*PIECES, *TAGS]) | st.text(max_size=5), max_size=12).map("".join)


def a_text_feed(body: str, excerpt: str) -> Feed:
    return a_feed(an_entry(an_article(body_html=f"<p>{body}", excerpt=f"A{excerpt}")))


def by_lxml(document: bytes, path: str) -> str | None:
    return etree.fromstring(document).findtext(path)


def by_element_tree(document: bytes, path: str) -> str | None:
    return ET.fromstring(document).findtext(path)  # noqa: S314  our own output


@pytest.mark.parametrize("find", [by_lxml, by_element_tree])
@pytest.mark.parametrize("fmt", PLACES)
@given(body=TEXT, excerpt=TEXT)
def test_any_text_comes_out_of_a_parser_as_it_went_in(
    fmt: Format, find: Callable[[bytes, str], str | None], body: str, excerpt: str
) -> None:
    feed = legible(a_text_feed(body, excerpt))
    content, summary = PLACES[fmt]
    document = render(feed, fmt)

    assert find(document, content) == content_html(feed.entries[0])
    assert find(document, summary) == find(escaped(feed, fmt), summary)


def escaped(feed: Feed, fmt: Format) -> bytes:
    """The same document in the spelling of lxml."""
    write = rss._write if fmt is Format.RSS else atom._write  # noqa: SLF001  before it is spelt
    return write(feed)


@pytest.mark.parametrize("fmt", PLACES)
@given(body=TEXT)
def test_any_content_comes_out_of_feedparser_as_it_went_in(fmt: Format, body: str) -> None:
    """Without its own corrections: it sanitises, strips, and takes Latin-1 for UTF-8 decoded wrongly."""
    feed = legible(a_text_feed(re.sub("[\x80-\xff]", "", body), "."))
    result = feedparser.parse(render(feed, fmt), sanitize_html=False, resolve_relative_uris=False)

    assert not result.bozo
    assert result.entries[0].content[0].value == content_html(feed.entries[0]).strip()


@pytest.mark.parametrize("fmt", PLACES)
def test_html_is_written_as_it_is_and_the_end_of_a_section_is_split(fmt: Format) -> None:
    document = render(a_text_feed("A &amp; B ]]> C</p>", " & B\nC"), fmt)

    assert b"<![CDATA[<p>A &amp; B ]]]]><![CDATA[> C</p>\n<p>Source: <a href=" in document
    assert b"<![CDATA[A &amp; B<br>\nC]]></" in document


@pytest.mark.parametrize("fmt", PLACES)
def test_a_document_of_fifty_entries_has_few_references(fmt: Format) -> None:
    """fast-xml-parser 4.5.5 to 4.5.7 and 5.5.6 to 5.6.0 refuse a document with more than 1,000."""
    body = '<p>A <a href="https://a.example/?b=1&amp;c=2">&lt;link></a></p>' * 50
    articles = [an_article(number, title="Q & A", excerpt="A & B", body_html=body) for number in range(50)]
    document = render(a_feed(*map(an_entry, articles)), fmt)

    sections = re.compile(rb"<!\[CDATA\[.*?\]\]>", re.DOTALL)
    assert len(re.findall(rb"&#?\w+;", sections.sub(b"", document))) == len(articles)


def test_only_the_named_elements_are_spelt_otherwise() -> None:
    spell = Spelling(html=["x:html"], plain=["plain"])
    text = b"&lt;&amp;&gt;"
    before = b'<a b="&gt;"><x:html c="&gt;">%b</x:html><plain>%b</plain>&lt;<plain2>&lt;</plain2></a>' % (
        text,
        text,
    )

    assert spell(before) == (
        b'<a b="&gt;"><x:html c="&gt;"><![CDATA[<&>]]></x:html>'
        b"<plain>&#x3C;&#x26;&#x3E;</plain>&lt;<plain2>&lt;</plain2></a>"
    )
