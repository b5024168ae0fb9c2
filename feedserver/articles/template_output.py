"""The HTML that known template tags become: pictures, players, code, quotes and links.

One function for each kind of tag, from its arguments and content. A reference to another source file becomes
the path of that file, which `references` resolves. Knows no syntax of templates.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_ARGUMENT = re.compile(
    r"(?:([A-Za-z_][\w-]*)[ \t\n]*=[ \t\n]*)?"
    r"""(?:"((?:[^"\\]|\\.)*+)"|'((?:[^'\\]|\\.)*+)'|`([^`]*+)`|([^\s"'`,]++))""",
    re.DOTALL,
)
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_ADDRESS = re.compile(r"https?://|/|\.")
_FILE_OF_PICTURE = re.compile("fig|image|img|photo|picture|screenshot", re.IGNORECASE)
_SOURCES = ("src", "url", "image_path", "image", "file", "path", "img", "image_url")
_VALUE = re.compile(r"""(?:"([^"]*+)"|'([^']*+)'|(site\.(?:url|baseurl)))((?:[ \t]*\|[^|]*+)*+)""")


class Site(NamedTuple):
    """The site as template code may show it: the base URL, '' if there is none."""

    base_url: str

    @property
    def url(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    @property
    def path(self) -> str:
        """The path, without a slash at its end."""
        return urlsplit(self.base_url).path.rstrip("/")


class Call(NamedTuple):
    """A tag with its arguments in their order, those with a name, its content, and its site."""

    positional: tuple[str, ...]
    named: Mapping[str, str]
    content: str
    site: Site

    def first(self, *names: str) -> str:
        """The first argument that has one of these names; '' if there is none."""
        return next((self.named[name] for name in names if self.named.get(name)), "")

    def at(self, index: int) -> str:
        """A positional argument; '' if there are fewer."""
        return self.positional[index] if index < len(self.positional) else ""


def output_of_tag(language: str, name: str, arguments: str, content: str, site: Site) -> str | None:
    """The HTML of a tag; None if it is unknown, or has not the arguments that it needs."""
    make = _OF_LANGUAGE[language].get(name) or _COMMON.get(name)
    if make is None:
        return None
    positional, named = [], {}
    for match in _ARGUMENT.finditer(arguments):
        value = next(group for group in match.groups()[1:] if group is not None)
        if match[1]:
            # In Liquid a value without quotes is the name of a variable.
            if language != "liquid" or match[5] is None:
                named[match[1].lower()] = value
        else:
            positional.append(value)
    return make(Call(tuple(positional), named, content, site))


def output_of_value(expression: str, site: Site) -> str | None:
    """The text of a known value: a quoted text or an address of the site, with filters of addresses."""
    match = _VALUE.fullmatch(expression.strip())
    if match is None:
        return None
    values = {"site.url": site.url, "site.baseurl": site.path}
    text = values[match[3]] if match[3] else match[1] if match[1] is not None else match[2]
    for step in match[4].split("|")[1:]:
        name, _, argument = step.partition(":")
        changed = _filtered(name.strip(), argument.strip(), text, values, site)
        if changed is None:
            return None
        text = changed
    return text


def _filtered(name: str, argument: str, text: str, values: Mapping[str, str], site: Site) -> str | None:
    if name in {"relative_url", "url"}:
        return f"{site.path}/{text.lstrip('/')}"
    if name == "absolute_url":
        return f"{site.base_url.rstrip('/')}/{text.lstrip('/')}"
    other = values.get(argument, argument[1:-1] if argument[:1] in {'"', "'"} else None)
    if other is None or name not in {"append", "prepend"}:
        return None
    return text + other if name == "append" else other + text


# --- What all programs have


def _iframe(address: str) -> str:
    return _block(f'<iframe src="{html.escape(address)}"></iframe>')


def _block(markup: str) -> str:
    """An element that stands for itself: Markdown goes on after a blank line."""
    return f"\n\n{markup}\n\n"


def _link(address: str, text: str) -> str:
    return f'<a href="{html.escape(address)}">{html.escape(text or address)}</a>'


def _player(prefix: str) -> Callable[[Call], str | None]:
    def make(call: Call) -> str | None:
        identifier = call.first("id", "video", "video_id") or call.at(0)
        return _iframe(prefix + identifier) if _ID.fullmatch(identifier) else None

    return make


def _gist(call: Call) -> str | None:
    address = call.first("url") or "/".join(call.positional[:2]).removesuffix("/")
    if not address.startswith("https://gist.github.com/"):
        address = f"https://gist.github.com/{address}"
    return _link(address, "") if len(call.positional) or call.named else None


def _figure(call: Call) -> str | None:
    source = call.first(*_SOURCES) or call.at(0)
    if not source:
        return None
    caption = " ".join(filter(None, (call.first("title"), call.first("caption"), call.first("attr"))))
    return _block(_picture(source, call.first("alt") or caption, caption, call.first("link", "href")))


def _picture(source: str, alt: str, caption: str = "", link: str = "", size: str = "") -> str:
    picture = f'<img src="{html.escape(source)}" alt="{html.escape(alt)}"{size}>'
    if link:
        picture = f'<a href="{html.escape(link)}">{picture}</a>'
    if not caption:
        return picture
    return f"<figure>{picture}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _code(call: Call) -> str:
    return _block(f"<pre><code>{html.escape(call.content.strip(chr(10)), quote=False)}</code></pre>")


def _quote(call: Call) -> str:
    source = " ".join(call.positional)
    source = f"\n\n— {html.escape(source, quote=False)}" if source else ""
    return _block(f"<blockquote>\n\n{call.content.strip()}{source}\n\n</blockquote>")


def _details(call: Call) -> str:
    summary = html.escape(call.first("summary") or call.at(0))
    return _block(f"<details><summary>{summary}</summary>\n\n{call.content.strip()}\n\n</details>")


# --- Jekyll


def _include(call: Call) -> str | None:
    """A picture or player, by the name of the included file and its arguments."""
    file = PurePosixPath(call.at(0)).stem.lower()
    for name in ("youtube", "vimeo"):
        if name in file or call.first("provider") == name:
            identifier = call.first("id", "video_id", "video", f"{name}_id")
            return _COMMON[name](call._replace(positional=(identifier,), named={}))
    source = call.first(*_SOURCES)
    if not source or not _FILE_OF_PICTURE.search(file):
        return None
    return _figure(call._replace(positional=()))


def _post_url(call: Call) -> str | None:
    return f"/_posts/{call.at(0).lstrip('/')}.md" if call.at(0) else None


def _linked_file(call: Call) -> str | None:
    path = call.at(0).lstrip("/")
    if not path:
        return None
    return f"/{path}" if path.endswith((".md", ".markdown")) else f"{call.site.base_url.rstrip('/')}/{path}"


# --- Hugo


def _reference(call: Call) -> str | None:
    path = call.first("path") or call.at(0)
    if not path or path.startswith("#"):
        return path or None
    page, sign, anchor = path.partition("#")
    suffix = "" if page.endswith((".md", ".markdown", "/")) else ".md"
    # A name alone is looked for in all folders, like that of a wiki link.
    return f"{'' if '/' in page else '@wiki/'}{page}{suffix}{sign}{anchor}"


def _status(call: Call) -> str | None:
    identifier, user = call.first("id") or call.at(0), call.first("user") or "i"
    return _link(f"https://x.com/{user}/status/{identifier}", "") if _ID.fullmatch(identifier) else None


def _instagram(call: Call) -> str | None:
    identifier = call.first("id") or call.at(0)
    return _link(f"https://www.instagram.com/p/{identifier}/", "") if _ID.fullmatch(identifier) else None


# --- Hexo


def _asset_picture(call: Call) -> str | None:
    """`[class] file [width] [height] [title [alt]]`; the file is the first with a dot or a slash."""
    arguments = list(call.positional)
    while arguments and not re.search(r"[./]", arguments[0]):
        arguments.pop(0)
    if not arguments:
        return None
    source, *rest = arguments
    while rest and rest[0].isdigit():
        rest.pop(0)
    title, alt = (*rest, "", "")[:2]
    return _picture(source, alt or title)


def _asset_path(call: Call) -> str | None:
    return call.at(0) or None


def _asset_link(call: Call) -> str | None:
    return _link(call.at(0), " ".join(call.positional[1:])) if call.at(0) else None


def _post_path(call: Call) -> str | None:
    page, sign, anchor = call.at(0).partition("#")
    return f"/_posts/{page}.md{sign}{anchor}" if page else None


def _post_link(call: Call) -> str | None:
    address = _post_path(call)
    words = [word for word in call.positional[1:] if word not in {"true", "false"}]
    return address and _link(address, " ".join(words) or call.at(0).rpartition("/")[2])


def _text_link(call: Call) -> str | None:
    """`text url [external] [title]`, with a text of several words."""
    for number, word in enumerate(call.positional):
        if number and _ADDRESS.match(word):
            return _link(word, " ".join(call.positional[:number]))
    return None


def _framed(call: Call) -> str | None:
    return _iframe(call.at(0)) if call.at(0) else None


_Table = Mapping[str, Callable[[Call], str | None]]

_COMMON: Final[_Table] = {
    "details": _details,
    "figure": _figure,
    "gist": _gist,
    "highlight": _code,
    "instagram": _instagram,
    "tweet": _status,
    "vimeo": _player("https://player.vimeo.com/video/"),
    "youtube": _player("https://www.youtube.com/embed/"),
}
_OF_LANGUAGE: Final[Mapping[str, _Table]] = {
    "hexo": {
        "asset_img": _asset_picture,
        "asset_link": _asset_link,
        "asset_path": _asset_path,
        "blockquote": _quote,
        "code": _code,
        "codeblock": _code,
        "iframe": _framed,
        "img": _asset_picture,
        "image": _asset_picture,
        "link": _text_link,
        "post_link": _post_link,
        "post_path": _post_path,
        "pullquote": _quote,
        "quote": _quote,
    },
    "hugo": {"ref": _reference, "relref": _reference, "x": _status},
    "liquid": {"include": _include, "link": _linked_file, "post_url": _post_url},
    "nunjucks": {},
    "zola": {},
}
