"""A line that would hide an article counts, whatever else is broken (promise 6)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.hiding_lines import hides_broken_file
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.model import Reading, Verdict

RULES = ReadingRules(id_authority="feeds.example", id_year=2021)
MTIME = datetime(2024, 5, 1, tzinfo=UTC)
GOOD = ["title: The tide gauge", "date: 2024-05-01", "link: https://gazette.example/1", "tags: [Tides, AI]"]
HIDING = [
    "draft: true", "draft: yes", "published: false", "removed: true", "deleted: 'on'", '"draft": true',
    "Draft: TRUE", "draft : true", "draft: maybe", "draft:",
    "dr\u200baft: true", "\u200bdraft: true", "draft\u2060: true", "\uff44\uff52\uff41\uff46\uff54: true",
    "draft: t\u200brue",
]  # fmt: skip
MISTAKES = [
    'excerpt: "not closed', "excerpt: 'not closed", "tags: [Tides", "excerpt: {a: b", "excerpt: a: b",
    "  oops", "\tindented: by a tab", "excerpt: *nothing", "excerpt: @at", "- a list", "? [a, b", "%YAML 3.0",
    "a\x01b: c", "excerpt: !!python/object:os.system x", "no colon here", "excerpt: |2\n x", "`: x",
]  # fmt: skip


def read(text: str | bytes, path: str = "a.md") -> Reading:
    raw = text.encode() if isinstance(text, str) else text
    return read_article(raw, PurePosixPath(path), MTIME, RULES)


def fenced(lines: list[str], fence: str = "---") -> str:
    return "\n".join([fence, *lines, fence, "The body says draft: true and is not meant.", ""])


@pytest.mark.parametrize("hiding", HIDING)
def test_yaml_with_a_hiding_line_is_hidden_whatever_else_is_broken(hiding: str) -> None:
    for mistake in MISTAKES:
        for pair in ([hiding, mistake], [mistake, hiding], [hiding]):
            lines = [*GOOD, *pair]
            for path in ("a.md", "a.html", "a.yaml"):
                text = "\n".join(lines) + "\n" if path == "a.yaml" else fenced(lines)
                assert read(text, path).verdict is Verdict.HIDDEN, (pair, path)


@pytest.mark.parametrize(
    "mistake", ["x = ", "x = 'a", "[a", "x = 1\nx = 2", "x = 2024-13-01", "= 1", 'x = """a']
)
@pytest.mark.parametrize("hiding", ["draft = true", "published = false", '"draft" = true', "draft = 'x'"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_toml_with_a_hiding_line_is_hidden_whatever_else_is_broken(
    hiding: str, mistake: str, place: str
) -> None:
    lines = [hiding, mistake] if place == "before" else [mistake, hiding]
    assert read(fenced(["title = 'A'", *lines], "+++")).verdict is Verdict.HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "A", "draft": true,}',
        '{"title": "A" "draft": true}',
        '{"title": "A", "published":false',
        '{"title": "A,\n"draft": true}',
        "{'title': 'A', 'draft': true}",
        '{\n  "title": "A",\n  // note\n  "removed": true\n}',
        '{"draft": true, "title": "A"}}',
    ],
)
def test_json_with_a_hiding_key_is_hidden_whatever_else_is_broken(text: str) -> None:
    assert read(text, "a.json").verdict is Verdict.HIDDEN


@pytest.mark.parametrize(
    "raw",
    [
        fenced([*GOOD, "draft: true"]).replace("gauge", "g\udce9").encode("utf-8", "surrogateescape"),
        fenced([*GOOD, "draft: true"]).encode("utf-16"),
        "\ufeff".encode("utf-16-be") + fenced([*GOOD, "draft: true"]).encode("utf-16-be"),
        fenced([*GOOD, "draft: true", 'excerpt: "x']).replace("\n", "\r\n").encode("utf-8-sig"),
        fenced([*GOOD, "draft: true", 'excerpt: "x']).replace("\n", "\r").encode(),
        "\n".join(["---", *GOOD, "draft: true", "", "The closing line is missing."]).encode(),
    ],
    ids=["not UTF-8", "UTF-16", "UTF-16, big end first", "BOM and CRLF", "CR", "not closed"],
)
def test_bytes_that_cannot_be_read_do_not_unhide(raw: bytes) -> None:
    assert read(raw).verdict is Verdict.HIDDEN


def test_a_quote_that_is_closed_by_a_later_one_swallows_no_hiding_line() -> None:
    reading = read(fenced([*GOOD, 'excerpt: "left open', "draft: true", 'author: "Bo', 'by"']))
    assert reading.verdict is Verdict.HIDDEN
    swallowed = read(fenced([*GOOD, 'excerpt: "left open', "draft: true", '"']))
    assert swallowed.verdict is Verdict.HIDDEN
    assert "hidden-by-line" in [finding.code for finding in swallowed.findings]


@pytest.mark.parametrize(
    "line",
    [
        "draft: false", "published: true", "excerpt: draft true", "# draft: true", "drafts: true",
        "excerpt: |\n  draft: true\n  published: no", "predraft: true",
        "x: {draft: true}", "publishedDateTime: 2024-05-01", "published: on", "published: 2024-05-01",
    ],
)  # fmt: skip
def test_what_hides_nothing_is_shown(line: str) -> None:
    assert read(fenced([*GOOD, line])).verdict is Verdict.ARTICLE


@pytest.mark.parametrize(
    "piece", ["a", "ab ", "draf", "draft ", '"', "draft:false ", "{", "\u200b", "\uff44", ":"]
)
def test_a_line_of_a_megabyte_is_searched_in_linear_time(piece: str) -> None:
    raw = (piece * (1_000_000 // len(piece.encode()))).encode()
    begun = time.process_time()
    assert not hides_broken_file(raw, is_data=True)
    assert time.process_time() - begun < 5  # quadratic ones took minutes


def test_a_broken_file_that_hides_nothing_stays_broken() -> None:
    assert read(fenced([*GOOD, "draft: false", 'excerpt: "not closed'])).verdict is Verdict.BROKEN


@given(
    st.lists(st.sampled_from([*GOOD, *MISTAKES, "draft: false", "published: true"]) | st.text(max_size=20)),
    st.sampled_from(HIDING),
    st.lists(st.sampled_from([*GOOD, *MISTAKES, '"', "'", "]"]) | st.text(max_size=20)),
)
def test_no_lines_around_a_hiding_line_let_the_article_be_shown(
    before: list[str], hiding: str, after: list[str]
) -> None:
    lines = [line for line in [*before, hiding, *after] if not line.startswith(("---", "..."))]
    assert read(fenced(lines)).verdict is not Verdict.ARTICLE
