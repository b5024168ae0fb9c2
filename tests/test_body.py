"""Bodies: Markdown and HTML to HTML that is safe, absolute and deterministic."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.body import digest_of, plain_body, render_body
from feedserver.articles.embeds import find_video
from feedserver.articles.markup import MarkupError
from feedserver.articles.references import NOWHERE, Place
from feedserver.model import Video

BASE = "https://blog.example/sub/"
PLACE = Place(page=f"{BASE}page/", base=BASE)
HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                "<script>",
                "</script>",
                "<iframe src=",
                "<iframe src='//x.example/",
                "</iframe>",
                "<img src=",
                "<img ",
            ),
            *(
                "data-src=",
                "onerror=",
                "onload=alert(1)",
                "javascript:alert(1)",
                "<svg>",
                "<math>",
                "<style>",
            ),
            *(
                "</style>",
                "<a href=",
                "</a>",
                "<p title=",
                '"',
                "'",
                ">",
                "<",
                "/",
                " ",
                "=",
                "<!--",
                "-->",
                "&#0;",
            ),
            *(
                "<template>",
                "</template>",
                "<noscript>",
                "]]>",
                "http://e.example/",
                "<title>",
                "width=1 height=1",
            ),
            *("\x00", "\ud800", "&lt;", "text", "\n\n", "`", "<table>", "<textarea>", "data:text/html,x"),
        ]
    ),
    max_size=25,
).map("".join)


class Elements(HTMLParser):
    """Collects what a browser would act upon."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def from_html(text: str, place: Place = NOWHERE) -> str:
    return render_body(text, is_html=True, place=place)


def from_markdown(text: str, place: Place = NOWHERE) -> str:
    return render_body(text, is_html=False, place=place)


# --- Safety


@given(HOSTILE, st.booleans(), st.sampled_from([NOWHERE, PLACE]))
def test_nothing_active_survives(text: str, is_html: bool, place: Place) -> None:
    markup = render_body(text, is_html=is_html, place=place)
    for tag, attributes in Elements(markup).found:
        assert tag not in {"script", "style", "iframe", "object", "embed", "form", "svg", "math", "template"}
        assert not any(name.startswith("on") or name in {"style", "data-src"} for name in attributes)
        for name in attributes.keys() & {"href", "src", "cite", "poster"}:
            assert re.match("https?://|mailto:", attributes[name])


@given(HOSTILE, st.booleans())
def test_the_same_text_gives_the_same_html_which_sanitises_to_itself(text: str, is_html: bool) -> None:
    markup = render_body(text, is_html=is_html, place=PLACE)
    assert markup == render_body(text, is_html=is_html, place=PLACE)
    assert from_html(markup, PLACE) == markup


@given(st.text())
def test_a_body_holds_no_character_that_xml_refuses(text: str) -> None:
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", from_markdown(text + "&#1;")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p onclick=x style='color:red' class=a id=b>t</p><script>1</script>", "<p>t</p>"),
        ("<a href=' JavaScript:x'>t</a>", "t"),
        ("<a href='mailto:a@b.example'>t</a>", '<a href="mailto:a@b.example">t</a>'),
        ("<svg><script>x</script>drawn</svg>t", "t"),
        ("<form>f<input><button>b</button></form>t", "ft"),
        ("a\x00b<b>c", "ab<b>c</b>"),
    ],
)
def test_html_is_sanitised(text: str, expected: str) -> None:
    assert from_html(text) == expected


def test_of_a_whole_document_only_the_body_remains() -> None:
    document = (
        "<!DOCTYPE html><html><head><title>T</title><style>p{}</style></head><body><p>t</p></body></html>"
    )
    assert from_html(document) == "<p>t</p>"


# --- Players and pictures


@pytest.mark.parametrize(
    ("src", "href"),
    [
        ("//www.youtube.com/embed/abc_DEF-123?rel=0", "https://www.youtube.com/watch?v=abc_DEF-123"),
        ("https://player.vimeo.com/video/123", "https://vimeo.com/123"),
        ("https://maps.example/embed?q=1&amp;z=2", "https://maps.example/embed?q=1&amp;z=2"),
    ],
)
def test_a_player_becomes_a_link(src: str, href: str) -> None:
    link = f'<p><a href="{href}">{href}</a></p>'
    assert from_html(f'x<iframe src="{src}" onload="y">no <b>frames</b></iframe>z') == f"x{link}z"


def test_a_player_of_anything_but_the_web_vanishes() -> None:
    assert from_html("a<iframe src='javascript:alert(1)'></iframe>b<iframe srcdoc='<p>x'></iframe>c") == "abc"


def test_pictures_of_one_pixel_vanish() -> None:
    counter = '<img src="https://t.example/1.gif" width="1" height="1">'
    thin = '<img src="https://t.example/2.gif" width="1" height="9" referrerpolicy="no-referrer">'
    assert from_html(counter + thin) == thin


def test_a_lazy_picture_gets_its_address() -> None:
    lazy = '<img src="data:image/gif;base64,R0" data-src="https://i.example/a.png" alt="&quot;a&quot; > b">'
    assert Elements(from_html(lazy)).found == [
        ("img", {"src": "https://i.example/a.png", "alt": '"a" > b', "referrerpolicy": "no-referrer"}),
    ]


@pytest.mark.parametrize("address", ["src", "data-src"])
@pytest.mark.parametrize(
    ("stated", "policy"),
    [
        ("", "no-referrer"),
        ('referrerpolicy="origin"', "origin"),
        ("ReferrerPolicy='Unsafe-URL'", "Unsafe-URL"),
        ('referrerpolicy="strict-origin-when-cross-origin"', "strict-origin-when-cross-origin"),
        ('referrerpolicy="everything"', "no-referrer"),
        ('referrerpolicy=""', "no-referrer"),
        ('referrerpolicy="origin" referrerpolicy="everything"', "origin"),
        ('alt="referrerpolicy"', "no-referrer"),
    ],
)
def test_a_picture_is_loaded_without_a_referrer_unless_the_article_says_how(
    address: str, stated: str, policy: str
) -> None:
    text = f'<img {stated} {address}="https://i.example/a.png">'
    for markup in (from_html(text), from_markdown(text)):
        (picture,) = [attributes for tag, attributes in Elements(markup).found if tag == "img"]

        assert (picture["src"], picture["referrerpolicy"]) == ("https://i.example/a.png", policy)


def test_the_policy_is_for_pictures_only() -> None:
    assert from_html('<a referrerpolicy="origin" href="https://e.example/">t</a>') == (
        '<a href="https://e.example/">t</a>'
    )


# --- Relative URLs


def test_relative_urls_are_resolved_against_the_base() -> None:
    text = '<a href="../x?a=1">t</a><img src="i.png"><video poster="/p.png" src="v.mp4"></video>'
    found = Elements(from_html(text, PLACE)).found
    urls = [v for _, a in found for k, v in a.items() if k in {"href", "poster", "src"}]
    root = "https://blog.example/"
    assert sorted(urls) == [f"{root}p.png", f"{root}sub/i.png", f"{root}sub/v.mp4", f"{root}x?a=1"]


def test_without_a_base_relative_urls_are_dropped() -> None:
    assert from_html('<a href="/x">t</a><img src="i.png" alt="p"><q cite="y">z</q>') == "t<q>z</q>"


def test_a_link_to_a_place_in_the_text_leads_to_the_page() -> None:
    assert from_html('<a href="#top">t</a>', PLACE) == f'<a href="{BASE}page/#top">t</a>'
    assert from_html('<a href="#top">t</a>', Place(base=BASE)) == "t"


def test_a_footnote_leads_to_the_page() -> None:
    assert f'<a href="{BASE}page/#fn:one">1</a>' in from_markdown("Text[^one].\n\n[^one]: A note.", PLACE)


def test_bodies_that_are_rendered_at_once_keep_their_own_places() -> None:
    places = [Place(page=f"https://blog.example/{number}/", base=BASE) for number in range(4)]
    text = '<p><a href="#top">t</a></p>' * 200
    with ThreadPoolExecutor(len(places)) as pool:
        for place, markup in zip(places * 20, pool.map(partial(from_html, text), places * 20), strict=True):
            assert markup.count(f'href="{place.page}#top"') == 200


# --- Markdown


def test_markdown_has_tables_strikethrough_and_footnotes() -> None:
    markup = from_markdown("A[^1] ~~b~~\n\n|c|\n|-|\n|d|\n\n[^1]: note\n")
    assert "<del>b</del>" in markup
    assert "<td>d</td>" in markup
    assert "<sup>1</sup>\n<p>note</p>" in markup
    assert "\u21a9" not in markup


def test_bare_addresses_and_quotes_stay_as_written() -> None:
    assert from_markdown('see http://e.example "x"...') == '<p>see http://e.example "x"...</p>'


@pytest.mark.parametrize("text", ["", "  \n\t\n", "\x00"])
def test_a_blank_body_is_empty(text: str) -> None:
    assert from_markdown(text) == from_html(text) == digest_of(text) == ""


MANY = 20_000
PATHOLOGICAL = {
    "brackets": "[" * 100_000,
    "images": "![" * MANY,
    "links": "[a](" * MANY,
    "emphasis": "**a _b " * MANY,
    "quotes": ">" * 100_000,
    "bullets": "- " * 100_000 + "a",
    "nested list": "\n".join(" " * (2 * i) + "- a" for i in range(1000)),
    "footnotes": "[^1] " * MANY + "\n\n[^1]: a",
    "inline notes": "^[" * MANY,
    "columns": "|" + "a|" * MANY + "\n|" + "-|" * MANY + "\n" + "|a|\n" * 1000,
    "backticks": "".join("`" * (i % 300 + 1) + " " for i in range(400)),
    "angles": "<" * 100_000,
    "comments": "<!--" * MANY,
    "divs": "<div>\n\n" * 100_000,
    "bold": "".join(f"<b title={i}>" for i in range(MANY)) + "<p>x" * MANY,
    "tables": "<table><tr><td>" * MANY,
    "players": '<p title="<iframe src=">' * MANY,
    "unclosed players": "<iframe src='//x.example'>" * MANY,
}


def bounded(text: str, *, is_html: bool) -> str:
    """A body as an article gets it."""
    try:
        return render_body(text, is_html=is_html, place=PLACE)
    except MarkupError:
        return plain_body(text, is_html=is_html)


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_pathological_bodies_neither_hang_nor_recurse(name: str) -> None:
    started = time.process_time()
    bounded(PATHOLOGICAL[name], is_html=False)
    bounded(PATHOLOGICAL[name], is_html=True)
    assert time.process_time() - started < 10  # the slowest takes 0.8 s


# --- Digest


def test_the_digest_of_a_body_never_changes() -> None:
    assert digest_of("# Head\n\nText") == "7fd4734f092dd604"  # `b2sum --length 64` says the same


@given(st.text())
def test_the_digest_does_not_depend_on_line_ends_or_blank_lines_around(text: str) -> None:
    body = text.replace("\r", "")
    assert digest_of(body) == digest_of("\r\n\n" + body.replace("\n", "\r\n") + " \r\n")


def test_the_digest_depends_on_the_text() -> None:
    assert digest_of("a  b") != digest_of("a b")


# --- featuredContent


def test_the_first_player_with_an_address_is_the_video() -> None:
    markup = (
        '<iframe src="about:blank"></iframe>'
        "<IFRAME width='800px' height=100% src=https://www.youtube-nocookie.com/embed/abc_DEF-123>"
    )
    assert find_video(markup) == Video(
        url="https://www.youtube.com/watch?v=abc_DEF-123",
        player_url="https://www.youtube-nocookie.com/embed/abc_DEF-123",
        width=800,
    )


@pytest.mark.parametrize(
    ("src", "page"),
    [
        (
            "https://www.youtube.com/embed/videoseries?list=PL123",
            "https://www.youtube.com/playlist?list=PL123",
        ),
        ("https://www.youtube.com/embed/", "https://www.youtube.com/embed/"),
        ("https://notyoutube.com/embed/abc", "https://notyoutube.com/embed/abc"),
        ("https://player.vimeo.com/video/1/x", "https://player.vimeo.com/video/1/x"),
    ],
)
def test_the_page_of_a_video_is_known_for_known_hosts(src: str, page: str) -> None:
    video = find_video(f'<iframe src="{src}"></iframe>')
    assert video is not None
    assert (video.url, video.player_url) == (page, src)


@given(st.text() | HOSTILE)
def test_any_markup_can_be_searched_for_a_video(markup: str) -> None:
    video = find_video(markup)
    assert video is None or re.match("https?://", video.url)
