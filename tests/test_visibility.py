"""The keys that hide an article, and from when until when it is visible (promise 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.visibility_keys import HIDDEN_IF, VISIBLE_WHEN, decides_visibility
from feedserver.findings import Severity
from feedserver.model import Reading, Verdict

RULES = ReadingRules(
    id_authority="feeds.example",
    id_year=2021,
    hidden_if=(
        ("extra.public_draft", ()),
        ("Stage", ("Idea", "in review", "YES")),
        ("feeds.main", ("off",)),
        ("editors", ()),
    ),
)
MTIME = datetime(2024, 5, 1, tzinfo=UTC)
TITLE = "title: The lamp is lit\nlink: https://gazette.example/lamp\n"
DATED = f"{TITLE}date: 2024-05-01\n"


def read(front: str, rules: ReadingRules = RULES, fence: str = "---") -> Reading:
    return read_article(f"{fence}\n{front}\n{fence}\nText.\n".encode(), PurePosixPath("a.md"), MTIME, rules)


def errors(reading: Reading) -> list[str]:
    return [one.code for one in reading.findings if one.severity is Severity.ERROR]


def day(reading: Reading) -> str:
    assert reading.article is not None, reading.findings
    return reading.article.published.date().isoformat()


# --- Keys and values that hide


@pytest.mark.parametrize("key", sorted(key for key, visible in VISIBLE_WHEN.items() if not visible))
@pytest.mark.parametrize("value", ["true", "YES", "on", "y", "'1'", "1", "True"])
def test_a_key_that_says_hidden_hides(key: str, value: str) -> None:
    for spelling in (key, key.upper(), key.capitalize(), f'" {key}"'):
        assert read(f"{DATED}{spelling}: {value}") == Reading(verdict=Verdict.HIDDEN)


@pytest.mark.parametrize("key", sorted(VISIBLE_WHEN))
@pytest.mark.parametrize(
    ("no", "yes"), [("false", "true"), ("NO", "Yes"), ("off", "on"), ("n", "Y"), ("0", "1"), ("'0'", "'1'")]
)
def test_truth_values_in_every_spelling_hide_or_not(key: str, no: str, yes: str) -> None:
    shown, hidden = (yes, no) if VISIBLE_WHEN[key] else (no, yes)
    assert read(f"{DATED}{key}: {shown}").verdict is Verdict.ARTICLE
    assert read(f"{DATED}{key}: {hidden}") == Reading(verdict=Verdict.HIDDEN)


@pytest.mark.parametrize("key", sorted(VISIBLE_WHEN))
@pytest.mark.parametrize("value", ["", "perhaps", "''", "~", "[true]", "{a: b}", "2"])
def test_a_truth_value_that_is_none_hides_and_is_an_error(key: str, value: str) -> None:
    reading = read(f"{DATED}{key}: {value}")
    assert reading.verdict is Verdict.HIDDEN
    assert errors(reading) == ["bad-visibility"]


@pytest.mark.parametrize(
    "line",
    [
        "status: draft", "Status: Private", "status: hidden", "status: [pending]", "STATUS: 'Trash '",
        "post_status: draft", "post-status: unlisted", "visibility: private", "visibility: [members]",
        "public: false", "Public: no", "feed: false", "password: tide", "Password: 1234", "password: [a]",
        "headless: true", "build: {list: never}", "build:\n  list: false", "_build: {render: Never}",
        "eleventyExcludeFromCollections: true", "status: dr\u200baft", "\u200bstatus: draft",
        "extra: {public_draft: 1066}", "Extra:\n  Public_Draft: true", "stage: idea", "STAGE: [done, IDEA]",
        "stage: In Review", "stage: true", "feeds: {main: no}", "editors: [Bo]", "editors: {a: b}",
    ],
)  # fmt: skip
def test_a_value_that_a_rule_names_hides(line: str) -> None:
    assert read(DATED + line) == Reading(verdict=Verdict.HIDDEN)


@pytest.mark.parametrize(
    "line",
    [
        "status: published", "status: evergreen", "status: [done]", "status:", "visibility: public",
        "public: true", "feed: true", "feed: https://gazette.example/", "feed: {title: A}", "password: ''",
        "password: false", "password: ~", "headless: false", "build: {list: always, render: link}",
        "build: never", "eleventyExcludeFromCollections: false", "extra: {public_draft: false}", "extra: x",
        "extra: {other: 1}", "stage: done", "stage: {idea: yes}", "list: never", "editors: []",
    ],
)  # fmt: skip
def test_a_value_that_no_rule_names_hides_nothing(line: str) -> None:
    assert read(DATED + line).verdict is Verdict.ARTICLE


def test_a_key_in_a_mapping_hides_in_toml_and_json() -> None:
    toml = 'title = "A"\ndate = 2024-05-01\n[extra]\npublic_draft = 1066'
    assert read(toml, fence="+++").verdict is Verdict.HIDDEN
    raw = b'{"title": "A", "date": "2024-05-01", "build": {"list": "never"}}'
    assert read_article(raw, PurePosixPath("a.json"), MTIME, RULES).verdict is Verdict.HIDDEN


BROKEN = "excerpt: 'a quote that is not closed"


@pytest.mark.parametrize(
    "line",
    [
        "private: true", "isDraft: true", "publish: false", "status: draft", "Status: [Draft]",
        "visibility: 'private'", "build: {list: never}", "build:\n  render: never", "build.list = 'never'",
        "password: x", "Stage: in review", "stage: 'idea'", "feed: 0", "extra:\n  public_draft: 12",
    ],
)  # fmt: skip
def test_a_key_that_hides_does_so_in_a_broken_file_too(line: str) -> None:
    for pair in (f"{line}\n{BROKEN}", f"{BROKEN}\n{line}"):
        assert read(DATED + pair).verdict is Verdict.HIDDEN, pair


@pytest.mark.parametrize(
    "line", ["status: published", "stage: done", "password: ''", "feed: true", "publish: 8 Jul 2024 10:00"]
)
def test_a_key_that_hides_nothing_leaves_a_broken_file_broken(line: str) -> None:
    assert read(f"{DATED}{line}\n{BROKEN}").verdict is Verdict.BROKEN


@pytest.mark.parametrize("line", ["status: draft", "Private: yes", "stage: idea", "build.list: never"])
def test_a_line_that_hides_counts_inside_of_a_text_whose_quote_was_left_open(line: str) -> None:
    reading = read(f'{DATED}excerpt: "left open\n{line}\nauthor: "Bo')
    assert reading.verdict is Verdict.HIDDEN


@pytest.mark.parametrize(
    ("key", "decides"),
    [("status", True), ("Hidden", True), ("stage", True), ("extra", False), ("date", False), ("tags", False)],
)
def test_a_repeated_key_costs_the_article_if_it_may_hide_it(key: str, decides: bool) -> None:
    assert decides_visibility(key, RULES.hidden_if) is decides
    reading = read(
        f"{DATED}{key}: off\n{key}: off" if key == "Hidden" else f"{DATED}{key}: 2024\n{key}: 2024"
    )
    if decides:
        assert errors(reading) == ["duplicate-key"]


def test_no_preset_is_needed_for_the_keys_that_every_folder_has() -> None:
    bare = msgspec.structs.replace(RULES, hidden_if=())
    for key, values in HIDDEN_IF:
        outer, _, inner = key.partition(".")
        for value in values or ("x",):
            line = f"{outer}: {{{inner}: {value}}}" if inner else f"{key}: {value}"
            assert read(DATED + line, bare) == Reading(verdict=Verdict.HIDDEN)


# --- Dates


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-01",
        "'2024-05-01'",
        "2024-05-01 10:00:00 +0200",
        "2024-05-01T10:00:00Z",
        "1 May 2024 10:00 GMT",
    ],
)
@pytest.mark.parametrize("key", ["published", "Published", "publish"])
def test_a_date_under_a_key_that_may_hide_says_when(key: str, value: str) -> None:
    rules = msgspec.structs.replace(RULES, more_keys=(("published", ("publish",)),))
    reading = read(f"{TITLE}{key}: {value}\ndraft: false", rules)
    assert day(reading) == "2024-05-01"
    assert reading.findings == ()


@pytest.mark.parametrize(
    "later",
    [
        "publishdate: 2099-01-01", "PublishDate: 2099-01-01", "pubdate: 2099-01-01", "pubDate: 2099-01-01",
        "published_at: 2099-01-01", "publishedDateTime: 2099-01-01", "published: 2099-01-01",
        "Published: 'Thu, 01 Jan 2099 00:00:00 GMT'", "date: 2099-01-01", "DATE: 2099-01-01",
        "goes_out: 2099-01-01", "extra: {goes_out: 2099-01-01}",
    ],
)  # fmt: skip
def test_the_latest_date_of_publication_that_is_stated_decides(later: str) -> None:
    rules = msgspec.structs.replace(RULES, more_keys=(("published", ("goes_out", "extra.goes_out")),))
    for front in (f"{DATED}{later}", f"{TITLE}{later}\ndate: 2024-05-01"):
        reading = read(front, rules)
        assert reading.article is not None
        assert max(reading.article.published, reading.visible_from or MTIME) == datetime(
            2099, 1, 1, tzinfo=UTC
        )


@pytest.mark.parametrize(
    ("front", "shown"),
    [
        ("date: 2024-05-01\npublishDate: 2024-06-01", "2024-06-01"),
        ("date: 2024-05-01\npubdate: 2024-06-01", "2024-05-01"),
        ("publishedDateTime: 2024-05-01\ndate: 2024-06-01", "2024-05-01"),
        ("date: {created: 2024-05-01}\npublished: 2024-06-01", "2024-05-01"),
    ],
)
def test_the_date_that_is_shown_is_that_of_the_first_key(front: str, shown: str) -> None:
    reading = read(f"{TITLE}{front}")
    assert day(reading) == shown
    assert reading.visible_from == datetime(2024, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "nothing",
    ["publishdate:", "publishdate: ''", "published: true", "published: 1", "pubdate: yes"],
)
def test_a_key_without_a_date_takes_no_part(nothing: str) -> None:
    reading = read(f"{DATED}{nothing}")
    assert (day(reading), reading.visible_from) == ("2024-05-01", None)


@pytest.mark.parametrize("key", ["date", "publishdate", "pubDate", "published_at", "expiryDate", "expires"])
@pytest.mark.parametrize("value", ["soon", "2024-02-30", "[2024-05-01]", "2024-13-01", "1", "01/02/2024"])
def test_a_date_that_cannot_be_read_hides_and_is_an_error(key: str, value: str) -> None:
    dated = TITLE if key == "date" else DATED
    reading = read(f"{dated}{key}: {value}")
    assert reading.verdict is Verdict.HIDDEN
    (finding,) = reading.findings
    assert finding.severity is Severity.ERROR
    assert finding.line == 4 + (key != "date")
    assert key in finding.message


def test_a_repeated_date_of_publication_counts_each_time() -> None:
    reading = read(f"{TITLE}date: 2099-01-01\ndate: 2024-05-01")
    assert day(reading) == "2024-05-01"
    assert reading.visible_from == datetime(2099, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("front", "until"),
    [
        ("expiryDate: 2024-06-01", "2024-06-01T00:00"),
        ("expirydate: 2024-06-01 10:00", "2024-06-01T10:00"),
        ("unpublishdate: 2024-06-01", "2024-06-01T00:00"),
        ("Expires: 2024-06-01", "2024-06-01T00:00"),
        ("expires: 2024-07-01\nexpiryDate: 2024-06-01", "2024-06-01T00:00"),
        ("expires: 2024-07-01\nexpires: 2024-08-01", "2024-07-01T00:00"),
    ],
)
def test_the_earliest_date_of_expiry_is_the_end(front: str, until: str) -> None:
    reading = read(f"{DATED}{front}")
    assert reading.article is not None
    assert reading.visible_until == datetime.fromisoformat(until).replace(tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "~", "false", "0", "0001-01-01T00:00:00Z"])
def test_no_date_of_expiry_is_no_end(value: str) -> None:
    reading = read(f"{DATED}expires: {value}")
    assert reading.verdict is Verdict.ARTICLE
    assert reading.visible_until is None


@pytest.mark.parametrize("value", ["0", "0000-00-00", "0001-01-01T00:00:00Z"])
def test_a_zero_as_a_date_of_publication_hides(value: str) -> None:
    for front in (f"{TITLE}date: {value}", f"{DATED}publishdate: {value}"):
        reading = read(front)
        assert reading.verdict is Verdict.HIDDEN
        assert errors(reading) == ["bad-date"]


@pytest.mark.parametrize(
    "keys",
    [
        "draft: true", "status: private", "Hidden: yes", "expiryDate: 2099-01-01", "date: soon",
        "date: 2024-01-01, published_at: soon", "extra: {public_draft: 1}",
    ],
)  # fmt: skip
def test_a_related_article_is_left_out_in_doubt(keys: str) -> None:
    reading = read(f"{DATED}related: [{{title: B, webUrl: 'https://gazette.example/b', {keys}}}]")
    assert reading.article is not None
    assert reading.article.related == ()


def test_a_related_article_waits_for_the_latest_of_its_dates() -> None:
    keys = "date: 2024-01-01, publishdate: 2099-01-01"
    reading = read(f"{DATED}related: [{{title: B, webUrl: 'https://gazette.example/b', {keys}}}]")
    assert reading.article is not None
    assert [one.published for one in reading.article.related] == [datetime(2099, 1, 1, tzinfo=UTC)]


@given(
    st.permutations([
        "title: A", "date: 2024-05-01", "publishdate: 2099-01-01", "link: https://gazette.example/a",
        "tags: [x]", "published: true", "pubDate: 2023-01-01",
    ])
)  # fmt: skip
def test_the_order_of_keys_publishes_nothing_earlier(lines: list[str]) -> None:
    reading = read("\n".join(lines))
    assert reading.article is not None
    assert max(reading.article.published, reading.visible_from or MTIME).year == 2099
