"""Titles, excerpts and languages that no key states: they come from the body, the file or the rules."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.body import render_body
from feedserver.articles.derived import excerpt_of, first_paragraph, source_before_mark, take_heading
from feedserver.articles.digests import is_visible_change, visible_digest
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.findings import Severity
from feedserver.model import Article, Reading, Verdict

RULES = ReadingRules(
    id_authority="feeds.example",
    id_year=2021,
    base_url="https://blog.example/",
    url_pattern="https://blog.example/{slug}/",
    date_from_file_name=True,
)
MTIME = datetime(2024, 5, 1, tzinfo=UTC)
DATED = "date: 2024-05-01"


def read(front: str, body: str = "", path: str = "notes/pier.md", **rules: Any) -> Reading:
    ruled = msgspec.structs.replace(RULES, **rules)
    return read_article(f"---\n{front}\n---\n{body}".encode(), PurePosixPath(path), MTIME, ruled)


def article(front: str, body: str = "", path: str = "notes/pier.md", **rules: Any) -> Article:
    reading = read(front, body, path, **rules)
    assert reading.findings == ()
    assert reading.article is not None
    return reading.article


# --- Titles


@pytest.mark.parametrize(
    ("body", "title", "rest"),
    [
        ("# The pier\n\nText.", "The pier", "<p>Text.</p>"),
        ("The pier\n===\n\nText.", "The pier", "<p>Text.</p>"),
        ("<h1 id='x'>The <b>pier</b> &amp; I</h1>\n\nText.", "The pier & I", "<p>Text.</p>"),
        ("# The *old* [pier](/x) `&lt;b>` {#id}\n\nText.", "The old pier &lt;b>", "<p>Text.</p>"),
        ("\n\n![A](a.png)\n\n#   The pier   ##\nText.", "The pier", None),
        ("```\n# no\n```\n\n# The pier", "The pier", None),
        ("    # no\n\n# The pier", "The pier", None),
        ("<!--\n# no\n-->\n\n# The pier", "The pier", None),
        ("> # The pier\n\nText.", "The pier", None),
    ],
)
def test_the_first_heading_is_the_title_and_leaves_the_body(body: str, title: str, rest: str | None) -> None:
    got = article(DATED, body, titles=("heading",))
    assert got.title == title
    assert "<h1" not in got.body_html
    if rest is not None:
        assert got.body_html == rest


@pytest.mark.parametrize(
    "body",
    [
        "", "Text.", "## Smaller\n\n# The pier", "```\n# no\n```", "#hashtag", "# ", "<h1></h1>",
        f"# {'a' * 600}",
        '<p title="<h1>no</h1>">Text.</p>', "&lt;h1>no&lt;/h1>", "`<h1>no</h1>`",
    ],
)  # fmt: skip
def test_a_body_that_does_not_begin_with_its_title_gives_none(body: str) -> None:
    reading = read(DATED, body, titles=("heading",))
    assert reading.verdict is Verdict.BROKEN
    assert [(one.code, one.severity) for one in reading.findings] == [("no-title", Severity.ERROR)]


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("2024-05-02-from-file-name.md", "From File Name"),
        ("tips_and-tricks.md", "Tips And Tricks"),
        ("2024/05/02/a-AI-pier.md", "A Ai Pier"),
        ("My notes on AI - 2.md", "My notes on AI - 2"),
        ("the-pier/index.md", "The Pier"),
        ("the-pier/index.fr.md", "The Pier"),
        ("e\u0301te\u0301.md", "\u00c9t\u00e9"),
    ],
)
def test_the_name_of_the_file_makes_a_title(path: str, title: str) -> None:
    got = article(DATED, "Text.", path, titles=("heading", "file-name"), languages=("fr",))
    assert (got.title, got.body_html) == (title, "<p>Text.</p>")


def test_a_title_that_is_stated_counts_first_and_leaves_the_body_alone() -> None:
    got = article(f"title: Stated\n{DATED}", "# Heading", titles=("heading", "file-name", "none"))
    assert (got.title, got.body_html, got.derived) == ("Stated", "<h1>Heading</h1>", ())


def test_the_rules_say_in_which_order_a_title_is_looked_for() -> None:
    assert article(DATED, "# Heading", titles=("file-name", "heading")).title == "Pier"
    assert article(DATED, "# Heading", titles=("none", "heading")).title == ""


def test_a_note_may_have_no_title() -> None:
    got = article(DATED, "A note.", titles=("none",))
    assert (got.title, got.body_html, got.id) == ("", "<p>A note.</p>", "tag:feeds.example,2021:notes/pier")


def test_without_a_rule_a_title_is_required() -> None:
    reading = read(f"{DATED}\nlink: x:y", "# Heading")
    assert reading.verdict is Verdict.BROKEN
    assert "no-title" in {one.code for one in reading.findings}


def test_a_title_of_a_wrong_type_is_an_error_whatever_the_rules() -> None:
    reading = read(f"title: [a]\n{DATED}", "# Heading", titles=("heading", "none"))
    assert [one.code for one in reading.findings] == ["wrong-type"]


def test_a_page_without_title_date_and_url_is_an_article_where_the_rules_give_both() -> None:
    assert read("layout: page", "# A").verdict is Verdict.NOT_ARTICLE
    assert read("layout: page", "# A", titles=("heading",)).verdict is Verdict.NOT_ARTICLE
    assert read("layout: page", "# A", date_from_mtime=True).verdict is Verdict.NOT_ARTICLE
    got = article("layout: page", "# A", titles=("heading",), date_from_mtime=True)
    assert (got.title, got.published) == ("A", MTIME)


# --- Excerpts


@pytest.mark.parametrize("mark", ["<!--more-->", "<!-- more -->", "<!-- MORE -->", "<!-- truncate -->"])
@pytest.mark.parametrize("path", ["a.md", "a.html"])
def test_the_text_before_the_mark_is_the_excerpt(mark: str, path: str) -> None:
    got = article(DATED, f"<p>One <b>two</b>.</p>\n\n{mark}\n\n<p>Three.</p>", path, **TITLED)
    assert got.excerpt == "One two."
    assert "Three." in got.body_html


TITLED: dict[str, Any] = {"titles": ("none",), "excerpts": ("more", "paragraph")}


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        ("One.\n\nTwo.\n\n<!--more-->\n\nThree.", "One.\n\nTwo."),
        ("One.\n{/* truncate */}\nTwo.", "One."),
        ("One <!--more--> two.", "One"),
        ("```\n<!--more-->\n```\n\nTwo.\n\n<!--more-->\n\nThree.", "Two."),
        ("    <!--more-->\n\nTwo.", "Two."),
        ("`<!--more-->` ends it.\n\nTwo.", "<!--more--> ends it."),
        ("# Heading\n\nOne & <b>two</b> &lt;3.\n\nThree.", "One & two <3."),
        ("One\ntwo  three.\n\nFour.", "One two three."),
        ("One.  \nTwo.\n\nThree.", "One.\nTwo."),
        ("![A picture](a.png)\n\nOne.", "One."),
        ("> A quote.\n\n- An item.\n\n| a |\n|---|\n| b |\n\nOne.", "One."),
        ("- a\n\n  - b\n\nOne.", "One."),
        ("- a\n- b\n\n<!--more-->\n\nOne.", "a\nb"),
        ("```\ncode\n```\n\nOne.\n\n<!--more-->", "One."),
        ("&amp;lt; is a reference.", "&lt; is a reference."),
        ("> Only a quote.", ""),
        ("```\ncode\n```", ""),
        ("", ""),
        ("<!--more-->\n\nOne.", "One."),
    ],
)
def test_the_rules_find_an_excerpt(body: str, excerpt: str) -> None:
    assert article(DATED, body, **TITLED).excerpt == excerpt


def test_an_excerpt_that_is_stated_counts_and_without_rules_there_is_no_other() -> None:
    assert article(f"{DATED}\nexcerpt: Stated.", "One.", **TITLED).excerpt == "Stated."
    assert article(DATED, "One.\n\n<!--more-->", titles=("none",)).excerpt == ""


def test_an_excerpt_is_cut_between_words() -> None:
    got = article(DATED, "word, " * 1000, **TITLED)
    assert 900 < len(got.excerpt) <= 1_000
    assert got.excerpt.endswith("word…")


def test_the_mark_of_an_excerpt_may_be_in_a_data_file() -> None:
    raw = b'{"title": "A", "date": "2024-05-01", "content": "One.\\n\\n<!--more-->\\n\\nTwo."}'
    ruled = msgspec.structs.replace(RULES, excerpts=("more",))
    reading = read_article(raw, PurePosixPath("a.json"), MTIME, ruled)
    assert reading.article is not None
    assert reading.article.excerpt == "One."


PIECES = st.sampled_from(
    [
        *(
            "# a",
            "b\n===",
            "\n\n",
            "\n",
            "<h1>",
            "</h1>",
            "<h2 title='<p>'>",
            "<!--more-->",
            "```",
            "`",
            "    ",
        ),
        *(
            "> ",
            "- ",
            "<pre>",
            "</pre>",
            "<p>",
            "</p>",
            "<table>",
            "&lt;",
            "&amp;",
            "text ",
            '"',
            "<",
            ">",
            "<br>",
        ),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
def test_any_body_gives_texts_without_markup(source: str, is_html: bool) -> None:
    body = render_body(source, is_html=is_html)
    title, rest = take_heading(body)
    assert title == " ".join(title.split())
    assert title or rest == body
    for excerpt in (excerpt_of(body), first_paragraph(body)):
        assert len(excerpt) <= 1_000
        assert "\n\n\n" not in excerpt
    head = source_before_mark(source, is_html=is_html)
    assert source.startswith(head)


@pytest.mark.parametrize(
    "piece",
    [
        "<p>", "<pre>", "<h2>a</h2>", "<h1>", "<!--more-->", "<!-- more", "{/*", "`", "> ", "a ", "<p>a</p>",
        "&",
        "<b title=\"<h1>\">", "- ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["a.md", "a.html"])
def test_a_megabyte_is_read_in_linear_time(piece: str, path: str) -> None:
    def seconds(size: int) -> float:
        body = piece * (size // len(piece))
        begun = time.process_time()
        read(DATED, body, path, titles=("heading", "none"), excerpts=("more", "paragraph"))
        return time.process_time() - begun

    # A quadratic reader would take 16 times as long.
    assert seconds(400_000) < 10 * max(seconds(100_000), 0.05)


# --- Languages


@pytest.mark.parametrize(
    ("path", "language", "address", "id_path"),
    [
        ("posts/pier/index.md", "", "posts/pier", "posts/pier/index"),
        ("posts/pier/index.fr.md", "fr", "posts/pier", "posts/pier/index.fr"),
        ("posts/harbour.pt-BR.md", "pt-br", "posts/harbour", "posts/harbour.pt-BR"),
        ("posts/harbour.de.md", "", "posts/harbour.de", "posts/harbour.de"),
        ("posts/v1.2.fr.md", "fr", "posts/v1.2", "posts/v1.2.fr"),
        (".fr.md", "", ".fr", ".fr"),
    ],
)
def test_the_language_at_the_end_of_a_name_leaves_the_address_and_not_the_id(
    path: str, language: str, address: str, id_path: str
) -> None:
    got = article(
        f"title: A\n{DATED}", path=path, languages=("fr", "pt-br"), url_pattern="https://blog.example/{path}/"
    )
    assert (got.language, got.url) == (language, f"https://blog.example/{address}/")
    assert got.id == f"tag:feeds.example,2021:{id_path}"


def test_without_a_rule_no_name_has_a_language() -> None:
    got = article(f"title: A\n{DATED}", path="posts/pier.fr.md")
    assert (got.language, got.url) == ("", "https://blog.example/pier.fr/")


def test_a_date_in_the_name_is_before_its_language() -> None:
    for path in ("2024-05-02-pier.fr.md", "2024-05-02-pier/index.fr.md", "2024/05/02/pier.fr.md"):
        got = article("title: A", path=path, languages=("fr",))
        assert (got.published.day, got.url) == (2, "https://blog.example/pier/")
    assert article("title: A", path="2024-05-02.fr.md", languages=("fr",)).published.day == 2


@pytest.mark.parametrize(
    ("front", "path", "language"),
    [
        ("", "a.md", "fr"),
        ("", "a.es.md", "es"),
        ("lang: de", "a.es.md", "de"),
        ("lang: '!'", "a.md", "fr"),
    ],
)
def test_the_language_of_an_article_counts_before_those_of_its_name_and_folder(
    front: str, path: str, language: str
) -> None:
    reading = read(f"title: A\n{DATED}\n{front}", path=path, language="fr", languages=("es",))
    assert reading.article is not None
    assert reading.article.language == language


# --- Digests (promise 1)


def test_a_rule_that_is_set_later_dates_no_article_anew() -> None:
    plain = article(f"title: A\n{DATED}", "One.\n\nTwo.")
    ruled = article(f"title: A\n{DATED}", "One.\n\nTwo.", language="fr", excerpts=("paragraph",))
    assert (ruled.excerpt, ruled.language, ruled.derived) == ("One.", "fr", ("language", "excerpt"))
    assert not is_visible_change(visible_digest(plain), visible_digest(ruled))


def test_an_edit_of_a_heading_or_a_paragraph_is_a_visible_change() -> None:
    one, *others = (
        visible_digest(article(DATED, body, titles=("heading",), excerpts=("paragraph",)))
        for body in ("# A\n\nOne.", "# B\n\nOne.", "# A\n\nTwo.")
    )
    assert all(is_visible_change(one, other) for other in others)


# --- Names in one text


@pytest.mark.parametrize(
    ("front", "separators", "topics"),
    [
        ("tags: '#boats #pier/old'", ",", ["boats", "pier/old"]),
        ("tags: '#boats, #pier'", ",", ["boats", "pier"]),
        ("tags: 'C#, F#'", ",", ["C#", "F#"]),
        ("tags: boats and piers", ",", ["boats and piers"]),
        ("tags: boats pier", " ", ["boats", "pier"]),
        ("tags: |\n  boats\n  pier", " ", ["boats", "pier"]),
        ("tags: boats; pier, tide", ",;", ["boats", "pier", "tide"]),
        ("tags: boats; pier, tide", ";", ["boats", "pier, tide"]),
        ("tags: boats, pier", "", ["boats, pier"]),
        ("tags: '[boats]-pier'", "]-[", ["boats", "pier"]),
        ("tags: ['boats, pier', tide]", " ,", ["boats, pier", "tide"]),
        ("tags: 2024", ",", ["2024"]),
        ("tag: single", ",", ["single"]),
        ("tags: [C++, C#, .NET, R&D]", ",", ["C++", "C#", ".NET", "R&D"]),
        ("tags:\n  - '#harbour'\n  - [[Pier]]", ",", ["harbour", "Pier"]),
        ("tags: []\nkeywords: [k]", ",", []),
        ("tags:\n- a\n-\n- a", ",", ["a"]),
        ("tags: [true, 1.0, 2024-01-01]", ",", ["true", "1.0", "2024-01-01"]),
        ("tags: [{name: a, slug: b}, {label: c}]", ",", ["a", "c"]),
        ("topics: [a]\ntags: [b]", ",", ["a", "b"]),
    ],
)
def test_each_form_of_topics_is_read(front: str, separators: str, topics: list[str]) -> None:
    got = article(f"title: A\n{DATED}\n{front}", separators=separators)
    assert [topic.name for topic in got.topics] == topics


def test_categories_are_parted_in_the_same_way() -> None:
    got = article(f"title: A\n{DATED}\ntags: ~\ncategories: jekyll update", separators=" ")
    assert got.category is not None
    assert (got.category.name, [topic.name for topic in got.topics]) == ("jekyll", ["update"])


@given(st.text("#a, ;\n\t", max_size=30), st.sampled_from([",", " ", ",;", ""]))
def test_no_name_is_lost_or_has_white_space_around_it(text: str, separators: str) -> None:
    got = article(f"title: A\n{DATED}\ntags: {msgspec.json.encode(text).decode()}", separators=separators)
    assert all(topic.name == topic.name.strip() for topic in got.topics)
    assert bool(got.topics) == bool(re.sub(rf"[\s{re.escape(separators)}]", "", text))
