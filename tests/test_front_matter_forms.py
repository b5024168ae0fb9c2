"""Front matter in the forms of other programs: each is read, and a plain Markdown file has none."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.front_matter_forms import find_front_matter
from feedserver.articles.hiding_lines import hides_broken_file
from feedserver.articles.reading import ReadingRules, read_address, read_article
from feedserver.errors import FrontMatterError
from feedserver.model import Reading, Verdict

MTIME = datetime(2024, 5, 6, tzinfo=UTC)
RULES = ReadingRules(id_authority="example.org", id_year=2025, url_pattern="https://blog.example.org/{slug}/")
HEADER = ReadingRules(
    id_authority="example.org", id_year=2025, url_pattern="https://blog.example.org/{slug}/", header=True
)
YAML = ["title: The pier", "date: 2024-05-01", "tags: [Harbour]"]
TOML = ["title = 'The pier'", "date = 2024-05-01", "tags = ['Harbour']"]
JSON = ['"title": "The pier",', '"date": "2024/05/01",', '"tags": ["Harbour"]']
BLOCK = ["title: The pier", "date: 2024-05-01", "tags:", "- Harbour"]


def lines(*parts: str | list[str]) -> str:
    return "\n".join("\n".join(part) if isinstance(part, list) else part for part in parts)


# Each form by name: its front matter, and the same with a key that hides the article.
FORMS: dict[str, tuple[str, str]] = {
    name: (lines(*before, rows, *after), lines(*before, [hiding, *rows], *after))
    for name, before, rows, after, hiding in [
        ("a fence with blanks", ["--- "], YAML, ["---\t"], "draft: true"),
        ("four dashes", ["----"], YAML, ["----"], "draft: true"),
        ("many dashes", ["-" * 20], YAML, ["-" * 20], "draft: true"),
        ("blank lines before", ["", "  ", "---"], YAML, ["---"], "draft: true"),
        ("a comment before", ["<!-- A -- licence -->", "---"], YAML, ["---"], "draft: true"),
        ("a long comment before", ["<!--", "a: b", "---", "-->", "", "---"], YAML, ["..."], "draft: true"),
        ("a comment before TOML", ["<!-- x -->", "+++"], TOML, ["+++"], "draft = true"),
        ("dashes that name YAML", ["---yaml"], YAML, ["---"], "draft: true"),
        ("dashes that name YML", ["--- YML "], YAML, ["---"], "draft: true"),
        ("dashes that name TOML", ["---toml"], TOML, ["---"], "draft = true"),
        ("dashes that name JSON", ["---json", "{"], JSON, ["}", "---"], '"draft": true,'),
        ("JSON", ["{"], JSON, ["}"], '"draft": true,'),
        ("JSON after blank lines", ["", "{"], JSON, ["}"], '"draft": true,'),
        ("no opening fence", [], YAML, ["---"], "draft: true"),
        ("no opening fence, and items", [], BLOCK, ["-----"], "draft: true"),
        ("JSON without braces", [], JSON, [";;;"], '"draft": true,'),
        ("JSON without braces in a fence", [";;;"], JSON, [";;;"], '"draft": true,'),
    ]
}
BODY = "Text with a ruler.\n\n---\n\nAnd `draft: true`.\n"


def read(text: str | bytes, rules: ReadingRules = RULES, path: str = "pier.md") -> Reading:
    raw = text.encode() if isinstance(text, str) else text
    return read_article(raw, PurePosixPath(path), MTIME, rules)


@pytest.mark.parametrize("suffix", [".md", ".html"])
@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_read(name: str, suffix: str) -> None:
    reading = read(f"{FORMS[name][0]}\n{BODY}", path=f"pier{suffix}")
    assert reading.article is not None
    assert not reading.findings
    assert reading.article.title == "The pier"
    assert reading.article.published == datetime(2024, 5, 1, tzinfo=UTC)
    assert [topic.name for topic in reading.article.topics] == ["Harbour"]
    assert "Text with a ruler." in reading.article.body_html
    assert "Harbour" not in reading.article.body_html


@pytest.mark.parametrize("name", FORMS)
def test_line_ends_and_a_bom_make_no_difference(name: str) -> None:
    text = f"{FORMS[name][0]}\n{BODY}"
    for changed in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), f"\ufeff{text}"):
        assert read(changed) == read(text)


@pytest.mark.parametrize("name", FORMS)
def test_the_end_of_a_form_may_be_that_of_the_file(name: str) -> None:
    assert read(FORMS[name][0]).verdict is Verdict.ARTICLE


@pytest.mark.parametrize("name", FORMS)
def test_findings_have_the_lines_of_the_file(name: str) -> None:
    text = FORMS[name][0].replace("2024-05-01", "soon").replace("2024/05/01", "soon")
    text = text.replace("= soon", "= 'soon'")
    (finding,) = read(f"{text}\n{BODY}").findings
    assert finding.code == "bad-date"
    assert finding.line == next(n for n, line in enumerate(text.split("\n"), 1) if "soon" in line)


# --- Visibility (promise 6)


@pytest.mark.parametrize("name", FORMS)
def test_a_key_that_hides_does_so_in_each_form(name: str) -> None:
    assert read(f"{FORMS[name][1]}\n{BODY}").verdict is Verdict.HIDDEN


@pytest.mark.parametrize("name", FORMS)
def test_a_key_that_hides_does_so_in_each_form_when_it_is_broken(name: str) -> None:
    shown, hiding = FORMS[name]
    text = hiding.replace("Harbour]", 'Harbour, ": [').replace("'Harbour'", "'Harbour")
    text = text.replace('"Harbour"]', '"Harbour').replace("- Harbour", "- 'Harbour")
    assert text != hiding
    assert read(f"{text}\n{BODY}").verdict in (Verdict.HIDDEN, Verdict.NOT_ARTICLE)
    assert hides_broken_file(f"{text}\n{BODY}".encode(), is_data=False)
    assert not hides_broken_file(f"{shown}\n{BODY}".encode(), is_data=False)


@pytest.mark.parametrize("name", FORMS)
def test_bytes_that_are_not_utf8_unhide_nothing(name: str) -> None:
    raw = FORMS[name][1].replace("pier", "pi\udce9r").encode("utf-8", "surrogateescape")
    assert read(raw + b"\n" + BODY.encode()).verdict is Verdict.HIDDEN


@pytest.mark.parametrize("fence", ["---yaml", "----", "\n---", "<!-- x -->\n---", "\n+++", ";;;"])
def test_a_form_that_is_not_closed_is_an_error_and_hides(fence: str) -> None:
    rows = {"+": TOML, ";": JSON}.get(fence[-1], YAML)
    hiding = {"+": "draft = true", ";": '"draft": true,'}.get(fence[-1], "draft: true")
    reading = read(lines(fence, rows, "", "Text."))
    assert reading.verdict is Verdict.BROKEN
    assert [finding.code for finding in reading.findings] == ["front-matter-unclosed"]
    assert read(lines(fence, [hiding, *rows], "", "Text.")).verdict is Verdict.HIDDEN


@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(
        st.text(st.characters(exclude_characters="-;+.{}", exclude_categories=["Cs"]), max_size=9), max_size=3
    ),
)
def test_no_lines_around_a_hiding_line_let_an_article_of_another_form_be_shown(
    name: str, more: list[str]
) -> None:
    before, _, after = FORMS[name][1].partition("draft")
    noise = "".join(f"{line}\n" for line in more)
    for text in (f"{before}draft{after}", f"{before}{noise}draft{after}"):
        assert read(f"{text}\n{BODY}").verdict is not Verdict.ARTICLE


# --- Markdown without front matter


@pytest.mark.parametrize(
    "text",
    [
        *("Note: read this first.\n\nText.\n---\nMore.\n", "Note: a heading\n---\nText.\n"),
        *(
            "Title: a heading\n---\nText.\n",
            "Text.\n\n---\n\ntitle: x\ndate: y\n\n---\n",
            "----\n\nText.\n\n----\n",
        ),
        *("\n---\nText.\n---\n", "<!-- x -->\n\n---\n\nNote: a, b: c\n\n---\n", "---js\ntitle: 'x'\n---\n"),
        *(
            "{{< figure src='x' >}}\n",
            "{% raw %}\n",
            "{.class}\n",
            '{"a": b}\n',
            '{\n  "name of": [\n',
            "{}\n",
        ),
        *('"Quoted": he said.\n;;;\n', '"Quoted": he said.\n', ";;;\n", "****\ntitle: x\n****\n"),
        *("- title: x\n- date: y\n---\n", "<!-- title: x\ndate: y\n---\n", "http://e.example/\n---\n"),
        *(
            "# title: x\ndate: y\n---\n",
            "title: x\n\ndate: 2024-05-01\n---\n",
            "1. title: x\n   date: y\n---\n",
        ),
        *("<!--\n---\ntitle: x\ndate: 2024-05-01\n---\nText.\n-->\n", "----\n"),
        *("++++\ntitle = 'x'\n++++\n", " title: x\n date: y\n---\n"),
    ],
)
def test_a_markdown_file_that_looks_a_little_like_it_has_no_front_matter(text: str) -> None:
    reading = read(text)
    assert reading.verdict is Verdict.NOT_ARTICLE
    assert [finding.code for finding in reading.findings] == ["no-front-matter"]


PIECES = st.sampled_from(
    [
        *(
            "---",
            "----",
            "+++",
            ";;;",
            "...",
            "<!--",
            "-->",
            "{",
            "}",
            '"',
            "title",
            "date",
            ":",
            "=",
            ",",
            "#",
        ),
        *(
            "\n",
            "\n",
            "\n\n",
            " ",
            "    ",
            "\t",
            "a",
            "yaml",
            "json",
            "é",
            "[",
            "]",
            "- ",
            "draft: true",
            "\\",
        ),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
def test_any_text_is_divided_or_has_no_front_matter(text: str, header: bool) -> None:
    assert read(text, HEADER if header else RULES).verdict in Verdict
    try:
        found = find_front_matter(text, header=header)
    except FrontMatterError:
        return
    if found is not None:
        assert found.front in text
        assert text.endswith(found.body)
        assert 1 <= found.first_line <= text.count("\n") + 1


@pytest.mark.parametrize("rules", [RULES, HEADER], ids=["plain", "header"])
@pytest.mark.parametrize(
    "piece",
    [
        *(
            "\n",
            "<!--",
            "<!---->\n",
            "<!-- - -->",
            "---\n",
            "----\n",
            "{",
            '{"',
            '"',
            "{}",
            "title: x\n",
            "a: b\n",
        ),
        *(
            "    a\n",
            "\t",
            " ",
            "-",
            "- a\n",
            ";;;\n",
            '"title": ',
            "\\",
            "a",
            ":",
            "a:",
            "date",
            "#\n",
            '{"date": ',
        ),
    ],
)
def test_a_megabyte_of_one_piece_is_read_in_time(piece: str, rules: ReadingRules) -> None:
    for start in (
        "",
        "title: x\n",
        "\n---\n",
        '{"title": ',
        "----\ntitle: x\n",
        '"title": "x"\n',
        "<!-- -->\n",
    ):
        raw = (start + piece * (1_000_000 // len(piece))).encode()
        begun = time.process_time()
        read(raw, rules)
        assert time.process_time() - begun < 5, start


# --- The header of Pelican and MkDocs, by rule


def test_a_header_without_a_fence_is_front_matter_by_rule() -> None:
    text = lines(
        "Title: The pier: reopened",
        "Date: 2024-05-01 10:20",
        "Category: Harbour",
        "Tags: boats, open data",
        "Authors: Marsh, Ada; Reed, Bo",
        "Summary: First line",
        "    and the second.",
        "Slug: pier",
        "",
        "Note: this is the body.",
    )
    reading = read(text, HEADER)
    got = reading.article
    assert got is not None
    assert not reading.findings
    assert (got.title, got.published) == ("The pier: reopened", datetime(2024, 5, 1, 10, 20, tzinfo=UTC))
    assert got.category is not None
    assert got.category.name == "Harbour"
    assert [topic.name for topic in got.topics] == ["boats", "open data"]
    assert [author.name for author in got.authors] == ["Marsh, Ada", "Reed, Bo"]
    assert got.excerpt == "First line\nand the second."
    assert got.body_html == "<p>Note: this is the body.</p>"
    assert read(text).verdict is Verdict.NOT_ARTICLE


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Title: A\nDate: 2024-05-01\nText.", "Text."),
        ("Title: A\nDate: 2024-05-01\n---\nText.", "Text."),
        ("Title: A\nDate: 2024-05-01\n  \nText.", "Text."),
        ("  Title: A\n   Date: 2024-05-01\n\n\nText.", "Text."),
        ("Title: A\nDate: 2024-05-01", ""),
        ("---\nTitle: A: b\nDate: 2024-05-01\nSummary: *new*\n---\nText.", "Text."),
        ("---\nTitle: A\nDate: 2024-05-01\nTags: [a]\n---\nText.", "Text."),
    ],
)
def test_a_header_ends_at_a_blank_line_a_fence_or_another_line(text: str, body: str) -> None:
    reading = read(text, HEADER)
    assert reading.article is not None
    assert reading.article.title.startswith("A")
    assert reading.article.body_html == (f"<p>{body}</p>" if body else "")


@pytest.mark.parametrize(
    "text", ["Text.\nTitle: A\n", "    Title: A\n", "\nTitle: A\n", "# Title: A\n", "-: a\n"]
)
def test_another_first_line_is_no_header(text: str) -> None:
    assert read(text, HEADER).findings[0].code in ("no-front-matter", "not-an-article")


@pytest.mark.parametrize(
    "line", ["Draft: true", "draft: yes", "Published: no", "Removed: maybe", "Status: draft"]
)
def test_a_header_hides(line: str) -> None:
    text = lines("Title: A", line, "Date: 2024-05-01", "", "Text.")
    assert read(text, HEADER).verdict is Verdict.HIDDEN
    assert (
        read(text.replace("A", "\udce9", 1).encode("utf-8", "surrogateescape"), HEADER).verdict
        is Verdict.HIDDEN
    )
    assert hides_broken_file(text.encode(), is_data=False)


def test_a_repeated_key_of_a_header_is_a_warning() -> None:
    reading = read("Title: A\nDate: 2024-05-01\nTitle: B\n", HEADER)
    assert reading.article is not None
    assert reading.article.title == "B"
    assert [finding.code for finding in reading.findings] == ["duplicate-key"]


@given(st.sampled_from([*(form for form, _ in FORMS.values()), "Title: A\nDate: 2024-05-01\n", "Text.\n"]))
def test_the_address_of_a_file_is_that_of_its_article(text: str) -> None:
    for rules, path in ((RULES, "pier.md"), (HEADER, "pier.md"), (RULES, "_pier.md")):
        found = read_address(text.encode(), PurePosixPath(path), MTIME, rules)
        article = read(text, rules, path).article
        assert (found and found.url) == (article and article.url)


# --- Names


@pytest.mark.parametrize("path", ["_template.md", "posts/_draft.html", "_x.yaml", "_README.md"])
def test_a_file_whose_name_begins_with_an_underscore_is_no_article(path: str) -> None:
    text = lines("---", YAML, "---", "") if not path.endswith("yaml") else lines(YAML, "")
    reading = read(text, path=path)
    assert reading.verdict is Verdict.NOT_ARTICLE
    assert [finding.code for finding in reading.findings] == ["not-an-article"]
    rules = ReadingRules(
        id_authority="example.org", id_year=2025, url_pattern="https://e.example/{slug}", underscored=True
    )
    assert read(text, rules, path).verdict is Verdict.ARTICLE


def test_a_folder_whose_name_begins_with_an_underscore_holds_articles() -> None:
    assert read(lines("---", YAML, "---", ""), path="_posts/pier.md").verdict is Verdict.ARTICLE
