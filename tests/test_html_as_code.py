"""HTML that Markdown shows as code, and ids that are too long: warnings, and the settings that help."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from feedserver.articles.html_as_code import line_of_html_as_code
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.model import Reading

INDENTED = "<p>The gauge is back.</p>\n\t\n    <div>\n        <p>It was away.</p>\n    </div>\n"


def read(body: str, path: str = "a.md", *, bodies_are_html: bool = False) -> Reading:
    front = "---\ntitle: The gauge\ndate: 2024-05-01\nlink: https://gazette.example/1\n---\n"
    rules = ReadingRules(id_authority="feeds.example", id_year=2021, bodies_are_html=bodies_are_html)
    return read_article((front + body).encode(), PurePosixPath(path), datetime(2024, 5, 1, tzinfo=UTC), rules)


def codes(reading: Reading) -> list[str]:
    return [finding.code for finding in reading.findings]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (INDENTED, 3),
        ("Text.\n\n    <table>\n    <tr><td>1</td></tr>\n    </table>\n", 3),
        ("Text.\n\n\t<ul>\n\t<li>1</li>\n\t</ul>\n", 3),
        ("é\n\n    <IMG src='https://gazette.example/1.png'>\n", 3),
        ("    </section>\n", 1),
        ("- one\n\n      <p>two</p>\n", 3),
    ],
)
def test_html_that_becomes_code_is_found_with_its_line(body: str, line: int) -> None:
    assert line_of_html_as_code(body) == line
    assert "html-as-code" in codes(read(body))


@pytest.mark.parametrize(
    "body",
    [
        "<div>\n    <p>Inside a block of HTML.</p>\n</div>\n",
        "```html\n    <p>code on purpose</p>\n```\n",
        "Text that goes on\n    <b>here</b>\n",
        "Text.\n\n    if a < b: <stdio.h>\n",
        "Text.\n\n    $ echo '<p>'\n",
        "",
    ],
)
def test_other_code_and_other_html_is_left_alone(body: str) -> None:
    assert line_of_html_as_code(body) is None
    assert codes(read(body)) == []


def test_bodies_that_the_settings_call_html_are_html() -> None:
    article = read(INDENTED, bodies_are_html=True).article
    assert article is not None
    assert "<code>" not in article.body_html
    assert "<p>It was away.</p>" in article.body_html
    assert codes(read(INDENTED, bodies_are_html=True)) == []
    markdown = read(INDENTED).article
    assert markdown is not None
    assert "&lt;div&gt;" in markdown.body_html


def test_an_id_that_some_readers_cannot_store_is_a_warning_and_stays_what_it_is() -> None:
    path = "_news/" + "приливы-" * 12 + "1.md"
    reading = read("Text.", path)
    assert reading.article is not None
    assert len(reading.article.id) > 255
    assert codes(reading) == ["long-id"]
    assert codes(read("Text.", "_news/tides.md")) == []
