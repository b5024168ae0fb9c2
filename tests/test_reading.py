"""Reading one file: verdicts, fields, findings, digests."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from feedserver.articles.dates import parse_date, parse_duration, zone_named
from feedserver.articles.digests import is_visible_change, visible_digest
from feedserver.articles.field_keys import KEYS as FIELD_KEYS
from feedserver.articles.parts import media_type_of
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.text import one_line, several_lines, without_controls
from feedserver.articles.urls import absolute_url
from feedserver.findings import Severity
from feedserver.model import (
    Action,
    Article,
    Image,
    Person,
    Provider,
    Reading,
    Related,
    Taxonomy,
    TaxonomyKind,
    Term,
    Verdict,
    Video,
)
from feedserver.settings.kinds import FIELD_NAMES

RULES = ReadingRules(id_authority="example.org", id_year=2025)
MTIME = datetime(2024, 5, 6, 7, 8, 9, 10, tzinfo=timezone(timedelta(hours=2)))
DATED = "title: A\ndate: 2020-01-02\nlink: https://example.com/a\n"
HIDING = ["published: false", "published: no", "draft: true", "removed: 'yes'", "deleted: ON"]
SENSELESS = [
    "published: maybe",
    "published:",
    "draft: ''",
    "removed: 2020-01-01",
    "deleted: [true]",
    "draft: 2",
]
REAL = Path(__file__).parents[2] / "shared" / "articles"


def read_file(text: str | bytes, path: str = "news/a.md", rules: ReadingRules = RULES) -> Reading:
    return read_article(text.encode() if isinstance(text, str) else text, PurePosixPath(path), MTIME, rules)


def read(front: str, body: str = "", path: str = "news/a.md", rules: ReadingRules = RULES) -> Reading:
    return read_file(f"---\n{front}\n---\n{body}", path, rules)


def article(front: str = "", body: str = "", path: str = "news/a.md", rules: ReadingRules = RULES) -> Article:
    """The article of a dated file with these keys, about which there is nothing to report."""
    reading = read(DATED + front, body, path, rules)
    assert reading.findings == ()
    assert reading.article is not None
    return reading.article


def rules(**changes: object) -> ReadingRules:
    return msgspec.structs.replace(RULES, **changes)


def codes(reading: Reading) -> list[str]:
    return [finding.code for finding in reading.findings]


# --- Verdicts


def test_a_dated_file_with_title_and_url_is_an_article() -> None:
    reading = read(DATED)
    assert reading == Reading(
        verdict=Verdict.ARTICLE,
        article=Article(
            id="tag:example.org,2025:news/a",
            title="A",
            url="https://example.com/a",
            published=datetime(2020, 1, 2, tzinfo=UTC),
            category=Term(name="news", slug="news"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-file"),
        ("\ufeff \r\n", "empty-file"),
        ("# Just Markdown", "no-front-matter"),
        ("---\n---\nText", "not-an-article"),
        ("---\nlayout: page\ntitle: ''\nlink: ~\n---\n", "not-an-article"),
    ],
)
def test_a_file_about_nothing_is_no_article(text: str, code: str) -> None:
    reading = read_file(text)
    assert reading.verdict is Verdict.NOT_ARTICLE
    assert [(f.severity, f.code) for f in reading.findings] == [(Severity.INFO, code)]


def test_an_article_without_a_date_is_undated() -> None:
    reading = read("title: A\nlink: https://example.com/")
    assert reading.verdict is Verdict.UNDATED
    assert [(f.severity, f.code) for f in reading.findings] == [(Severity.WARNING, "undated")]


def test_an_undated_file_needs_neither_title_nor_url() -> None:
    assert read("title: A").verdict is Verdict.UNDATED
    assert read("link: https://example.com/").verdict is Verdict.UNDATED


@pytest.mark.parametrize(
    ("front", "code"),
    [
        ("date: 2020-01-02\nlink: https://example.com/", "no-title"),
        ("date: 2020-01-02\nlink: https://example.com/\ntitle: '&#1;'", "no-title"),
        ("date: 2020-01-02\ntitle: A", "no-url"),
        ("date: 2020-01-02\ntitle: A\nlink: /relative", "no-url"),
        ("date: 2020-01-02\ntitle: A\nlink: javascript:alert(1)", "bad-url"),
        ("date: 2020-01-02\ntitle: A\nlink: 'http://[::1'", "bad-url"),
        ("title: A\nlink: mailto:a@b.example", "bad-url"),
        ("title: [A]", "wrong-type"),
        ("title: A\nlink: [x]", "wrong-type"),
        ("title: A\nid: [x]", "wrong-type"),
    ],
)
def test_what_an_article_is_made_of_must_be_right(front: str, code: str) -> None:
    reading = read(front)
    assert reading.verdict is Verdict.BROKEN
    (finding,) = reading.findings
    assert (finding.severity, finding.code) == (Severity.ERROR, code)


def test_all_problems_of_a_file_are_reported_in_its_order() -> None:
    reading = read("title: [A]\ntopics: {a: b}\nupdated: 2020-02-30\nlength: long")
    assert [(f.line, f.code) for f in reading.findings] == [
        (2, "wrong-type"),
        (3, "wrong-type"),
        (4, "bad-date"),
        (5, "bad-duration"),
    ]


def test_a_publication_in_the_future_is_judged_elsewhere() -> None:
    reading = read(DATED.replace("2020", "2999"))
    assert reading.article is not None
    assert reading.article.published.year == 2999


# --- Visibility (promise 6)


@pytest.mark.parametrize("line", HIDING)
def test_a_key_of_visibility_hides(line: str) -> None:
    assert read(DATED + line) == Reading(verdict=Verdict.HIDDEN)


@pytest.mark.parametrize(
    "line", ["Draft: true", "DRAFT: yes", '" draft": true', "Published: no", "REMOVED: true"]
)
def test_a_key_of_visibility_hides_in_whatever_case_and_with_blanks_around_it(line: str) -> None:
    assert read(DATED + line).verdict is Verdict.HIDDEN


def test_the_date_of_publication_that_hugo_knows_counts_before_the_date() -> None:
    reading = read(DATED + "publishDate: 2999-01-01")
    assert reading.article is not None
    assert reading.article.published.year == 2999


@pytest.mark.parametrize("line", ["published: true", "draft: false", "removed: no", "deleted: 'off'"])
def test_a_key_of_visibility_may_say_visible(line: str) -> None:
    assert read(DATED + line).verdict is Verdict.ARTICLE


@pytest.mark.parametrize("line", SENSELESS)
def test_a_senseless_visibility_hides_and_is_an_error(line: str) -> None:
    reading = read(DATED + line)
    assert reading.verdict is Verdict.HIDDEN
    assert [(f.severity, f.code, f.line) for f in reading.findings] == [(Severity.ERROR, "bad-visibility", 5)]


@pytest.mark.parametrize("line", HIDING)
@pytest.mark.parametrize(
    "trouble",
    [
        "title: [A]",
        "date: 2020-02-30",
        "x: *a",
        "x: !!t y",
        "x: 1\nx: 2",
        "x: \x01",
        "x: [",
        "taxonomy: topic",
    ],
)
def test_what_is_hidden_is_hidden_whatever_else_is_wrong(line: str, trouble: str) -> None:
    reading = read(f"name: A\n{line}\n{trouble}", "body \xe9")
    assert reading.verdict is Verdict.HIDDEN
    assert reading.article is None
    assert reading.taxonomy is None


def test_bytes_that_are_not_utf8_do_not_unhide() -> None:
    assert read_file(b"---\ntitle: \xe9\ndraft: true\n---\n\xff").verdict is Verdict.HIDDEN


@pytest.mark.parametrize("values", [("true", "false"), ("false", "true"), ("true", "true\npublished: false")])
def test_any_of_repeated_keys_may_hide(values: tuple[str, str]) -> None:
    reading = read(f"{DATED}published: {values[0]}\npublished: {values[1]}")
    assert reading.verdict is Verdict.HIDDEN
    assert "duplicate-key" in codes(reading)


@pytest.mark.parametrize("values", [("true", "false"), ("false", "true")])
def test_any_of_repeated_keys_may_hide_in_toml_and_json(values: tuple[str, str]) -> None:
    one, other = values
    toml = f"+++\ntitle = 'A'\ndraft = {one}\ndraft = {other}\n+++\n"
    assert read_file(toml).verdict is Verdict.HIDDEN
    assert (
        read_file(f'{{"date": "2020-01-02", "draft": {one}, "draft": {other}}}', "a.json").verdict
        is Verdict.HIDDEN
    )


@given(st.permutations([*DATED.splitlines(), "topics: [a]", "x: {y: z}", "draft: true"]))
def test_the_order_of_keys_unhides_nothing(lines: list[str]) -> None:
    assert read("\n".join(lines)).verdict is Verdict.HIDDEN


def test_a_related_article_that_hides_itself_is_left_out() -> None:
    shown = "  - {title: B, webUrl: 'https://e.example/b', published: true}\n"
    hidden = "  - {title: C, webUrl: 'https://e.example/c', published: false}\n"
    assert article(f"related:\n{hidden}{shown}").related == (Related(title="B", url="https://e.example/b"),)


@given(
    st.text(st.characters(categories=["L", "N"]), min_size=12, max_size=80),
    st.sampled_from(["", "[", "*", "\x01"]),
)
def test_values_of_unknown_fields_are_in_no_message(secret: str, trouble: str) -> None:
    marked = f"SECRET{secret}"
    front = f"{DATED}secured: '{marked}'\nsecured: {marked}\nlength: 1\nkey: {trouble}{marked}: {marked}"
    reading = read(front, marked)
    assert reading.findings
    assert not any("SECRET" in finding.message for finding in reading.findings)
    if reading.article is not None:
        fields = msgspec.structs.replace(reading.article, body_html="")
        assert b"SECRET" not in msgspec.json.encode(fields)


def test_a_quoted_value_is_cut_and_escaped() -> None:
    (finding,) = read(f'{DATED}length: "\\e[31m\\u202e{"x" * 500}"').findings
    assert "\\x1b[31m\\u202e" in finding.message
    assert finding.message.isprintable()
    assert len(finding.message) < 120


# --- Text


@pytest.mark.parametrize(
    "title", ["2020", "1.10", "2020-01-01", "yes", "0x1F", "1_000", "true", ".NET", "null and void"]
)
def test_a_title_is_the_text_that_was_written(title: str) -> None:
    reading = read(f"title: {title}\ndate: 2020-01-02\nlink: https://example.com/")
    assert reading.article is not None
    assert reading.article.title == title


def test_character_references_are_decoded_once_and_tags_stay_text() -> None:
    got = read("title: It&#8217;s &amp;amp; <b>\ndate: 2020-01-02\nlink: https://e.example")
    assert got.article is not None
    assert got.article.title == "It\u2019s &amp; <b>"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://a.example/?a=1&copy=2&timestamp=3", "https://a.example/?a=1&copy=2&timestamp=3"),
        ("&notaname; &not; &hellip;", "&notaname; \u00ac \u2026"),
        ("&#x1F41D;&#128029;", "\U0001f41d\U0001f41d"),
        (f"&#{'9' * 5000};", f"&#{'9' * 5000};"),
    ],
)
def test_what_is_no_whole_character_reference_stays(written: str, meant: str) -> None:
    assert article(f'excerpt: "{written}"').excerpt == meant


def test_an_excerpt_keeps_its_lines() -> None:
    assert article('excerpt: " a\\u00a0 b \\r\\n\\r\\n\\r\\n\\n c\\x07"').excerpt == "a b\n\nc"
    assert article('excerpt: "a &#10; b"').excerpt == "a\nb"


@given(st.text())
def test_text_is_nfc_without_controls_and_one_line_is_one(text: str) -> None:
    for cleaned in (one_line(text), several_lines(text)):
        assert unicodedata.is_normalized("NFC", cleaned)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", cleaned)
    assert one_line(text) == " ".join(one_line(text).split())


@pytest.mark.parametrize("rest", ["", "\u00e4"], ids=["ascii", "other"])
def test_control_characters_but_tab_and_line_ends_are_dropped_from_any_text(rest: str) -> None:
    for code in range(0x80):
        kept = "" if (code < 0x20 or code == 0x7F) and chr(code) not in "\t\n\r" else chr(code)
        assert without_controls(f"a{chr(code)}b{rest}") == f"a{kept}b{rest}"


# --- Dates and durations


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2020-01-02", "UTC", "2020-01-02T00:00:00"),
        ("2020-01-02", "Asia/Tokyo", "2020-01-01T15:00:00"),
        ("2020-1-2 3:04", "UTC", "2020-01-02T03:04:00"),
        ("2020-01-02T10:00:00Z", "Asia/Tokyo", "2020-01-02T10:00:00"),
        ("2020-01-02 10:00:00 +0800", "UTC", "2020-01-02T02:00:00"),
        ("2020-01-02t10:00:00.999-08:30", "UTC", "2020-01-02T18:30:00"),
        ("2020-01-02T10:00:00+8", "UTC", "2020-01-02T02:00:00"),
        ("2016-12-31T23:59:60Z", "UTC", "2016-12-31T23:59:59"),
        ("Thu, 02 Jan 2020 10:00:00 GMT", "Asia/Tokyo", "2020-01-02T10:00:00"),
        ("2 Jan 2020 10:00 -0500", "UTC", "2020-01-02T15:00:00"),
        ("02 Jan 2020 10:00:00 -0000", "Asia/Tokyo", "2020-01-02T10:00:00"),
        ("02 Jan 2020 10:00:00", "Asia/Tokyo", "2020-01-02T01:00:00"),
        # Clocks went back: the first 02:30; clocks went forward: the offset before.
        ("2020-10-25 02:30", "Europe/Berlin", "2020-10-25T00:30:00"),
        ("2020-03-29 02:30", "Europe/Berlin", "2020-03-29T01:30:00"),
    ],
)
def test_dates_are_understood_as_people_write_them(text: str, zone: str, expected: str) -> None:
    assert parse_date(text, zone_named(zone)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@given(st.text(st.sampled_from("0123456789-:TZ+. JanGMT,"), max_size=30) | st.text())
@example("0001-01-01T00:00:00+14:00")
@example("9999-12-31T23:59:59-14:00")
@example("2020-01-02T10:00:00+99:99")
@example("99 Jan 2020 10:00:00 GMT")
def test_a_text_is_a_date_in_utc_or_a_value_error(text: str) -> None:
    try:
        moment = parse_date(text, zone_named("Pacific/Kiritimati"))
    except ValueError:
        return
    assert moment.tzinfo is UTC
    assert moment.microsecond == 0
    assert moment.astimezone(zone_named("Pacific/Kiritimati")) == moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("PT13M34S", 814), ("PT2H22M", 8520), ("P1DT1S", 86401), ("P2W", 1209600), ("PT1.9S", 1)),
        *(("31:05", 1865), ("1:02:03", 3723), ("00:31:05", 1865), ("125:30", 7530), ("1:30", 90)),
        *((" 1865 ", 1865), ("300", 300), ("31:05.9", 1865), ("0", 0)),
    ],
)
def test_durations_are_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1DT", "P1M", "P1Y", "PT99999999H", "-5", "1e3", "5 min", "9999999999"),
        *("1:60", "1:2", "1:2:03", "1:02:03:04", ":30", "1:", "1:-2", "\u0663:\u0664\u0665"),
    ],
)
def test_other_durations_are_value_errors(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_dates_without_a_zone_are_the_sites() -> None:
    got = article("lastmod: 2020-02-01 12:00", rules=rules(time_zone="America/New_York"))
    assert got.published == datetime(2020, 1, 2, 5, tzinfo=UTC)
    assert got.updated == datetime(2020, 2, 1, 17, tzinfo=UTC)


def test_an_mtime_dates_what_nothing_else_dates_provisionally() -> None:
    undated = "title: A\nlink: https://example.com/"
    reading = read(undated, rules=rules(date_from_mtime=True))
    assert reading.article is not None
    assert reading.article.published == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert reading.date_is_provisional
    assert not read(DATED, rules=rules(date_from_mtime=True)).date_is_provisional


def test_an_mtime_makes_no_article_of_a_page_about_nothing() -> None:
    assert read("layout: page", rules=rules(date_from_mtime=True)).verdict is Verdict.NOT_ARTICLE


# --- URLs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" HTTPS://Example.COM:8443/A b?c=d e#f g ", "https://example.com:8443/A%20b?c=d%20e#f%20g"),
        ("http://bücher.example/straße?q=ü", "http://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%BC"),
        ("http://e.example/100%/%41%zz", "http://e.example/100%25/%41%25zz"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]:80/"),
        ("http://e.example/[a]?b[]=<c>", "http://e.example/%5Ba%5D?b%5B%5D=%3Cc%3E"),
        ("/x", None),
        ("//e.example/x", None),
        ("x/y.html", None),
        ("", None),
    ],
)
def test_urls_become_absolute_ascii_uris(text: str, expected: str | None) -> None:
    assert absolute_url(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://e.example/",
            "http:",
            "http://",
            "https:///x",
            "http:x",
        ),
        *("http://e.example:port/", "http://e.example:99999/", "http://[::1", "http://[x]/", "http://a..b/"),
        *(
            "http://e.example/\x01",
            "http://e\n.example/",
            "http://e.example/\ud800",
            "http://\u2100.example/",
        ),
        *(
            "http://a b.example/",
            f"http://{'a' * 300}.example/",
            f"http://{'ü' * 70}.example/",
            "http://%41.example/",
        ),
    ],
)
def test_what_is_no_url_of_the_web_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages come from several libraries
        absolute_url(text)


URLISH = st.lists(
    st.sampled_from(
        ["http", "https", "://", "//", "e.example", "a-b.co", "/", "?", "#", "%", "%41", "&", "=", "a", "é"]
    )
).map("".join)


@given(URLISH | st.text().map("http://e.example/".__add__) | st.text())
def test_a_url_is_its_own_url_and_ascii(text: str) -> None:
    try:
        url = absolute_url(text, "https://base.example/x/")
    except ValueError:
        return
    if url is not None:
        assert url.isascii()
        assert not re.search(r"[\s<>\"{}|\\^`\x00-\x1f]", url)
        assert absolute_url(url) == url


@given(URLISH.filter(lambda text: text.startswith("http")))
def test_ready_urls_take_a_short_way_to_the_same_result(text: str) -> None:
    """An upper-case scheme keeps a URL off the short way and makes no other difference."""
    outcomes = []
    for spelling in (text, text.replace("http", "HTTP", 1)):
        try:
            outcomes.append(absolute_url(spelling))
        except ValueError:
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


def test_an_unusable_url_falls_on_to_the_next_key() -> None:
    reading = read(
        "title: A\ndate: 2020-01-02\nwebUrl: /x\noriginalUrl: javascript:x\nlink: https://e.example/y"
    )
    assert reading.article is not None
    assert reading.article.url == "https://e.example/y"
    assert [(f.severity, f.code, f.line) for f in reading.findings] == [(Severity.WARNING, "bad-url", 5)]


def test_a_relative_url_is_resolved_against_the_base() -> None:
    based = rules(base_url="https://blog.example/sub/")
    reading = read("title: A\ndate: 2020-01-02\nurl: ../x\nimage: i.png", rules=based)
    assert reading.article is not None
    assert reading.article.url == "https://blog.example/x"
    assert reading.article.images == (Image(url="https://blog.example/i.png"),)


def test_the_pattern_makes_the_url_that_no_key_states() -> None:
    ruled = rules(
        url_pattern="https://blog.example/{year}/{month}/{day}/{slug}/{path}/{other}", time_zone="Asia/Tokyo"
    )
    reading = read("title: A\ndate: 2020-01-01T23:00Z", path="x/_news/ä b.md", rules=ruled)
    assert reading.article is not None
    assert reading.article.url == ("https://blog.example/2020/01/02/%C3%A4%20b/x/news/%C3%A4%20b/%7Bother%7D")


def test_the_index_file_of_a_folder_is_the_page_of_the_folder() -> None:
    ruled = rules(url_pattern="https://blog.example/{path}/{slug}")
    reading = read("title: A\ndate: 2020-01-01", path="posts/v1.2/index.md", rules=ruled)
    assert reading.article is not None
    assert reading.article.url == "https://blog.example/posts/v1.2/v1.2"


# --- The table of keys


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("title", "B", "title", "B"),
        ("published", "2019-01-01", "published", datetime(2019, 1, 1, tzinfo=UTC)),
        ("updated", "2021-01-01", "updated", datetime(2021, 1, 1, tzinfo=UTC)),
        ("url", "https://e.example/", "url", "https://e.example/"),
        ("amp_urls", "https://e.example/", "amp_urls", ("https://e.example/",)),
        ("excerpt", "x", "excerpt", "x"),
        ("category", "News", "category", Term(name="News", slug="news")),
        ("kind", "video", "kind", "video"),
        ("topics", "x", "topics", (Term(name="x", slug="x"),)),
        ("provider", "P", "provider", Provider(name="P", slug="p")),
        ("authors", "Ann", "authors", (Person(name="Ann"),)),
        ("images", "https://e.example/i.png", "images", (Image(url="https://e.example/i.png"),)),
        ("length", "PT1M", "duration", 60),
        ("language", "en_GB", "language", "en-GB"),
        ("id", "urn:x:y", "id", "urn:x:y"),
    ],
)
def test_every_key_of_a_field_and_every_alias_means_the_same(
    field: str, value: str, attribute: str, expected: object
) -> None:
    required = {"title": "title: A", "published": "date: 2020-01-02", "url": "link: https://example.com/"}
    required.pop(field, None)
    ruled = rules(more_keys=((field, ("alias",)),))
    for key in (*FIELD_KEYS[field], "alias", "Alias"):
        if "." in key:
            continue  # in a mapping: another test
        reading = read("\n".join((*required.values(), f"{key}: {value}")), rules=ruled)
        assert reading.findings == ()
        assert getattr(reading.article, attribute) == expected


def test_settings_may_name_exactly_the_fields_of_the_table() -> None:
    assert tuple(FIELD_KEYS) == tuple(FIELD_NAMES)


def test_the_first_name_that_holds_something_wins() -> None:
    reading = read(
        "name: B\ntitle: ''\nheadline: C\ndate: ~\npublished_at: 2020-01-02\nlink: https://e.example"
    )
    assert reading.article is not None
    assert reading.article.title == "B"


def test_keys_match_in_any_letter_case() -> None:
    reading = read(
        "Title: A\nDATE: 2020-01-02\nTags: [x]\nWEBURL: https://e.example/\nImage: {URL: https://e.example/i}"
    )
    assert reading.findings == ()
    assert reading.article is not None
    assert (reading.article.title, reading.article.url) == ("A", "https://e.example/")
    assert [topic.name for topic in reading.article.topics] == ["x"]
    assert reading.article.images == (Image(url="https://e.example/i"),)


def test_of_a_repeated_key_the_last_one_counts_with_a_warning() -> None:
    reading = read(f"{DATED}Title: B\ncomments: 1\ncomments: 2\nprovider: {{name: P, name: Q}}")
    assert reading.article is not None
    assert (reading.article.title, reading.article.provider) == ("B", Provider(name="Q", slug="q"))
    assert {(one.code, one.severity) for one in reading.findings} == {("duplicate-key", Severity.WARNING)}
    assert len(reading.findings) == 3


@pytest.mark.parametrize("keys", ["draft: false\ndraft: false", "Published: true\npublished: true"])
def test_a_repeated_key_that_decides_visibility_costs_the_article(keys: str) -> None:
    reading = read(f"{DATED}{keys}")
    assert reading.verdict is Verdict.BROKEN
    assert codes(reading) == ["duplicate-key"]


def test_a_key_may_be_in_a_mapping_as_deep_as_settings_say() -> None:
    ruled = rules(
        more_keys=(("topics", ("taxonomies.Tags", "extra.page.tags")), ("images", ("cover.image",)))
    )
    got = article(
        "Taxonomies: {tags: [a]}\nextra: {page: {tags: [b, a]}, tags: c}\ncover: {image: https://e.example/c}",
        rules=ruled,
    )
    assert [topic.name for topic in got.topics] == ["a", "b"]
    assert got.images == (Image(url="https://e.example/c"),)


def test_a_key_in_a_mapping_that_is_something_else_counts_as_absent() -> None:
    ruled = rules(more_keys=(("topics", ("taxonomies.tags.x", "a..b", ".")),))
    assert article("taxonomies: {tags: [a]}\na: {b: c}", rules=ruled).topics == ()
    assert article("taxonomies: x", rules=ruled).topics == ()


def test_an_alias_of_an_article_means_nothing_inside_an_image() -> None:
    got = article("images: [{url: 'https://e.example/i.png', link: 'https://e.example/page', name: N}]")
    assert got.images == (Image(url="https://e.example/i.png"),)


# --- Topics, categories, providers, people


def test_topics_of_equal_slugs_are_one_in_the_order_of_the_file() -> None:
    expected = (Term(name="C++", slug="c-plus-plus"), Term(name="AI", slug="ai"))
    assert article("topics: [C++, AI, '#ai', c++, '', ~]").topics == expected
    assert article("tags: C++, AI,, ai , c++").topics == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.md", None),
        ("posts/2020/a.md", "posts"),
        ("power-apps/_learning/videos/a.md", "learning"),
        ("x/_archive/_news/a.md", "news"),
        ("_/y/a.md", "_"),
    ],
)
def test_the_folder_is_the_category_unless_a_key_says_otherwise(path: str, expected: str | None) -> None:
    category = article(path=path).category
    assert (category and category.name) == expected
    assert article("category: Stated", path=path).category == Term(name="Stated", slug="stated")


def test_of_several_categories_the_first_counts() -> None:
    assert article("categories: [One, Two]").category == Term(name="One", slug="one")


def test_a_provider_is_its_name_and_a_domain_names_the_nameless() -> None:
    assert article("provider: {name: Dave's, domain: Dave.Example.}").provider == Provider(
        name="Dave's", slug="daves", domain="dave.example"
    )
    assert article("provider: {domain: dave.example}").provider == Provider(
        name="dave.example", slug="dave-example", domain="dave.example"
    )
    assert article("provider: {}").provider is None


def test_authors_are_collected_from_everywhere_once() -> None:
    got = article(
        "author: Ann\nauthors:\n  - Ann\n  - {name: Bob, url: 'https://b.example/', email: b@b.example}\n"
        "provider: {name: P, authors: [Cy]}"
    )
    bob = Person(name="Bob", url="https://b.example/", email="b@b.example")
    assert got.authors == (Person(name="Ann"), bob, Person(name="Cy"))
    assert got.provider is not None
    assert got.provider.authors == (Person(name="Cy"),)


# --- Parts that only decorate

AUDIO = "https://e.example/1.mp3"
FILE = Action(url=AUDIO, media_type="audio/mpeg")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # One text: a URL, with size and type beside it (Nikola), or in lines (WordPress) or words.
        ("enclosure: {url}", FILE),
        ("enclosure: {url}\nenclosure_length: 12345", replace(FILE, size=12345)),
        (
            "enclosure: {url}?x\nenclosure_type: Audio/X",
            replace(FILE, url=f"{AUDIO}?x", media_type="audio/x"),
        ),
        ("enclosure: |\n  {url}\n  12345\n  audio/x", replace(FILE, size=12345, media_type="audio/x")),
        ("enclosure: |\n  {url}\n  0\n  audio/x\n  a:1:{{s:8}}\n", replace(FILE, media_type="audio/x")),
        ("enclosure: {url}\n  12345\n  audio/x", replace(FILE, size=12345, media_type="audio/x")),
        # Mappings: with the keys of RSS, of JSON Feed, of Castanet.
        (
            "actions: {{url: '{url}', length: 12345678901, type: audio/x, title: T}}",
            Action(url=AUDIO, title="T", media_type="audio/x", size=12345678901),
        ),
        (
            "actions: {{url: '{url}', size_in_bytes: 5, mime_type: audio/x, duration_in_seconds: 7}}",
            Action(url=AUDIO, media_type="audio/x", size=5, duration=7),
        ),
        ("actions: {{file: '{url}', bytes: 5, duration: '31:05'}}", replace(FILE, size=5, duration=1865)),
        # A length that is no number is a duration, as the length of an article.
        ("actions: {{url: '{url}', length: 'PT1M'}}", replace(FILE, duration=60)),
        ("actions: {{url: '{url}', length: '1:02:03', size: 5}}", replace(FILE, size=5, duration=3723)),
        ("actions: {{url: '{url}', length: 5, duration: 7}}", replace(FILE, size=5, duration=7)),
        ("actions: {{url: '{url}', length: 0}}", FILE),
    ],
)
def test_an_action_states_its_size_type_and_duration(lines: str, expected: Action) -> None:
    front = f"{DATED}{lines.format(url=AUDIO)}"
    reading = read(front, rules=rules(more_keys=(("actions", ("enclosure",)),)))

    assert reading.findings == ()
    assert reading.article is not None
    assert reading.article.actions == (expected,)


def test_keys_beside_a_list_of_actions_are_not_about_any_of_them() -> None:
    assert article(f"actions: ['{AUDIO}']\nactions_length: 5").actions == (FILE,)


def test_parts_are_read() -> None:
    got = article(
        "images:\n  - {url: 'https://e.example/i.png', width: 800, height: 400, title: T, attribution: Me}\n"
        "actions:\n  - {url: 'https://e.example/a.MP3?x', title: Listen}\n"
        "  - {url: 'https://e.example/b', type: application/pdf}\n"
        'featuredContent: \'<iframe width="800" src="https://player.vimeo.com/video/1"></iframe>\'\n'
        "related:\n  - {title: R, webUrl: 'https://r.example/', excerpt: E, publishedDateTime: 2020-01-01,"
        " provider: {name: P, domain: p.example}}\n"
        "quality: 83\nheat: '7'\n"
    )
    assert got.images == (
        Image(url="https://e.example/i.png", width=800, height=400, title="T", credit="Me"),
    )
    assert got.actions == (
        Action(url="https://e.example/a.MP3?x", title="Listen", media_type="audio/mpeg"),
        Action(url="https://e.example/b", media_type="application/pdf"),
    )
    assert got.video == Video(
        url="https://vimeo.com/1", player_url="https://player.vimeo.com/video/1", width=800
    )
    assert got.related == (
        Related(
            title="R",
            url="https://r.example/",
            excerpt="E",
            published=datetime(2020, 1, 1, tzinfo=UTC),
            provider="P",
            domain="p.example",
        ),
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("images: [{url: 'javascript:x'}]", "bad-url"),
        ("images: [[x]]", "wrong-type"),
        ("images: [{url: 'https://e.example/i.png', width: wide}]", "bad-number"),
        ("actions: [{url: 'ftp://e.example/'}]", "bad-url"),
        ("actions: [{url: 'https://e.example/1.mp3', length: long}]", "bad-duration"),
        ("actions: [{url: 'https://e.example/1.mp3', length: [1]}]", "wrong-type"),
        ("actions: [{url: 'https://e.example/1.mp3', length: '1234567890123456'}]", "bad-number"),
        ("actions: [{url: 'https://e.example/1.mp3', bytes: 5 MB}]", "bad-number"),
        ("related: [{title: [x], webUrl: 'https://r.example/'}]", "wrong-type"),
        ("related: [{title: x, webUrl: 'https://r.example/', date: never}]", "bad-date"),
        ("related: [{title: x, webUrl: 'https://r.example/', provider: [x]}]", "wrong-type"),
        ("updated: yesterday", "bad-date"),
        ("updated: [2021-01-01]", "wrong-type"),
        ("provider: [a]", "wrong-type"),
        ("provider: {name: [a]}", "wrong-type"),
        ("webUrl: [x]", "wrong-type"),
        ("related: [{title: x, webUrl: 'https://r.example/', draft: perhaps}]", "bad-visibility"),
        ("authors: [{name: A, email: nobody}]", "bad-email"),
        ("provider: {name: P, domain: nowhere}", "bad-domain"),
        ("length: P1M", "bad-duration"),
        ("language: '!'", "bad-language"),
        ("ampWebUrl: 'x:y'", "bad-url"),
        ("featuredContent: [x]", "wrong-type"),
        ("quality: high", "bad-number"),
        ("heat: 1.5", "bad-number"),
        ("heat: 99999999999", "bad-number"),
    ],
)
def test_a_bad_decoration_costs_a_warning_and_not_the_article(line: str, code: str) -> None:
    reading = read(DATED + line)
    assert reading.verdict is Verdict.ARTICLE
    assert [(f.severity, f.code, f.line) for f in reading.findings] == [(Severity.WARNING, code, 5)]
    assert (reading.quality, reading.heat) == (0, 0)


def test_relative_urls_without_a_page_and_a_base_are_dropped_and_a_picture_so_lost_is_said() -> None:
    reading = read("taxonomy: topic\nname: T\nimages: [{url: /i.png}, https://e.example/i.png]")
    assert reading.taxonomy is not None
    assert reading.taxonomy.images == (Image(url="https://e.example/i.png"),)
    assert codes(reading) == ["unusable-part"]


@pytest.mark.parametrize(
    ("front", "url", "title"),
    [
        ("image: {path: /a.png, alt: A cat, height: 100}", "/a.png", "A cat"),
        ("image: {src: /b.png, caption: B}", "/b.png", "B"),
        ("cover: {image: /c.png}", "/c.png", ""),
        ("image: ~\nheroImage: e.png", "/e.png", ""),
        ("image: [{file: /f.png}]", "/f.png", ""),
        ("image: {alt: nothing}\ncover: /g.png", "/g.png", ""),
    ],
)
def test_a_picture_may_be_a_mapping_as_programs_write_it(front: str, url: str, title: str) -> None:
    ruled = rules(more_keys=(("images", ("cover", "heroimage")),), base_url="https://e.example/")
    reading = read(DATED + front, rules=ruled)
    assert reading.article is not None
    (image,) = reading.article.images
    assert (image.url, image.title) == (f"https://e.example{url}", title)


@pytest.mark.parametrize(
    "front", ["image: {alt: nothing}", "author: {email: a@e.example}", "images: [{width: 3}]"]
)
def test_a_picture_or_an_author_that_cannot_be_used_is_a_warning(front: str) -> None:
    reading = read(DATED + front)
    assert reading.article is not None
    assert [(one.code, one.severity) for one in reading.findings] == [("unusable-part", Severity.WARNING)]


@pytest.mark.parametrize(
    ("front", "category", "topics"),
    [
        ("categories: [jekyll, update]\ntags: [news]", "jekyll", ["news", "update"]),
        ("category: one\ncategories: [two, three]", "one", ["two", "three"]),
        ("category: One\ncategories: [one, two]\ntags: [Two, x]", "One", ["Two", "x"]),
        ("topics: [a]\ntags: [b, a]\ntag: c", "news", ["a", "b", "c"]),
        ("tags: [[a, [b]], {name: c}, {label: d}, {slug: e}, ~]", "news", ["a", "b", "c", "d", "e"]),
        ("tags: ['#harbour', '#1', 'C#', '##']", "news", ["harbour", "#1", "C#", "##"]),
    ],
)
def test_all_categories_and_tags_are_in_the_article(front: str, category: str, topics: list[str]) -> None:
    got = article(front)
    assert got.category is not None
    assert (got.category.name, [topic.name for topic in got.topics]) == (category, topics)


@pytest.mark.parametrize("front", ["topics: {a: b}", "tags: [{count: 3}]", "category: {a: b}"])
def test_a_topic_without_a_name_is_left_out_with_a_warning(front: str) -> None:
    reading = read(DATED + front)
    assert reading.article is not None
    assert reading.article.topics == ()
    assert [(one.code, one.severity) for one in reading.findings] == [("wrong-type", Severity.WARNING)]


@pytest.mark.parametrize(
    ("front", "published", "updated"),
    [
        ("date: {created: 2020-01-02, updated: 2021-02-03}", "2020-01-02", "2021-02-03"),
        ("published: 2020-01-02", "2020-01-02", None),
        ("pubDate: 2020-01-02", "2020-01-02", None),
        ("published: true\npubdate: 2020-01-02", "2020-01-02", None),
    ],
)
def test_the_date_of_publication_may_be_in_each_key_that_programs_use(
    front: str, published: str, updated: str | None
) -> None:
    reading = read(f"title: A\nlink: https://e.example/\n{front}")
    assert reading.article is not None
    assert reading.article.published.date().isoformat() == published
    assert (reading.article.updated and reading.article.updated.date().isoformat()) == updated


def test_media_types_do_not_depend_on_the_machine() -> None:
    assert media_type_of("https://e.example/x.WebP?a=b.c#d") == "image/webp"
    assert media_type_of("https://e.example/x.unknown") == media_type_of("https://e.example/") == ""


def test_featured_html_that_is_no_player_stands_before_the_body() -> None:
    got = article("featuredContent: '<b onclick=x>lead</b>'", "text")
    assert got.body_html == "<b>lead</b>\n<p>text</p>"
    assert got.video is None


def test_quality_and_heat_are_no_part_of_the_article() -> None:
    one, other = read(f"{DATED}quality: 1\nheat: 2"), read(f"{DATED}quality: 3\nsecured: x")
    assert (one.quality, one.heat, other.quality, other.heat) == (1, 2, 3, 0)
    assert one.article == other.article


# --- Taxonomy


def test_a_taxonomy_file_describes_a_provider_or_a_topic() -> None:
    reading = read(
        "taxonomy: organization\n_id: x\nname: G W\ndomain: gw.example\ndescription: D\nimages: []"
    )
    assert reading == Reading(
        verdict=Verdict.TAXONOMY,
        taxonomy=Taxonomy(
            kind=TaxonomyKind.PROVIDER, name="G W", slug="g-w", domain="gw.example", description="D"
        ),
    )
    topic = read_file(
        "taxonomy: topic\nname: Canvas apps\nparent: Power Apps\nkeywords: [a, b]", "_data/t.yaml"
    )
    assert topic.taxonomy == Taxonomy(
        kind=TaxonomyKind.TOPIC,
        name="Canvas apps",
        slug="canvas-apps",
        parent="Power Apps",
        keywords=("a", "b"),
    )


def test_a_taxonomy_file_without_a_name_is_broken() -> None:
    reading = read("taxonomy: topic\ndescription: D")
    assert (reading.verdict, codes(reading)) == (Verdict.BROKEN, ["no-name"])


@pytest.mark.parametrize("value", ["{category: blog}", "[topic]", "person"])
def test_a_taxonomy_key_of_another_system_means_nothing(value: str) -> None:
    assert read(f"{DATED}taxonomy: {value}").verdict is Verdict.ARTICLE


# --- Jekyll and Hugo, by the rules alone

JEKYLL = rules(
    date_from_file_name=True,
    url_pattern="/{year}/{month}/{day}/{slug}/",
    base_url="https://blog.example/",
    time_zone="Europe/Berlin",
)
HUGO = rules(url_pattern="https://hugo.example/{path}/")


def test_a_jekyll_post_works_by_the_rules() -> None:
    got = read(
        "layout: post\ntitle: Hello\ndate: 2020-01-02 10:00:00 +0800\ntags: [a, b]\ncategories: [dev]",
        "![i](/i.png)",
        "_posts/2020-01-02-hello-world.md",
        JEKYLL,
    ).article
    assert got is not None
    assert got.id == "tag:example.org,2025:posts/2020-01-02-hello-world"
    assert got.url == "https://blog.example/2020/01/02/hello-world/"
    assert got.published == datetime(2020, 1, 2, 2, tzinfo=UTC)
    assert [topic.name for topic in got.topics] == ["a", "b"]
    assert got.category == Term(name="dev", slug="dev")
    assert 'src="https://blog.example/i.png"' in got.body_html


def test_a_jekyll_file_name_dates_a_post_whose_keys_do_not() -> None:
    got = read("title: Hello", path="_posts/2020-01-02-hello.md", rules=JEKYLL).article
    assert got is not None
    assert got.published == datetime(2020, 1, 1, 23, tzinfo=UTC)
    assert got.category == Term(name="posts", slug="posts")
    assert read("title: Hello", path="_posts/2020-13-45-hello.md", rules=JEKYLL).verdict is Verdict.UNDATED
    assert read("title: Hello", path="_posts/2020-01-02-hello.md").verdict is Verdict.UNDATED


def test_a_hugo_post_works_by_the_rules() -> None:
    front = (
        "title = 'Hi'\ndate = 2020-01-02T03:04:05+01:00\nlastmod = 2020-02-01\ndraft = false\ntags = ['a']\n"
    )
    got = read_file(f"+++\n{front}[params]\nx = 1\n+++\n*Text*\n", "posts/hi.md", HUGO).article
    assert got is not None
    assert got.url == "https://hugo.example/posts/hi/"
    assert got.published == datetime(2020, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert got.updated == datetime(2020, 2, 1, tzinfo=UTC)
    assert got.topics == (Term(name="a", slug="a"),)
    assert got.body_html == "<p><em>Text</em></p>"
    hidden = front.replace("draft = false", "draft = true")
    assert read_file(f"+++\n{hidden}+++\n", "posts/hi.md", HUGO).verdict is Verdict.HIDDEN


def test_a_hugo_section_is_no_article() -> None:
    assert (
        read("title: Posts\ndate: 2020-01-02", path="posts/_index.md", rules=HUGO).verdict
        is Verdict.NOT_ARTICLE
    )


# --- Digests (promise 1)


def digest(front: str = "", body: str = "") -> bytes:
    return visible_digest(article(front, body))


def test_the_digest_of_an_article_never_changes() -> None:
    got = article("topics: [AI]\nprovider: {name: P, domain: p.example}\nexcerpt: E", "Text")
    assert visible_digest(got).hex() == (
        "e5b377d3794c887c3e96dfbaf9afce64"  # the source
        "bd90eafff0b220a3bcad160ca4b09ddf"  # what is displayed
    )


def test_what_no_subscriber_sees_changes_no_digest() -> None:
    assert digest() == digest("quality: 1\nheat: 2\nsecured: x\npublished: true") == digest("", "\n \n")


@pytest.mark.parametrize(
    "front",
    [
        "excerpt: x",
        "topics: x",
        "category: x",
        "length: PT1S",
        "lang: en",
        "provider: x",
        "updated: 2021-01-01",
    ],
)
def test_what_a_subscriber_sees_changes_the_digest(front: str) -> None:
    assert is_visible_change(digest(), digest(front))


def test_another_renderer_is_no_visible_change() -> None:
    got = article("", "*a*")
    rendered = msgspec.structs.replace(got, body_html="<i>b</i>")
    assert not is_visible_change(visible_digest(got), visible_digest(rendered))
    assert is_visible_change(visible_digest(rendered), digest("", "*c*"))


def test_the_same_text_in_other_markup_is_no_visible_change() -> None:
    assert digest("", "*a*") != digest("", "_a_")
    assert not is_visible_change(digest("", "*a*"), digest("", "_a_"))


# --- Any bytes at all (promise 5)

WORDS = [
    *(
        "---\n",
        "+++\n",
        "...\n",
        "title: ",
        "date: ",
        "link: ",
        "published: ",
        "topics: ",
        "provider: ",
        "images: ",
    ),
    *(
        "taxonomy: topic",
        "id: ",
        "related: ",
        "2020-01-02",
        "https://e.example/",
        "\n",
        "\r\n",
        "  ",
        "- ",
        "[",
        "]",
    ),
    *(
        "{",
        "}",
        ", ",
        ": ",
        '"',
        "'",
        "|\n",
        ">\n",
        "&a ",
        "*a",
        "!!x ",
        "? ",
        "#",
        "\t",
        "\x00",
        "\ufeff",
        "é",
        "\\",
    ),
    *("false", "~", "<iframe src='//x.example'>", "\u2028", "\x85", "=", "[[", "name = ", "\ud7ff", "9" * 20),
]
SUFFIXES = st.sampled_from([".md", ".html", ".yaml", ".json", ".MD", ""])
EVERYTHING = rules(
    date_from_file_name=True, date_from_mtime=True, base_url="https://b.example/", url_pattern="/{path}"
)


def check_any(raw: bytes, suffix: str) -> None:
    for ruled in (RULES, EVERYTHING):
        reading = read_article(raw, PurePosixPath(f"_a/2020-01-02-x{suffix}"), MTIME, ruled)
        assert (reading.article is not None) == (reading.verdict is Verdict.ARTICLE)
        assert (reading.taxonomy is not None) == (reading.verdict is Verdict.TAXONOMY)
        errors = [f for f in reading.findings if f.severity is Severity.ERROR]
        if reading.verdict is Verdict.BROKEN:
            assert errors
        elif reading.verdict is not Verdict.HIDDEN:
            assert not errors
        assert all(f.line >= 1 and f.column >= 1 and f.message.isprintable() for f in reading.findings)
        assert msgspec.json.decode(msgspec.json.encode(reading), type=Reading) == reading
        if reading.article is not None:
            visible_digest(reading.article)


@given(st.binary(max_size=200), SUFFIXES)
def test_any_bytes_are_read_to_a_verdict(raw: bytes, suffix: str) -> None:
    check_any(raw, suffix)
    check_any(b"---\n" + raw + b"\n---\n" + raw, suffix)


@given(st.lists(st.sampled_from(WORDS), max_size=40).map("".join), SUFFIXES)
def test_any_yaml_like_text_is_read_to_a_verdict(text: str, suffix: str) -> None:
    check_any(text.encode(), suffix)
    check_any(f"---\n{DATED}{text}\n---\n{text}".encode(), suffix)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("https://e.example/"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({*(key for names in FIELD_KEYS.values() for key in names), "published", "taxonomy", "domain"})


@given(st.dictionaries(st.sampled_from(KEYS), JSON_VALUES))
def test_any_value_of_any_key_is_read_to_a_verdict(fields: dict[str, object]) -> None:
    check_any(json.dumps(fields).encode(), ".json")
    check_any(
        json.dumps(
            {**fields, "title": "A\ud800", "date": "2020-01-02", "webUrl": "https://e.example/"}
        ).encode(),
        ".json",
    )


def test_a_path_that_is_not_utf8_is_no_obstacle() -> None:
    got = article(path="_x\udce9/\udcff.md")
    assert got.id == "tag:example.org,2025:x%ED%B3%A9/%ED%B3%BF"
    assert got.category == Term(name="x", slug="x")
    assert len(visible_digest(got)) == 32


# --- Real articles


@pytest.mark.skipif(not REAL.is_dir(), reason="the real articles are not here")
def test_the_real_articles_read_without_an_error() -> None:
    verdicts: Counter[Verdict] = Counter()
    hidden: Counter[str] = Counter()
    for path in sorted(path for path in REAL.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        reading = read_article(raw, PurePosixPath(path.relative_to(REAL)), MTIME, RULES)
        verdicts[reading.verdict] += 1
        assert not [f for f in reading.findings if f.severity is Severity.ERROR], path
        if reading.verdict is Verdict.HIDDEN:
            hidden["removed" if b"\nremoved: true" in raw else "unpublished"] += 1
    assert verdicts == {
        Verdict.ARTICLE: 463,
        Verdict.HIDDEN: 63,
        Verdict.UNDATED: 120,
        Verdict.TAXONOMY: 77,
    }
    assert hidden == {"unpublished": 60, "removed": 3}
