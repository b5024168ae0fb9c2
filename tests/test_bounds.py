"""Reading a file takes time and memory in proportion to its size, with any content (promise 5).

Each case took seconds or gigabytes, or grows as one that did; the bounds on time are generous, because what
they find is a square. `benchmarks/worst_files.py` searches for more such files.
"""

from __future__ import annotations

import re
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedserver.articles import masking
from feedserver.articles.body import render_body
from feedserver.articles.data_nodes import parse_json, parse_toml
from feedserver.articles.embeds import tag_attributes
from feedserver.articles.markup import MarkupError, refuse_costly_markup, text_of
from feedserver.articles.nodes import FindingNotes, Mapping
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.references import Place
from feedserver.articles.selections.values import ListingRules
from feedserver.articles.text import composed
from feedserver.articles.urls import absolute_url
from feedserver.findings import Severity
from feedserver.index.contents import content_of
from feedserver.model import Reading, Verdict

SEARCHED = ListingRules(has_terms=True, is_searched=True)
RULES = ReadingRules(
    id_authority="feeds.example", id_year=2024, base_url="https://news.example/", max_topics=5
)
FRONT = "title: A\ndate: 2024-05-01\nlink: https://news.example/a\n"
TOML = 'title = "A"\ndate = 2024-05-01\nlink = "https://news.example/a"\n'
MARKS = "\u0301\u0323"
MANY = 120_000


def read(text: str, path: str = "news/a.md") -> Reading:
    reading = read_article(text.encode(), PurePosixPath(path), datetime(2024, 5, 1, tzinfo=UTC), RULES)
    content_of(reading, SEARCHED)
    return reading


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}


def front(text: str, body: str = "") -> str:
    return f"---\n{FRONT}{text}\n---\n{body}"


def toml(text: str) -> str:
    return f"+++\n{TOML}{text}\n+++\n"


def numbered(pattern: str, count: int) -> str:
    return "".join(pattern.replace("{n}", str(number)) for number in range(count))


# Each file by what it holds: its name, its text, and the code that names it ('' if there is none).
COSTLY: dict[str, tuple[str, str, str]] = {
    "yaml keys": ("a.md", front(numbered("a{n}: b\n", MANY)), "too-many-values"),
    "yaml list": ("a.md", front("x: [" + "a," * 400_000 + "]"), "too-many-values"),
    "yaml keys below": ("a.md", front("x:\n" + numbered("  a{n}: b\n", MANY)), "too-many-values"),
    "yaml keys repeated": ("a.md", front("a: b\n" * 20_000), "duplicate-key"),
    "yaml tag directives": ("a.yaml", numbered("%TAG !a{n}! b\n", 60_000) + "---\n" + FRONT, "yaml-tag"),
    "yaml alias bomb": (
        "a.md",
        front("l0: &l0 x\n" + "".join(f"l{n}: &l{n} [{f'*l{n - 1},' * 90}]\n" for n in range(1, 20))),
        "too-many-values",
    ),
    "yaml aliases": ("a.md", front("x: &x y\nz: [" + "*x," * 300_000 + "]"), "too-many-values"),
    "yaml aliases of a list": ("a.md", front(f"x: &x [{'y,' * 999}]\nz: [{'*x,' * 999}]"), "too-many-values"),
    "yaml aliases that are deep": (
        "a.md",
        front("l0: &l0 x\n" + "".join(f"l{n}: &l{n} [*l{n - 1}]\n" for n in range(1, 9_000))),
        "yaml-depth",
    ),
    "yaml anchors": ("a.md", front("x: *y\n" + numbered("a{n}: &a{n} b\n", 60_000)), "too-many-values"),
    "yaml merges": (
        "a.md",
        front(f"x: &x {{{numbered('a{n}: b,', 5_000)}}}\n" + "y:\n" + "- <<: *x\n" * 50_000),
        "too-many-values",
    ),
    "json keys": ("a.json", "{" + numbered('"a{n}": 1,\n', 40_000) + '"b": 1}', ""),
    "json key repeated": ("a.json", "{" + '"a": 1,\n' * 40_000 + '"b": 1}', ""),
    "json numbers": ("a.json", '{"date": [' + "1," * 400_000 + "1]}", "too-many-values"),
    "json lists": ("a.json", '{"date": [' + "[]," * 300_000 + "1]}", "too-many-values"),
    "json objects": ("a.json", '{"date": [' + "{}," * 300_000 + "1]}", "too-many-values"),
    "toml keys": ("a.md", toml(numbered("a{n} = 1\n", 10_000)), ""),
    "toml many keys": ("a.md", toml(numbered("a{n} = 1\n", 80_000)), "front-matter-too-long"),
    "toml tables": ("a.md", toml(numbered("[a{n}]\n", 12_000)), ""),
    "toml errors": ("a.md", toml("a = \n" + numbered("a{n} = 1\n", 80_000)), "front-matter-too-long"),
    "toml dots": ("a.md", toml("a." * 32_000 + "a = 1"), "too-deep"),
    "toml dots in a header": ("a.md", toml("[" + "a." * 32_000 + "a]"), "too-deep"),
    "toml dots in a table": ("a.md", toml('x = [{"a" . ' + "'a' . " * 10_000 + "a = 1}]"), "too-deep"),
    "toml open strings": ("a.md", toml('x = """' + '\\"""' * 30_000), "toml-syntax"),
    "toml quotes": ("a.md", toml('x = "' + '\\"' * 60_000), "toml-syntax"),
    "marks in a title": ("a.md", front(f"excerpt: x{MARKS * MANY}"), ""),
    "marks in an id": ("a.md", front(f"id: x{MARKS * MANY}"), "long-id"),
    "marks in a host": ("a.md", front(f"image: http://{MARKS * MANY}/"), "bad-url"),
    "marks in a topic": ("a.md", front(f"topics: x{MARKS * MANY}"), ""),
    "ampersands in a topic": ("a.md", front(f"topics: 'x{'&' * 900_000}'"), "long-name"),
    "topics": ("a.md", front("topics: " + numbered("a{n},", MANY)), "too-many-topics"),
    "a provider": ("a.md", front("provider: " + "\ufdfa" * MANY), "long-name"),
    "images": (
        "a.md",
        front("images:\n" + numbered("- https://a.example/{n}.png\n", 30_000)),
        "too-many-parts",
    ),
    "related": (
        "a.md",
        front("related:\n" + numbered("- title: a\n  webUrl: https://a.example/{n}\n", 16_000)),
        "too-many-parts",
    ),
    "attribute name": ("a.md", front(f"featuredContent: '<iframe {'a' * 900_000}'"), ""),
    "attribute names": ("a.md", front(f"featuredContent: '<iframe {'a ' * 450_000}'"), ""),
    "formatting": (
        "a.html",
        front("", "<p>" + numbered("<b title={n}>", 2_400) + "<p>x" * 2_400),
        "costly-markup",
    ),
    "formatting in markdown": (
        "a.md",
        front("", numbered("<i title={n}>", 4_000) + "\n\n" + "x\n\n" * 4_000),
        "costly-markup",
    ),
    "formatting in sections": (
        "a.html",
        front("", "<p>" + numbered("<b title={n}>", 240) + "<section>x</section>" * 9_000),
        "costly-markup",
    ),
    "attributes": ("a.html", front("", f"<a {numbered('a{n}=1 ', 90_000)}>"), "costly-markup"),
    "attributes behind quotes": (
        "a.html",
        front("", f"<a {numbered('''a{n}='>' ''', 60_000)}>"),
        "costly-markup",
    ),
    "tags": ("a.html", front("", "<p>x" * 200_000), "costly-markup"),
    "links": ("a.html", front("", numbered("<a href={n}>x</a>", 40_000)), "costly-markup"),
    "plaintext": ("a.html", front("", "<plaintext>" * 90_000), ""),
    "ampersands": ("a.html", front("", "&" * 1_000_000), ""),
    "ampersands in markdown": ("a.md", front("", "&" * 1_000_000), ""),
    "ampersands in an attribute": ("a.html", front("", f"<b title='{'&' * 900_000}'>x</b>"), ""),
    "no-break spaces": ("a.html", front("", "&nbsp;" * 160_000), ""),
    "signs": ("a.html", front("", "a»" * 300_000), ""),
    "footnotes": ("a.md", front("", "[^a]" * 200_000 + "\n\n[^a]: b\n"), "costly-markup"),
    "quotes in markdown": ("a.md", front("", ">" * 500_000 + "|a\n" * 160_000), "costly-markup"),
    "lists in markdown": ("a.md", front("", "- " * 250_000 + "a\n" * 250_000), "costly-markup"),
    "indented lists in markdown": (
        "a.md",
        front("", "".join(f"{'  ' * level}- a\n" for level in range(700)) + "a\n" * 250_000),
        "costly-markup",
    ),
    "columns": (
        "a.md",
        front("", "|a" * 99_000 + "\n" + "|-" * 99_000 + "\n" + "|a\n" * 99_000),
        "costly-markup",
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_read_in_time_and_named(name: str) -> None:
    path, text, code = COSTLY[name]
    started = time.process_time()
    reading = read(text, f"news/{path}")

    assert (
        time.process_time() - started < 10
    )  # the slowest takes 0.6 s; each took minutes, or would with 1 MB
    assert (
        code in codes(reading)
        if code
        else not any(f.severity is Severity.ERROR for f in reading.findings)
        or (codes(reading) == {"duplicate-key"})
    )
    assert reading.article is None or len(reading.article.body_html) <= 8_000_000


@pytest.mark.parametrize("name", [name for name, case in COSTLY.items() if case[2] == "costly-markup"])
def test_costly_markup_costs_the_markup_and_not_the_article(name: str) -> None:
    path, text, _ = COSTLY[name]
    reading = read(text, f"news/{path}")

    assert reading.verdict is Verdict.ARTICLE
    assert [finding.severity for finding in reading.findings] == [Severity.WARNING]


# --- Names and parts


def test_of_the_topics_the_first_count_and_the_others_are_named() -> None:
    reading = read(front("topics: [a, b, A, c, d, e, b, f, g]"))

    assert reading.article is not None
    assert [topic.slug for topic in reading.article.topics] == ["a", "b", "c", "d", "e"]
    (finding,) = reading.findings
    assert (finding.code, finding.severity, finding.line) == ("too-many-topics", Severity.WARNING, 5)
    assert "scan.max_topics" in finding.message


def test_as_many_topics_as_the_rules_allow_are_no_problem() -> None:
    assert read(front("topics: [a, b, c, d, e, a, E]")).findings == ()


def test_a_topic_that_is_a_sentence_is_left_out() -> None:
    reading = read(front(f"topics: [a, {'b ' * 300}, c]"))

    assert reading.article is not None
    assert [topic.slug for topic in reading.article.topics] == ["a", "c"]
    assert codes(reading) == {"long-name"}


def test_a_provider_that_is_a_sentence_is_left_out() -> None:
    reading = read(front(f"provider: {'b ' * 300}"))
    assert reading.article is not None
    assert reading.article.provider is None
    assert codes(reading) == {"long-name"}


def test_the_first_parts_of_a_long_list_are_kept() -> None:
    reading = read(front("images:\n" + numbered("- https://a.example/{n}.png\n", 600)))

    assert reading.article is not None
    assert len(reading.article.images) == 500
    assert codes(reading) == {"too-many-parts"}


# --- What hides an article is seen beside a bound


@pytest.mark.parametrize(
    "text",
    [
        f"draft = true\n{'a.' * 30}a = 1",
        f"{'a.' * 30}a = 1\ndraft = true",
        "draft = true\n" + numbered("a{n} = 1\n", 20_000),
        numbered("a{n} = 1\n", 20_000) + "draft = true",
        numbered("a{n} = 1\n", 20_000) + '"Draft" = true',
    ],
)
def test_toml_that_is_refused_hides_an_article_all_the_same(text: str) -> None:
    assert read(toml(text)).verdict is Verdict.HIDDEN


def test_yaml_that_is_refused_hides_an_article_by_what_stands_before() -> None:
    assert read(front("draft: true\nx: [" + "a," * MANY + "]")).verdict is Verdict.HIDDEN


# --- The same as before, only faster


KEYS = st.sampled_from(["a", "b", "a b", "a.b", 'a"b', "é", ":a", "=", "", "a\\n", "\\"])


def lines_by_search(text: str, key: str, separator: str, first_line: int) -> list[int]:
    """The lines that begin with a key, by a search for that key alone."""
    pattern = rf'^([ \t]*)["\']?{re.escape(key)}["\']?[ \t]*{separator}'
    found = list(re.finditer(pattern, text, re.MULTILINE))
    least = min((len(match[1]) for match in found), default=0)
    return [text.count("\n", 0, match.start()) + first_line for match in found if len(match[1]) == least]


@given(st.lists(st.tuples(KEYS, st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_keys_of_json_stand_where_a_search_for_each_finds_them(rows: list[tuple[str, int, bool]]) -> None:
    lines = [
        f"{' ' * width}{quoted(key)}{' ' * width}: " + ('{\n"a": 1}' if nested else "1")
        for key, width, nested in rows
    ]
    text = "{\n" + ",\n".join(lines) + "\n}"
    node = parse_json(text, FindingNotes())

    assert isinstance(node, Mapping)
    seen: dict[str, int] = {}
    for entry in node.entries:
        found = lines_by_search(text, entry.key, ":", 1)
        count = seen.get(entry.key, 0)
        seen[entry.key] = count + 1
        if entry.key.isalnum():
            assert entry.line == found[min(count, len(found) - 1)]
        else:
            assert 1 <= entry.line <= text.count("\n") + 1


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.sampled_from(["a", "b", "c-d", "e_1"]), unique=True), st.booleans())
def test_keys_of_toml_stand_where_a_search_for_each_finds_them(keys: list[str], is_quoted: bool) -> None:
    text = "".join(f'"{key}" = 1\n' if is_quoted else f"{key}= 1\n\n" for key in keys)
    node, is_whole = parse_toml(text, 2, FindingNotes())

    assert is_whole
    assert isinstance(node, Mapping)
    assert [entry.line for entry in node.entries] == [lines_by_search(text, key, "=", 2)[0] for key in keys]


@pytest.mark.parametrize("text", ['x = "' + "a." * 40 + '"', "x = '''" + "a." * 40 + "'''", "# " + "a." * 40])
def test_dots_in_a_string_are_no_dotted_key(text: str) -> None:
    assert read(toml(text)).verdict is Verdict.ARTICLE


OLD_ATTRIBUTE = re.compile(
    r"""([a-z-]+)[ \t\n]*=[ \t\n]*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE
)


@given(st.text("ab-= \n\"'>/_1", max_size=30))
def test_attributes_are_those_that_a_search_from_each_character_finds(markup: str) -> None:
    expected = {m[1].lower(): m[2] or m[3] or m[4] or "" for m in OLD_ATTRIBUTE.finditer(markup)}

    assert tag_attributes(markup) == expected


@given(st.lists(st.sampled_from(["a", "\u0301", "\u0323", "\u0345", "é", "漢"]), max_size=30).map("".join))
def test_a_long_text_of_few_combining_marks_is_composed_as_unicode_says(text: str) -> None:
    long = "x" * 1_000 + "é" * 31 + text

    assert composed(long) == unicodedata.normalize("NFC", long)


@pytest.mark.parametrize("marks", [1, 30, 31, 1_000])
def test_of_many_combining_marks_the_first_count(marks: int) -> None:
    long = "x" * 1_000 + "a"

    assert composed(long + "\u0345" * marks) == long + "\u0345" * min(marks, 30)


def test_a_url_that_no_server_takes_is_none() -> None:
    with pytest.raises(ValueError, match="long"):
        absolute_url(f"https://a.example/{'a' * 8_192}")
    with pytest.raises(ValueError, match="long"):
        absolute_url(f"https://{MARKS * 500}/")
    assert absolute_url(f"https://a.example/{'a' * 8_000}") is not None


# --- Markup


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "<b>",
                "</b>",
                "<b title=1>",
                "<i title='a b'>",
                "</i>",
                '<a href="/x">',
                "</a>",
                "<p>",
                "</p>",
                "x",
            ),
            *(
                "<div>",
                "</div>",
                "&",
                "&amp;",
                "&lt;",
                "&copy;",
                "&#169;",
                "&x;",
                "\xa0",
                "»",
                "é",
                "&nbsp;",
                " ",
            ),
            *(
                '<img src="/i?a=1&amp;b=2" alt="a»&amp;">',
                "<br>",
                "\n\n",
                "<q cite='/a&amp;b'>",
                "</q>",
                "&#38;",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@given(PIECES, st.booleans())
@example('<a href="java&#115;" title="script&#58;">x</a>', True)
@example("<b title='&quot;>'>x</b>", True)
def test_what_is_hidden_from_the_sanitiser_changes_nothing(text: str, is_html: bool) -> None:
    place = Place(page="https://news.example/a", base="https://news.example/")
    expected = render_body(text, is_html=is_html, place=place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masking, "LONG", 0)
        assert render_body(text, is_html=is_html, place=place) == expected


@settings(max_examples=50)
@given(PIECES)
def test_markup_is_judged_alike_whether_its_tags_are_plain_or_not(text: str) -> None:
    """A comment leaves it to the slower of two readers."""
    many = text * 300

    assert verdict_on(many) == verdict_on(f"{many}<!-- -->")


def verdict_on(markup: str) -> str:
    try:
        refuse_costly_markup(markup)
    except MarkupError as error:
        return str(error)
    return ""


HIDING_PLACES = [
    "{}",
    "<!-- <b title='-->{}",
    "<!-->{}",
    "<script><b title='</script>{}",
    "<textarea><b title='</textarea>{}",
    "<svg><title>{}",
    "<svg><style>{}",
    "<b a'b=c'>{}",
    '<p class=a"b>{}"',
    "<B TITLE=1>{}",
    "<![CDATA[ <b title=' ]]>{}",
    "</ b title='>{}",
]


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_formatting_tags_are_found_wherever_a_parser_finds_them(place: str) -> None:
    markup = place.format("<p>" + numbered("<b title={n}>", 2_000) + "<p>x" * 2_000)

    assert "not closed" in verdict_on(markup)


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_attributes_are_counted_wherever_a_parser_finds_them(place: str) -> None:
    markup = place.format(f"<a {numbered('''a{n}='>' ''', 3_000)}>")

    assert verdict_on(markup)


@settings(max_examples=30)
@given(
    st.lists(
        st.sampled_from(
            ["<b title={n}>", "<a href={n}>", "<p>x", "</b>", "<div>", "</div>", "<li>x", "</p>"]
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
)
def test_what_a_parser_may_see_does_not_grow_out_of_proportion(pieces: list[str], runs: int) -> None:
    markup = "".join(numbered(piece, 200) for piece in pieces) * runs
    try:
        refuse_costly_markup(markup)
    except MarkupError:
        return
    assert len(render_body(markup, is_html=True)) <= 8 * (len(markup) + 2_000_000)


def test_a_long_ordinary_body_keeps_its_markup() -> None:
    text = numbered(
        '<p>One <a href="https://a.example/{n}">link</a>, <b>bold <i>text</i></b> &amp; more.</p>\n', 9_000
    )
    reading = read(front("", text), "news/a.html")

    assert reading.findings == ()
    assert reading.article is not None
    assert reading.article.body_html == text.strip()


@given(PIECES)
def test_the_text_of_markup_holds_no_tag(text: str) -> None:
    assert not re.search("<[a-z/]", text_of(text.replace("&lt;", "")))


def test_a_body_without_its_markup_holds_neither_scripts_nor_comments() -> None:
    hidden = "<!-- secret --><script>secret</script><style>secret</style>"
    reading = read(front("", f"{hidden}<p>shown</p>" + "<p>x" * 200_000), "news/a.html")

    assert reading.article is not None
    assert "secret" not in reading.article.body_html
    assert "shown" in reading.article.body_html
