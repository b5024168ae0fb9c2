"""Nothing that nobody sees republishes an article, and everything that somebody sees does (promise 1)."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from builders import an_article
from hypothesis import example, given
from hypothesis import strategies as st

from feedserver.articles.body import render_body
from feedserver.articles.digests import is_visible_change, visible_digest
from feedserver.articles.markup import MarkupError
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.selections.values import ListingRules
from feedserver.articles.visible_html import visible_html
from feedserver.index.contents import content_of
from feedserver.index.decisions import Candidate, KnownArticle, publish
from feedserver.index.file_values import StatedArticle
from feedserver.index.sqlite.history_file import history_in
from feedserver.model import Article, Entry, Image, Provider, Reading, Related, Verdict
from feedserver.render.content import content_html

RULES = ReadingRules(id_authority="blog.example", id_year=2020)
MTIME = datetime(2020, 1, 1, tzinfo=UTC)
FRONT = "---\ntitle: Bees\ndate: 2020-01-01\nlink: https://blog.example/bees\n"
NOW = 1_700_000_000


def article(front: str = "", body: str = "", suffix: str = ".md") -> Article:
    raw = f"{FRONT}{front}\n---\n{body}".encode()
    got = read_article(raw, PurePosixPath(f"news/bees{suffix}"), MTIME, RULES).article
    assert got is not None
    return got


def differs(one: Article, other: Article) -> bool:
    return is_visible_change(visible_digest(one), visible_digest(other))


# --- Bodies

BLOCKS = {
    ".md": [
        "Some *text* with `<!-- code -->` in it.",
        "# Heading",
        "> A quote\n> of two lines",
        "```html\n<!-- shown -->\n\n\n<script>x</script>\n```",
        "1. one\n2. two\n\nEnd of the list.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "<div>raw</div>",
        "A [link](https://x.example) and ![a picture](https://x.example/p.png)",
    ],
    ".html": [
        "<p>Some <em>text</em>.</p>",
        "<h2>Heading</h2>",
        "<ul>\n <li>one</li>\n <li>two</li>\n</ul>",
        "<pre>\n  kept\n\n\n  as it is</pre>",
        "<table><tr><td>1</td></tr></table>",
        "<p>A picture: <img src='https://x.example/p.png' width=1 height=20></p>",
    ],
}
INVISIBLE = [
    "<!-- a comment -->",
    "<!--\nof several\n\nlines\n-->",
    "<script>\nif (a < b) {}\n\nb()\n</script>",
    "<style>p { color: red }</style>",
    "<template><p>not shown</p></template>",
    "<noscript><p>not shown</p></noscript>",
    '<img src="https://count.example/x.gif" width="1" height="1">',
    '<img src="https://count.example/x.gif" width="0" height="0" alt="">',
    "",
    "\n\n",
]


@pytest.mark.parametrize("suffix", BLOCKS)
@given(data=st.data())
def test_what_no_reader_displays_between_two_blocks_is_no_change(suffix: str, data: st.DataObject) -> None:
    blocks = data.draw(st.lists(st.sampled_from(BLOCKS[suffix]), min_size=1, max_size=6))
    with_more = [
        part
        for block in blocks
        for part in (*data.draw(st.lists(st.sampled_from(INVISIBLE), max_size=2)), block)
    ]
    before, after = article("", "\n\n".join(blocks), suffix), article("", "\n\n".join(with_more), suffix)
    assert not differs(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>a</p>", '<p class="x" id="y" style="color: red" data-x="1" onclick="x()">a</p>'),
        ("<p>a</p>\n<p>b</p>", "<p>a</p>\n\n \t\n<p>b</p>"),
        ("<p>a\nb</p>", "<p>a\n  b</p>"),
        ("<p>a b</p>", "<p>a <!-- x --> b</p>"),
        ("<p>ab</p>", "<p>a<script>x</script>b</p>"),
        ("<ul>\n<li>a</li></ul>", "<ul>\n  <li>a</li></ul>"),
    ],
)
def test_an_edit_of_html_that_no_reader_displays_is_no_change(before: str, after: str) -> None:
    assert visible_digest(article("", before, ".html")) != visible_digest(article("", after, ".html"))
    assert not differs(article("", before, ".html"), article("", after, ".html"))


@pytest.mark.parametrize(
    ("suffix", "before", "after"),
    [
        (".md", "a b", "a c"),
        (".md", "a\nb", "a  \nb"),  # a line break
        (".md", "a\nb", "a\n\nb"),
        (".md", "a\nb", "a\n<!-- -->\nb"),  # the comment parts two paragraphs
        (".md", "- a\n- b", "- a\n\n- b"),
        (".md", "- a\n\n    b", "- a\n\n<!-- -->\n\n    b"),
        (".md", "```\na\n```", "```\na\n<!-- x -->\n```"),
        (".md", "```\na\n\nb\n```", "```\na\n\n\nb\n```"),
        (".md", "    a\n    b", "    a\n    <!-- x -->\n    b"),
        (".md", "`a`", "`a<!-- x -->`"),
        (".md", "`a b`", "`a  b`"),
        (".md", "&lt;!-- a --&gt;", "&lt;!-- b --&gt;"),
        (".md", "[a](https://x.example)", "[a](https://y.example)"),
        (".html", "<p>ab</p>", "<p>a b</p>"),
        (".html", "<p><b>a</b> <i>b</i></p>", "<p><b>a</b><i>b</i></p>"),
        (".html", "<p>a b</p>", "<p>a&nbsp;b</p>"),
        (".html", "<p>a&nbsp; b</p>", "<p>a b</p>"),
        (".html", "<pre>a b</pre>", "<pre>a  b</pre>"),
        (".html", "<pre><p>a</p> b</pre>", "<pre><p>a</p>  b</pre>"),
        (".html", "<p title='a <p> b'>x</p>", "<p title='a<p>b'>x</p>"),
        (".html", "<p title='a  b'>x</p>", "<p title='a b'>x</p>"),
        (".html", '<p title="> &quot;  x">x</p>', '<p title="> &quot; x">x</p>'),
        (".html", "<img src='https://x.example/a' width=1>", "<img src='https://x.example/a' width=2>"),
        (".html", "<p>a</p>", "<h2>a</h2>"),
    ],
)
def test_an_edit_that_readers_display_is_a_change(suffix: str, before: str, after: str) -> None:
    assert differs(article("", before, suffix), article("", after, suffix))


BLOCK_TAGS = frozenset(
    {
        *(
            "p",
            "div",
            "section",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "dl",
            "dt",
            "dd",
            "br",
        ),
        *("blockquote", "pre", "table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "td"),
        *("th", "figure", "figcaption", "hr", "details", "summary"),
    }
)
CODE_TAGS = frozenset({"pre", "code", "kbd", "samp"})


class Seen(HTMLParser):
    """The words and tags of HTML in their order, by another parser; white space in code and tags as it is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stream: list[str] = []
        self.verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._append_tag(tag, f"<{tag} {attrs!r}>")
        self.verbatim += tag in CODE_TAGS

    def handle_endtag(self, tag: str) -> None:
        self.verbatim -= tag in CODE_TAGS
        self._append_tag(tag, f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.stream.append(as_letters(data) if self.verbatim else data)

    def _append_tag(self, tag: str, text: str) -> None:
        around = " " if tag in BLOCK_TAGS else ""
        self.stream.append(around + as_letters(text) + around)


def as_letters(text: str) -> str:
    """The text with letters of the private use area for its white space."""
    return text.translate({ord(white): 0xE000 + ord(white) for white in " \t\n\r\f"})


def words(html: str) -> list[bytes]:
    """The visible pieces of HTML: the texts between white space, and the tags of blocks."""
    seen = Seen()
    seen.feed(html)
    seen.close()
    return "".join(seen.stream).encode().split()  # of bytes: at the white space of ASCII only


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "<p>",
                "</p>",
                "<div class=x>",
                "</div>",
                "<b>",
                "</b>",
                "<pre>",
                "</pre>",
                "<code>",
                "</code>",
            ),
            *("<ul><li>", "</ul>", "<br>", "<a href='https://x.example/ ?a=\"b'>", "</a>", "<!--", "-->"),
            *('<p title="a <p>  b">', "<p title='\"  >'>", "<script>", "</script>", "<table><tr><td>"),
            *(
                "</table>",
                "&nbsp;",
                "&lt;p&gt;",
                "\n",
                "  ",
                "\t",
                "\n\n    ",
                "a",
                "b",
                "é",
                '"',
                "`",
                "```\n",
            ),
            *("- ", "> ", "*", "<svg>", "<template>", "<img src='https://x.example/i' alt='a  b'>"),
        ]
    ),
    max_size=30,
).map("".join)


@given(PIECES, st.booleans())
@example("<pre><p>a</p> b</pre> c", True)
def test_what_readers_display_remains(text: str, is_html: bool) -> None:
    """So two bodies of which the same is left are displayed as the same."""
    try:
        body = render_body(text, is_html=is_html)
    except MarkupError:
        return
    left = visible_html(body)
    assert words(left) == words(body)
    assert visible_html(left) == left


@pytest.mark.parametrize("part", ["<", "<p", "<p>", '<p a="', ' "', "\n", " <b>", "<pre>", "</pre> ", '="<'])
def test_a_long_body_takes_time_in_proportion(part: str) -> None:
    started = time.process_time()
    visible_html(part * (1_000_000 // len(part)))
    assert time.process_time() - started < 10  # the slowest takes 0.5 s


# --- Fields

PICTURE = Image(url="https://x.example/1.png", width=10, height=20, title="One", credit="C")
SECOND = Image(url="https://x.example/2.png", width=10, height=20, title="Two", credit="C")
RELATED = Related(title="R", url="https://x.example/r", excerpt="E", provider="P", domain="p.example")
PROVIDER = Provider(name="P", slug="p", domain="p.example", images=(PICTURE, SECOND))
FULL = an_article(
    kind="news",
    amp_urls=("https://x.example/amp",),
    images=(PICTURE, SECOND),
    related=(RELATED,),
    provider=PROVIDER,
)


def with_pictures(*images: Image) -> Provider:
    return msgspec.structs.replace(PROVIDER, images=images)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "review"},
        {"amp_urls": ()},
        {"provider": with_pictures(Image(url=PICTURE.url), SECOND)},
        {"provider": with_pictures(PICTURE)},
        {"provider": with_pictures(msgspec.structs.replace(PICTURE, title="x", credit="y"), SECOND)},
        {"images": (PICTURE, msgspec.structs.replace(SECOND, title="x"))},
        {"related": (msgspec.structs.replace(RELATED, excerpt="x"),)},
        {"related": (msgspec.structs.replace(RELATED, domain="x.example"),)},
    ],
)
def test_a_field_that_no_reader_displays_is_no_change(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(FULL, **change)
    assert visible_digest(changed) != visible_digest(FULL)
    assert not differs(FULL, changed)
    assert content_html(entry(FULL)) == content_html(entry(changed))


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x"},
        {"excerpt": "x"},
        {"language": "en"},
        {"duration": 5},
        {"images": (SECOND, PICTURE)},
        {"images": (PICTURE,)},
        {"images": (msgspec.structs.replace(PICTURE, title="x"), SECOND)},
        {"images": (msgspec.structs.replace(PICTURE, width=11), SECOND)},
        {"provider": with_pictures(SECOND, PICTURE)},
        {"provider": with_pictures()},
        {"provider": msgspec.structs.replace(PROVIDER, name="x")},
        {"provider": msgspec.structs.replace(PROVIDER, domain="x.example")},
        {"related": (msgspec.structs.replace(RELATED, title="x"),)},
        {"related": (msgspec.structs.replace(RELATED, provider=""),)},
        {"related": ()},
    ],
)
def test_a_field_that_readers_display_is_a_change(change: dict[str, object]) -> None:
    assert differs(FULL, msgspec.structs.replace(FULL, **change))


def entry(one: Article) -> Entry:
    return Entry(article=one, updated=MTIME)


def stated(one: Article) -> StatedArticle:
    content = content_of(Reading(verdict=Verdict.ARTICLE, article=one), ListingRules())
    assert content.stated is not None
    return content.stated


# --- Histories of version 1, whose digests have 16 bytes


VERSIONS = st.lists(
    st.sampled_from(["a", "b", "<!-- x -->\n\na", "<!-- y -->\n\na", "a\n\n\n", "*b*", "_b_"]), max_size=8
)


def claimed(body: str) -> Candidate:
    one = stated(article("", body))
    return Candidate(
        file_id=1,
        article_id=one.article_id,
        order_path="news/bees.md",
        published=one.published,
        declared_update=None,
        mtime=NOW,
        digest=one.digest,
        visible_digest=one.visible_digest,
    )


@given(st.binary(min_size=16, max_size=16), st.integers(0, NOW), st.none() | st.integers(0, NOW), VERSIONS)
def test_an_upgrade_re_dates_nothing_and_later_only_visible_changes_do(
    digest: bytes, updated: int, first_seen: int | None, bodies: list[str]
) -> None:
    known = KnownArticle(digest=digest, updated=updated, first_seen=first_seen)
    body = "a"
    live, after = publish(claimed(body), known, NOW)
    assert (live.updated, after.updated, after.first_seen) == (updated, updated, first_seen)
    assert after.digest == claimed(body).visible_digest
    for changed in bodies:
        known = after
        live, after = publish(claimed(changed), known, NOW)
        is_seen = words(article("", body).body_html) != words(article("", changed).body_html)
        assert (live.updated > known.updated) is is_seen
        body = changed


def test_an_upgrade_of_a_history_on_disk_re_dates_nothing(tmp_path: Path) -> None:
    texts = {f"{name}.md": text for name, text in (("bees", "a"), ("wasps", "b"), ("ants", "c"))}
    articles = {path: article("", text) for path, text in texts.items()}
    with closing(history_in(tmp_path)) as history:
        history.remember_articles(
            {
                path: KnownArticle(digest=visible_digest(one)[:16], updated=77)
                for path, one in articles.items()
            }
        )
    with closing(history_in(tmp_path)) as history:
        before = history.articles(articles)
        after = {path: publish(claimed(texts[path]), before[path], NOW)[1] for path in articles}
        history.remember_articles(after)
    with closing(history_in(tmp_path)) as history:
        kept = history.articles(articles)
    assert {one.updated for one in kept.values()} == {77}
    assert {path: one.digest for path, one in kept.items()} == {
        path: visible_digest(one) for path, one in articles.items()
    }
