"""Renders the body of an article: from Markdown or HTML to HTML that is safe in any feed reader.

Sanitising is the last step, so that no other step can undo it. All URLs become absolute or are removed (RSS
profile section 4.1.1.20.4: readers resolve relative ones differently). The same text gives the same HTML.
Another version of the renderer may give other HTML, so changes of an article are detected by `body_digest`.
"""

from __future__ import annotations

import hashlib
import html
import re
from contextvars import ContextVar

import nh3
from lxml import etree

from feedserver.articles import masking
from feedserver.articles.embeds import find_video, player_url, tag_attributes
from feedserver.articles.markdown import render_markdown
from feedserver.articles.markup import MarkupError, refuse_costly_markup, refuse_many_tags, text_of
from feedserver.articles.references import NOWHERE, Place
from feedserver.articles.text import without_controls

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
    "img": {"alt", "height", "referrerpolicy", "src", "width"},
    "ins": {"cite", "datetime"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "q": {"cite"},
    "source": {"src", "type"},
    "td": {"align", "colspan", "headers", "rowspan"},
    "th": {"align", "colspan", "headers", "rowspan", "scope"},
    "time": {"datetime"},
    "track": {"kind", "label", "src", "srclang"},
    "video": {"controls", "height", "poster", "src", "width"},
}
# Kept by the first pass only: players, which then become links, and the addresses of lazy images.
_LIFTED_TAGS = _TAGS | {"iframe"}
_LIFTED_ATTRIBUTES = {
    **_ATTRIBUTES,
    "iframe": {"src"},
    "img": _ATTRIBUTES["img"] | {"data-src"},
}
# Removed with their content, which is not text of the article.
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
# The server of a picture need not learn where an article is read (Referrer Policy section 3), and some
# servers refuse pictures that other sites show. An article may state another policy.
_REFERRER_POLICIES = {
    "no-referrer",
    "no-referrer-when-downgrade",
    "origin",
    "origin-when-cross-origin",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
}
_KNOWN_VALUES = {"align": {"left", "center", "right"}, "referrerpolicy": _REFERRER_POLICIES}
_URL_ATTRIBUTES = {"cite", "data-src", "href", "poster", "src"}

# nh3 writes no `<` and `>` in attributes, since 0.3.7.
_IFRAME = re.compile(r"<iframe[^<>]*>")
_IMAGE = re.compile(r"<img([^<>]*)>")
_BARE_LINK = re.compile(r"<a>(.*?)</a>", re.DOTALL)
# Sanitising takes time in proportion to the square of the nesting depth: 61 s for 100,000 nested <div>
# (measured, nh3 0.3.8). libxml2 cuts at a depth of 256, but knows HTML 4 only: it tames large bodies alone.
_MANY_TAGS = 5_000
# pulldown-cmark checks each open quote and list for each line: 1 MB of half `>`, half lines took minutes.
# They are opened in one line, or one in each line by growing indentation.
_SHORT_MARKDOWN = 16_384
_MAX_CONTAINERS = 100
_DEEP_MARKDOWN = re.compile(
    rf"^(?:(?:[ \t]*+(?:>|[-+*][ \t]|[0-9]{{1,9}}[.)][ \t])){{{_MAX_CONTAINERS}}}"
    rf"|[ \t]{{{2 * _MAX_CONTAINERS}}}[ \t]*+(?:>|[-+*][ \t]|[0-9]{{1,9}}[.)][ \t]))",
    re.MULTILINE,
)

_MAX_HTML = 8_000_000  # characters; 1 MB of `&` is 5 MB of `&amp;`
_MAX_PLAIN = 1_048_576  # characters of a body without its markup
_MAX_URLS = 10_000  # each takes some 15 µs to be resolved
_URL_ATTRIBUTE = re.compile(r"(?:cite|data-src|href|poster|src)[ \t\n\f\r]*+=", re.IGNORECASE)
_RAW_TAG = re.compile("<[A-Za-z]")


def render_body(text: str, *, is_html: bool, place: Place = NOWHERE, extensions: tuple[str, ...] = ()) -> str:
    """The sanitised HTML of a body, '' if it is blank; its references are resolved from `place`.

    `extensions` are those of Markdown that `rule_names.EXTENSIONS` names.

    Attributes with references that cannot be resolved are removed. Players become links, pictures of one
    pixel are removed, and others are loaded without a referrer. Of a whole HTML document only the body is
    kept.

    Raises:
        MarkupError: sanitising would take far more time or memory than is usual for the length of the body.
    """
    text = without_controls(text)
    if not text.strip():
        return ""
    markup = _markup_of(text, is_html, extensions)
    if markup.count("<") > _MANY_TAGS:
        markup = _without_depth(markup)
    is_long = len(markup) > masking.LONG
    if is_long:
        markup = masking.hide(markup)
    sanitised = _sanitised(markup, place)
    return without_controls(masking.show(sanitised) if is_long else sanitised).replace("<p></p>", "").strip()


def _sanitised(markup: str, place: Place) -> str:
    _PLACE.set(place)
    lifted = _LIFTING.clean(markup)
    _refuse_length(lifted)
    settled = lifted
    if "<img" in lifted or "<iframe" in lifted:
        settled = _IMAGE.sub(_settle_image, _IFRAME.sub(_settle_iframe, lifted))
        settled = settled.replace("</iframe>", "</template>")
    settled = _SETTLING.clean(settled) if settled != lifted else settled
    # A link that leads nowhere is its text; sanitised links are closed and hold no others.
    return _BARE_LINK.sub(r"\1", settled) if "<a>" in settled else settled


def plain_body(text: str, *, is_html: bool) -> str:
    """The HTML of a body whose markup is too costly: its text in paragraphs, without tags.

    Markdown is shown as written.
    """
    text = without_controls(text)
    plain = without_controls(text_of(text) if is_html else text)[:_MAX_PLAIN]
    paragraphs = (html.escape(part.strip(), quote=False) for part in plain.split("\n\n"))
    return "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs if paragraph)


def _markup_of(text: str, is_html: bool, extensions: tuple[str, ...]) -> str:
    """The HTML of a body, rendered if it is Markdown."""
    if not is_html and len(text) > _SHORT_MARKDOWN and _DEEP_MARKDOWN.search(text):
        raise MarkupError(f"has more than {_MAX_CONTAINERS} quotes and lists inside each other")
    markup = text if is_html else render_markdown(text, extensions)
    _refuse_length(markup)
    # Rendered Markdown without HTML in it closes every element in its place.
    if is_html or extensions or ("<" in text and _RAW_TAG.search(text)):
        refuse_costly_markup(markup)
    else:
        refuse_many_tags(markup)
    if markup.count("=") > _MAX_URLS and len(_URL_ATTRIBUTE.findall(markup)) > _MAX_URLS:
        raise MarkupError(f"has more than {_MAX_URLS:,} links and pictures")
    return markup


def _refuse_length(markup: str) -> None:
    if len(markup) > _MAX_HTML:
        raise MarkupError(f"becomes more than {_MAX_HTML:,} characters of HTML")


def digest_of(text: str) -> str:
    """The digest of a body as written: 16 hex digits, '' if it is blank.

    It does not depend on line ends, on blank lines around the text, or on the renderer.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = without_controls(text).strip("\n").rstrip()
    if not text:
        return ""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# Making a sanitiser takes four times as long as cleaning a body (38 and 10 µs, measured), and each article
# is a place of its own. So the sanitisers are made once, and find the place of the body here.
_PLACE: ContextVar[Place] = ContextVar("place", default=NOWHERE)


def _kept_attribute(element: str, attribute: str, value: str) -> str | None:
    """The value of an attribute in a body; None if the attribute is removed."""
    if attribute not in _URL_ATTRIBUTES:
        known = _KNOWN_VALUES.get(attribute)
        return value if known is None or value.lower() in known else None
    value = masking.original(value)
    if element == "iframe":
        return player_url(value)
    if attribute == "href" and value[:7].lower() == "mailto:":
        return value
    try:
        return _PLACE.get().resolve(value)
    except ValueError:
        return None


def _cleaner(tags: set[str], attributes: dict[str, set[str]]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=tags,
        clean_content_tags=_WITHOUT_CONTENT,
        attributes=attributes,
        attribute_filter=_kept_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


_LIFTING = _cleaner(_LIFTED_TAGS, _LIFTED_ATTRIBUTES)
_SETTLING = _cleaner(_TAGS, _ATTRIBUTES)


def _settle_iframe(match: re.Match[str]) -> str:
    """A link for the start tag of a player. Its content is put into a template, which is removed."""
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
    if not lazy and "referrerpolicy" in attributes:
        return match[0]
    attributes.setdefault("referrerpolicy", "no-referrer")
    return "<img" + "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items()) + ">"


def _without_depth(markup: str) -> str:
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True)
    root = etree.fromstring(f"<!DOCTYPE html><html><body>{markup}".encode(), parser)
    return str(etree.tostring(root, encoding="unicode", method="html"))
