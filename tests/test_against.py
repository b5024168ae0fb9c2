"""`feedserver check --against FEED`: what readers of an earlier feed would notice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import write_file
from click.testing import CliRunner, Result

from feedserver.cli.group import main
from feedserver.errors import FeedFileError
from feedserver.indexing.against import Differing, as_table, differences, is_harmless
from feedserver.indexing.published_feed import PublishedEntry, read_feed
from feedserver.model import Article

DAY = datetime(2024, 5, 1, tzinfo=UTC)
RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Q</title><link>https://q.example/</link><item><title>A &amp;amp; B</title>
<link>https://q.example/a</link><guid>urn:a</guid><pubDate>Wed, 01 May 2024 02:00:00 +0200</pubDate>
<description>Short</description>
<content:encoded>&lt;p&gt;Long  text&lt;/p&gt;</content:encoded></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Q</title>
<entry><id>urn:a</id><title>A &amp; B</title>
<link href="https://q.example/a"/><published>2024-05-01T00:00:00Z</published>
<updated>2024-05-02T00:00:00Z</updated>
<content type="html">&lt;p&gt;Long text&lt;/p&gt;</content></entry></feed>"""
JSON = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "items": [
            {
                "id": "urn:a",
                "url": "https://q.example/a",
                "title": "A & B",
                "date_published": "2024-05-01T02:00:00+02:00",
                "content_html": "<p>Long text</p>",
            }
        ],
    }
)


@pytest.mark.parametrize("feed", [RSS, ATOM, JSON], ids=["rss", "atom", "json"])
def test_the_entries_of_every_format_are_read(feed: str, tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_text(feed)

    assert read_feed(path) == [PublishedEntry("urn:a", "https://q.example/a", "A & B", DAY, len("Long text"))]


@pytest.mark.parametrize(
    "content", ["", "text", "<html></html>", "{}", '{"items": 3}', "{" * 100_000, "\x00"]
)
def test_a_file_that_is_no_feed_is_an_error_of_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(content)

    with pytest.raises(FeedFileError, match=r"feed.xml: is no "):
        read_feed(path)


def article(
    number: int = 1,
    *,
    id: str = "",  # noqa: A002  the attribute of an article
    title: str = "",
    url: str = "",
    published: datetime = DAY,
    body_html: str = "<p>0123456789</p>",
) -> Article:
    return Article(
        id=id or f"urn:{number}",
        title=title or f"T{number}",
        url=url or f"https://q.example/{number}",
        published=published,
        body_html=body_html,
    )


def entry(
    number: int = 1, *, title: str = "", published: datetime | None = DAY, length: int = 10
) -> PublishedEntry:
    url = f"https://q.example/{number}"
    return PublishedEntry(f"urn:{number}", url, title or f"T{number}", published, length)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (article(), []),
        (article(id="urn:other"), [Differing.ID]),
        (article(url="https://q.example/other"), [Differing.LINK]),
        (article(title="Other"), [Differing.TITLE]),
        (article(published=datetime(2024, 5, 2, tzinfo=UTC)), [Differing.DATE]),
        (article(body_html="<p>01234567</p>"), []),
        (article(body_html="<p>0123456</p>"), [Differing.BODY]),
        (article(body_html="<p>" + "longer" * 99), []),
        (article(id="urn:other", url="https://q.example/other"), [Differing.ID, Differing.LINK]),
        (article(2), [Differing.LOST, Differing.NEW]),
        (article(2, published=datetime(2024, 4, 1, tzinfo=UTC)), [Differing.LOST]),
    ],
)
def test_each_difference_of_an_entry_is_named(now: Article, expected: list[Differing]) -> None:
    found = differences([entry()], [now])

    assert [one.change for one in found] == expected
    assert is_harmless(found) == (set(expected) <= {Differing.NEW})


def test_an_entry_without_a_date_or_a_text_is_not_compared_by_them() -> None:
    assert differences([entry(published=None, length=0)], [article(body_html="")]) == []


def test_a_title_that_several_articles_have_identifies_none() -> None:
    both = [article(1, title="Same"), article(2, title="Same")]
    found = differences([entry(3, title="Same")], both)

    assert [one.change for one in found] == [Differing.LOST, Differing.NEW, Differing.NEW]


def test_the_table_counts_the_differences() -> None:
    found = differences([entry(), entry(2)], [article(url="https://q.example/x"), article(3)])
    table = as_table(found, 2).splitlines()

    assert table[0].split() == ["what", "title", "before", "now"]
    assert table[1].split() == ["link", "T1", "https://q.example/1", "https://q.example/x"]
    assert table[-1] == "2 entries before: 1 lost, 1 link, 1 new"
    assert as_table([], 2) == "2 entries before: all as they were"


def check(folder: Path, feed: str, *more: str) -> Result:
    write_file(folder, "feed.xml", feed)
    write_file(
        folder / "site",
        "a.md",
        '---\ntitle: "A & B"\ndate: 2024-05-01\nid: urn:a\n---\nLong text, even longer.\n',
    )
    write_file(
        folder / "site", "soon.md", "---\ntitle: Soon\ndate: 2999-05-01\nlink: https://q.example/s\n---\n"
    )
    (folder / "feedserver.yaml").write_text(
        f"articles: [{{path: {folder}/site, url: 'https://q.example/{{slug}}'}}]\n"
        f"state: {{dir: {folder}/state}}\n"
    )
    command = [
        "check",
        "--config",
        str(folder / "feedserver.yaml"),
        "--against",
        str(folder / "feed.xml"),
        *more,
    ]
    return CliRunner().invoke(main, command)


def test_the_command_ends_with_0_if_nobody_would_notice(tmp_path: Path) -> None:
    done = check(tmp_path, RSS)

    assert (done.exit_code, done.stdout) == (0, "1 entries before: all as they were\n")
    assert not (tmp_path / "state").exists()


def test_the_command_ends_with_1_and_a_table_if_somebody_would(tmp_path: Path) -> None:
    done = check(tmp_path, RSS.replace("urn:a", "urn:before"))

    assert done.exit_code == 1
    assert "id    A & B  urn:before  urn:a" in done.stdout


def test_a_feed_that_cannot_be_read_is_an_error_of_the_command(tmp_path: Path) -> None:
    done = check(tmp_path, "text")

    assert done.exit_code == 1
    assert "feed.xml: is no feed" in done.stderr


def test_a_link_in_another_spelling_is_no_difference() -> None:
    entry = PublishedEntry("urn:a", "https://q.example/Low Tide/\u00e9", "A", DAY, 0)
    article = Article(id="urn:a", title="A", url="https://q.example/Low%20Tide/%C3%A9", published=DAY)

    assert differences([entry], [article]) == []


def test_a_link_that_is_no_address_is_compared_as_it_is() -> None:
    entry = PublishedEntry("urn:a", "mailto:a@q.example", "A", DAY, 0)
    article = Article(id="urn:a", title="A", url="https://q.example/a", published=DAY)

    assert [one.before for one in differences([entry], [article])] == ["mailto:a@q.example"]
