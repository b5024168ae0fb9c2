"""Splitting a file and reading its front matter: YAML, TOML and JSON."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.frontmatter import read_front_matter
from feedserver.articles.nodes import FindingNotes, KeyValue, Mapping, Scalar, Sequence
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.split_file import SplitFile
from feedserver.errors import FrontMatterError
from feedserver.model import Finding, Reading, Verdict

RULES = ReadingRules(id_authority="example.org", id_year=2025)
MTIME = datetime(2024, 5, 6, tzinfo=UTC)
DATED = "title: A\ndate: 2020-01-02\nlink: https://example.com/a\n"


def split(text: str | bytes, suffix: str = ".md") -> SplitFile:
    notes = FindingNotes()
    document = read_front_matter(text.encode() if isinstance(text, str) else text, suffix, notes)
    assert document is not None
    assert not notes.findings
    return document


def read(text: str | bytes, path: str = "news/a.md") -> Reading:
    return read_article(text.encode() if isinstance(text, str) else text, PurePosixPath(path), MTIME, RULES)


def only_error(text: str | bytes, path: str = "news/a.md") -> Finding:
    reading = read(text, path)
    assert reading.verdict is Verdict.BROKEN
    (finding,) = reading.findings
    return finding


def texts(document: SplitFile) -> dict[str, str]:
    return {e.key: e.value.text for e in document.fields.entries if isinstance(e.value, Scalar)}


# --- Where the front matter ends


def test_the_front_matter_stands_between_two_lines_and_the_body_follows() -> None:
    document = split("---\na: b\n---\n\nBody\n---\nmore\n")
    assert texts(document) == {"a": "b"}
    assert document.body == "\nBody\n---\nmore\n"


@pytest.mark.parametrize("closing", ["---", "...", "--- \t"])
def test_a_closing_line_may_be_dots_and_may_end_the_file(closing: str) -> None:
    assert texts(split(f"--- \na: b\n{closing}")) == {"a": "b"}


def test_dashes_inside_a_line_close_nothing() -> None:
    assert texts(split("---\na: b --- c\nd: '---x'\n---\n")) == {"a": "b --- c", "d": "---x"}


@pytest.mark.parametrize(
    "text", ["", "Text", "----\na: b\n---\n", "\n---\na: b\n---\n", "--- x\n---\n", "a: b\n---\n"]
)
def test_without_the_first_line_there_is_no_front_matter(text: str) -> None:
    assert read_front_matter(text.encode(), ".md", FindingNotes()) is None


@pytest.mark.parametrize("text", ["---", "---\n", "---\ntitle: A\n", "+++\ntitle = 'A'\n---\n"])
def test_unclosed_front_matter_is_an_error(text: str) -> None:
    with pytest.raises(FrontMatterError, match="closing") as caught:
        read_front_matter(text.encode(), ".md", FindingNotes())
    assert caught.value.code == "front-matter-unclosed"


# --- Bytes


@given(st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=8, max_size=8), st.booleans())
def test_line_ends_and_a_bom_make_no_difference(breaks: list[str], bom: bool) -> None:
    lines = f'---\n{DATED}x: "a\n  b"\n---\n# Head\nText'.split("\n")
    text = "".join(line + end for line, end in zip(lines, [*breaks, ""], strict=True))
    assert read("\n".join(lines)) == read(("\ufeff" if bom else "") + text)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_bytes_that_are_not_utf8_are_reported_with_their_line(line_end: str) -> None:
    raw = f"---\n{DATED}---\nbody ".replace("\n", line_end).encode() + b"\xe9t\xe9"
    finding = only_error(raw)
    assert (finding.code, finding.line) == ("not-utf8", 6)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_never_read_as_text(encoding: str) -> None:
    reading = read(f"---\n{DATED}---\n".encode(encoding))
    assert reading.article is None


def test_utf16_with_a_bom_is_named() -> None:
    assert only_error(f"---\n{DATED}---\n".encode("utf-16")).code == "not-utf8"


@pytest.mark.parametrize("control", ["\x00", "\x01", "\x0b", "\x1b", "\x7f", "\x9f", "\uffff"])
def test_a_control_character_is_named_with_its_place(control: str) -> None:
    finding = only_error(f"---\n{DATED}x: a{control}b\n---\n")
    assert (finding.code, finding.line, finding.column) == ("control-character", 5, 5)
    assert f"{ord(control):04X}" in finding.message


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_an_invisible_line_separator_is_a_blank(separator: str) -> None:
    assert texts(split(f"---\na: b{separator}c\nd: e\n---\n")) == {"a": "b c", "d": "e"}


# --- YAML


def test_plain_scalars_keep_their_text() -> None:
    document = split("---\na: 2020\nb: 1.10\nc: 2020-01-01\nd: yes\ne: 0x1F\nf: ~\ng: 1_000\n---\n")
    assert texts(document) == {
        "a": "2020",
        "b": "1.10",
        "c": "2020-01-01",
        "d": "yes",
        "e": "0x1F",
        "f": "~",
        "g": "1_000",
    }


def test_every_key_knows_its_place() -> None:
    document = split("---\na: 1\nb:\n  - c: 2\n---\n")
    first, second = document.fields.entries
    assert (first.line, first.column) == (2, 1)
    assert isinstance(second.value, Sequence)
    (item,) = second.value.items
    assert item == Mapping((KeyValue("c", Scalar("2", True, 4, 8), 4, 5),), 4, 5)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("x: *a", "yaml-alias"),
        ("x: &a {y: *a}", "yaml-alias"),
        ("x: [*a, &a b]", "yaml-alias"),
        ("<<: y", "yaml-merge"),
        ("<<: [{y: z}, y]", "yaml-merge"),
        ("? [a, b]\n: c", "yaml-key"),
        ("x: [1", "yaml-syntax"),
        ("x: y: z", "yaml-syntax"),
        ('x: "\\ud800"', "yaml-syntax"),
        ("\tx: y", "yaml-syntax"),
        ("x: " + "[" * 30 + "]" * 30, "yaml-depth"),
        ("x: " + "{a: " * 30 + "}" * 30, "yaml-depth"),
    ],
)
def test_what_yaml_is_refused_is_reported_with_its_line(line: str, code: str) -> None:
    finding = only_error(f"---\n{DATED}{line}\n---\n")
    assert finding.code == code
    assert finding.line in {5, 6, 7}


def test_deep_nesting_neither_hangs_nor_recurses() -> None:
    started = time.monotonic()
    for nest in ("[", "{a: ", "- ", "? ", "a: "):
        assert read(f"---\n{DATED}x: {nest * 100_000}\n---\n").verdict is Verdict.BROKEN
    assert time.monotonic() - started < 10


def test_a_repeated_key_names_key_and_both_lines() -> None:
    (finding,) = read(f"---\n{DATED}x: 1\ny: 2\nx: 3\n---\n").findings
    assert (finding.code, finding.line) == ("duplicate-key", 7)
    assert "'x'" in finding.message
    assert "line 5" in finding.message
    assert "line 7" in finding.message


def test_repeated_keys_do_not_flood_the_report() -> None:
    assert len(read("---\n" + "x: 1\n" * 500 + DATED + "---\n").findings) == 20


@pytest.mark.parametrize("front", ["- a\n- b", "just text", "'quoted'"])
def test_front_matter_that_is_no_mapping_is_an_error(front: str) -> None:
    assert only_error(f"---\n{front}\n---\n").code == "not-a-mapping"


def test_a_yaml_file_is_front_matter_as_a_whole() -> None:
    reading = read(f"{DATED}content: |\n  # Head\n", "a.yaml")
    assert reading.article is not None
    assert reading.article.body_html == "<h1>Head</h1>"


def test_a_second_yaml_document_is_an_error() -> None:
    assert only_error(f"{DATED}---\nb: c\n", "a.yml").code == "yaml-documents"


# --- TOML and JSON


def test_toml_values_keep_their_text_and_keys_their_lines() -> None:
    document = split("+++\na = 1.10\nb = 2020-01-02T03:04:05Z\nc = true\nd = 'x'\n[e]\nf = [1]\n+++\nBody")
    assert texts(document) == {"a": "1.10", "b": "2020-01-02T03:04:05+00:00", "c": "true", "d": "x"}
    assert [entry.line for entry in document.fields.entries] == [2, 3, 4, 5, 2]
    assert document.body == "Body"


@pytest.mark.parametrize(
    ("line", "place"), [("x = ", 5), ("x = 1\nx = 2", 6), ("x = 'a", 5), ("x = 1979-13-01", 5)]
)
def test_broken_toml_is_reported_with_its_line(line: str, place: int) -> None:
    finding = only_error(f"+++\ntitle = 'A'\ndate = 2020-01-02\nlink = 'https://e.com/'\n{line}\n+++\n")
    assert (finding.code, finding.line) == ("toml-syntax", place)


@pytest.mark.parametrize("value", ["[" * 5000, "0x" + "f" * 5000, "[" * 30 + "]" * 30, "{a=" * 30])
def test_extreme_toml_is_an_error_like_any_other(value: str) -> None:
    assert read(f"+++\ntitle = 'A'\nx = {value}\n+++\n").verdict is Verdict.BROKEN


def test_a_json_file_holds_the_same_keys() -> None:
    text = '{"title": 1.10, "date": "2020-01-02", "link": "https://e.com/",\n "content": "*x* \\ud800"}'
    reading = read(text, "a.json")
    assert reading.article is not None
    assert reading.article.title == "1.10"
    assert reading.article.body_html == "<p><em>x</em></p>"


def test_broken_json_is_reported_with_its_place() -> None:
    finding = only_error('{"title": "A",\n  "date" 1}', "a.json")
    assert (finding.code, finding.line, finding.column) == ("json-syntax", 2, 10)


def test_a_repeated_json_key_names_both_lines() -> None:
    text = '{\n  "title": "A",\n  "x": {"title": "B"},\n  "title": "C",\n  "url": "https://e.example/"\n}'
    _, finding = read(text, "a.json").findings
    assert (finding.code, finding.line) == ("duplicate-key", 4)
    assert "line 2" in finding.message


@pytest.mark.parametrize(
    "text", ['{"date":' + "[" * 100_000, '{"date":' * 100_000, '{"date":' * 500 + "1" + "}" * 500]
)
def test_deep_json_is_an_error_like_any_other(text: str) -> None:
    assert only_error(text, "a.json").code == "too-deep"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("- a\n- b\n", "menu.yaml"),
        ("[1, 2]", "menu.json"),
        ("x: 1\n", "a.yml"),
        ("# nothing", "a.yml"),
        ('{"name": "harbour", "version": "1.0", "homepage": "https://e.example/"}', "package.json"),
        ("title: Names of months\nnames: [January]", "months.yaml"),
        # Not valid, and about something else:
        ('{\n  // Settings\n  "compilerOptions": {"strict": true,}\n}', "tsconfig.json"),
        ("- title: A\n date: 2020-01-02\n", "events.yaml"),
        ("---\n- title: 'A\n  date: 2020-01-02\n", "events.yaml"),
        ('[{"title": "A", "date": }]', "events.json"),
        ("greeting: Welcome: friend\ntitle: A", "en.yml"),
        ("{{- range .Pages }}\nname: {{ .Title }}\n", "template.yaml"),
        ('{"a":' * 100_000, "deep.json"),
        ("a: [&x *x]\n", "a.yaml"),
    ],
)
def test_data_about_something_else_is_no_article(text: str, path: str) -> None:
    reading = read(text, path)
    assert reading.verdict is Verdict.NOT_ARTICLE
    assert [finding.code for finding in reading.findings] == ["not-an-article"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"title": "A", "date": "2020-01-02",}', "a.json"),
        ("title: A: b\npublishDate: 2020-01-02\n", "a.yaml"),
        ("title: 'A\nDate: 2020-01-02\n", "a.yml"),
        ("taxonomy: topic\nname: [", "a.yaml"),
        ('{"title": "A"\n"date" "2020-01-02"}', "a.json"),
    ],
)
def test_data_that_may_be_a_broken_article_is_an_error(text: str, path: str) -> None:
    assert read(text, path).verdict is Verdict.BROKEN


def test_a_broken_data_file_that_a_rule_would_date_is_an_error() -> None:
    rules = ReadingRules(id_authority="example.org", id_year=2025, date_from_file_name=True)
    for path, verdict in (("2024-05-01-a.yaml", Verdict.BROKEN), ("a.yaml", Verdict.NOT_ARTICLE)):
        assert read_article(b"title: A: b\n", PurePosixPath(path), MTIME, rules).verdict is verdict
