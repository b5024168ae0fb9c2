"""The body of an article: Markdown or HTML as written, to HTML that is safe in any reader.

Sanitising comes last, so that nothing that is done before can undo it. URLs come out absolute or not at
all (RSS profile section 4.1.1.20.4: readers resolve relative ones differently). The same text gives the
same HTML; another renderer may give other HTML, which is why an article is dated by `body_digest`.
"""

from __future__ import annotations

import hashlib
import html
import re
from functools import lru_cache

import nh3
import pyromark
from lxml import etree

from feedserver.articles.embeds import find_video, player_url, tag_attributes
from feedserver.articles.text import without_controls
from feedserver.articles.urls import absolute_url

_TAGS = {
    *(
        "a",
        "abbr",
        "audio",
        "b",
        "bdi",
        "bdo",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
    ),
    *("dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4"),
    *("h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "picture", "pre", "q", "rp", "rt"),
    *("ruby", "s", "samp", "section", "small", "source", "span", "strong", "sub", "summary", "sup", "table"),
    *("tbody", "td", "tfoot", "th", "thead", "time", "tr", "track", "u", "ul", "var", "video", "wbr"),
}
_ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "a": {"href", "hreflang"},
    "audio": {"controls", "src"},
    "blockquote": {"cite"},
    "col": {"span"},
    "colgroup": {"span"},
    "del": {"cite", "datetime"},
    "img": {"alt", "height", "src", "width"},
    "ins": {"cite", "datetime"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "q": {"cite"},
    "source": {"src", "type"},
    "td": {"colspan", "headers", "rowspan"},
    "th": {"colspan", "headers", "rowspan", "scope"},
    "time": {"datetime"},
    "track": {"kind", "label", "src", "srclang"},
    "video": {"controls", "height", "poster", "src", "width"},
}
# What is lifted out in a first pass: players become links, lazy images get their address.
_LIFTED_TAGS = _TAGS | {"iframe"}
_LIFTED_ATTRIBUTES = {
    **_ATTRIBUTES,
    "iframe": {"src"},
    "img": _ATTRIBUTES["img"] | {"data-src"},
}
# Removed with their content, which is no text of the article.
_WITHOUT_CONTENT = {
    "button",
    "head",
    "math",
    "noframes",
    "noscript",
    "object",
    "option",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
}
_URL_ATTRIBUTES = {"cite", "data-src", "href", "poster", "src"}

_IFRAME = re.compile(r"<iframe[^<>]*>")
_IMAGE = re.compile(r"<img([^<>]*)>")
# Sanitising takes time in proportion to the square of the nesting depth: 61 s for 100,000 nested <div>
# (measured, nh3 0.3.8). libxml2 cuts at a depth of 256, but knows HTML 4 only: it tames large bodies alone.
_MANY_TAGS = 5_000

# pulldown-cmark: 2 µs for a body of 0.9 kB, where markdown-it-py took 95 and cmark-gfm 16 (measured).
_MARKDOWN = pyromark.Markdown(
    options=pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_FOOTNOTES
)


def render_body(text: str, *, is_html: bool, base_url: str = "") -> str:
    """Sanitised HTML of a body, '' if it is blank; relative URLs are resolved against `base_url`.

    Without a base, attributes that hold relative URLs are dropped. Players become links, pictures of one
    pixel vanish. Of a whole HTML document only the body remains.
    """
    text = without_controls(text)
    if not text.strip():
        return ""
    markup = text if is_html else _MARKDOWN.html(text)
    if markup.count("<") > _MANY_TAGS:
        markup = _without_depth(markup)
    lifting, settling = _cleaners(base_url)
    lifted = lifting.clean(markup)
    settled = _IMAGE.sub(_settle_image, _IFRAME.sub(_settle_iframe, lifted)).replace(
        "</iframe>", "</template>"
    )
    if settled != lifted:
        settled = settling.clean(settled)
    return without_controls(settled).replace("<p></p>", "").strip()


def digest_of(text: str) -> str:
    """The digest of a body as written: 16 hex digits, '' if it is blank.

    It does not depend on line ends, nor on blank lines around the text, nor on how it is rendered.
    """
    text = without_controls(text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n").rstrip()
    if not text:
        return ""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@lru_cache(maxsize=16)
def _cleaners(base_url: str) -> tuple[nh3.Cleaner, nh3.Cleaner]:
    """The sanitisers of the first and the second pass.

    Made once for each root's base: making one takes four times as long as cleaning a body (38 and 10 µs,
    measured).
    """
    return _cleaner(_LIFTED_TAGS, _LIFTED_ATTRIBUTES, base_url), _cleaner(_TAGS, _ATTRIBUTES, base_url)


def _cleaner(tags: set[str], attributes: dict[str, set[str]], base_url: str) -> nh3.Cleaner:
    def absolute(element: str, attribute: str, value: str) -> str | None:
        if attribute not in _URL_ATTRIBUTES:
            return value
        if element == "iframe":
            return player_url(value)
        if attribute == "href" and value[:7].lower() == "mailto:":
            return value
        if value.lstrip().startswith("#"):
            return None  # a place in this text, whose ids are gone
        try:
            return absolute_url(value, base_url)
        except ValueError:
            return None

    return nh3.Cleaner(
        tags=tags,
        clean_content_tags=_WITHOUT_CONTENT,
        attributes=attributes,
        attribute_filter=absolute,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def _settle_iframe(match: re.Match[str]) -> str:
    """A link for the start of a player; what stands inside it goes, being in a template from here on."""
    video = find_video(match[0])
    address = html.escape(video.url) if video else ""
    link = f'<p><a href="{address}">{address}</a></p>' if video else ""
    return f"{link}<template>"


def _settle_image(match: re.Match[str]) -> str:
    attributes = tag_attributes(match[1])
    lazy = attributes.pop("data-src", "")
    attributes["src"] = lazy or attributes.get("src", "")
    is_pixel = attributes.get("width") in {"0", "1"} and attributes.get("height") in {"0", "1"}
    if is_pixel or not attributes["src"]:
        return ""
    if not lazy:
        return match[0]
    return "<img" + "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items()) + ">"


def _without_depth(markup: str) -> str:
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True)
    root = etree.fromstring(f"<!DOCTYPE html><html><body>{markup}".encode(), parser)
    return str(etree.tostring(root, encoding="unicode", method="html"))
