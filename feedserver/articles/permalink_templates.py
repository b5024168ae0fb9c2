"""Fills in the template code of an address that the front matter states, as Eleventy has it.

`/posts/{{ title | slugify }}/` becomes an address if each value and each filter of it is known here: keys of
the front matter, values of `page` (https://www.11ty.dev/docs/data-eleventy-supplied/) and filters that
Liquid, Nunjucks and Eleventy bring. Anything else is not filled in. Executes nothing and reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from feedserver.articles import eleventy_slugs
from feedserver.articles.nodes import KeyValue, Scalar
from feedserver.articles.nodes import Mapping as Node
from feedserver.articles.template_output import Site

_OUTPUT = re.compile(r"\{\{-?((?:[^{}\"']++|\"[^\"]*+\"|'[^']*+')*+)\}\}")
_CODE = re.compile(r"\{\{|\}\}|\{%|<%|\{#")
_QUOTED = r"""(?:"[^"]*+"|'[^']*+')"""
_STEPS = re.compile(rf"(?:[^|\"']++|{_QUOTED})++")
_FILTER = re.compile(
    rf"([a-z_]+)[ \t]*(?::[ \t]*({_QUOTED}(?:[ \t]*,[ \t]*{_QUOTED})?)"
    rf"|\([ \t]*({_QUOTED}(?:[ \t]*,[ \t]*{_QUOTED})?)?[ \t]*\))?"
)
_ARGUMENT = re.compile(_QUOTED)
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}-(.*)", re.ASCII | re.DOTALL)
_FORMAT = re.compile("%(-?)(.)", re.DOTALL)
_INDEX = re.compile(r"/index(?:\.html|/)?\Z")
_SLASHES = re.compile("(?<!:)/{2,}")
_LONGEST = 500  # characters of a value
_LONGEST_TEMPLATE = 2_000
# Eleventy writes a value into the path as it is; a `?` or `#` of a title ends no path.
_SAFE = "/:@!$&'()*+,;=~"

_DATE_PARTS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "Y": lambda day: day.year,
    "y": lambda day: day.year % 100,
    "m": lambda day: day.month,
    "d": lambda day: day.day,
    "j": lambda day: day.timetuple().tm_yday,
    "H": lambda day: day.hour,
    "M": lambda day: day.minute,
    "S": lambda day: day.second,
}
_WIDTHS = {"Y": 4, "j": 3}  # of the others: 2
_TEXT_FILTERS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "slugify": eleventy_slugs.slugify,
    "slug": eleventy_slugs.slug,
    "downcase": str.lower,
    "lower": str.lower,
    "upcase": str.upper,
    "upper": str.upper,
    "strip": str.strip,
    "trim": str.strip,
    "url": str,  # adds the path of the site, below which every address is put
}
_ARGUMENTS: Final = {"append": 1, "prepend": 1, "replace": 2}

Value = str | datetime


class Permalink:
    """The values of one file that the template code of its address may name.

    Args:
        entries: of its front matter.
        path: of the file, below the folder of articles.
        local: its publication, in the time zone of the folder.
        site: for `site.url` and `site.baseurl`.
    """

    def __init__(self, entries: Sequence[KeyValue], path: PurePosixPath, local: datetime, site: Site) -> None:
        self._entries = entries
        self._path = path
        self._local = local
        self._site = site

    def filled(self, template: str) -> str | None:
        """The address: a path, or a whole one; None if some of it is not known."""
        if len(template) > _LONGEST_TEMPLATE:
            return None
        parts: list[str] = []
        position = 0
        for match in _OUTPUT.finditer(template):
            parts.append(template[position : match.start()])
            value = self._value(match[1].removesuffix("-").strip(), is_first=not "".join(parts).strip())
            if value is None:
                return None
            parts.append(value)
            position = match.end()
        parts.append(template[position:])
        address = "".join(parts).strip()
        if not address or _CODE.search(address):
            return None
        return _INDEX.sub("/", _SLASHES.sub("/", address))

    def _value(self, expression: str, *, is_first: bool) -> str | None:
        """The text of an expression; None if it is not known. The first one may be a whole address."""
        name, *steps = [step.strip() for step in _STEPS.findall(expression)] or [""]
        value = self._named(name)
        is_of_site = name.startswith("site.")
        for step in steps:
            match = _FILTER.fullmatch(step)
            if match is None or value is None:
                return None
            arguments = [one[1:-1] for one in _ARGUMENT.findall(match[2] or match[3] or "")]
            is_of_site |= match[1] in {"absolute_url", "relative_url"}
            value = self._filtered(match[1], arguments, value)
        if not isinstance(value, str) or len(value) > _LONGEST:
            return None
        if is_of_site:
            is_path = is_first and "://" not in value
            return f"{self._site.url}{value}" if is_path else value
        return quote(value.strip(), safe=_SAFE) or None

    def _named(self, name: str) -> Value | None:
        if _ARGUMENT.fullmatch(name):
            return name[1:-1]
        if name in {"page.date", "date"}:
            return self._local
        known = {
            "page.fileSlug": self._file_slug,
            "page.filePathStem": self._file_path_stem,
        }
        if name in known:
            return known[name]()
        if name in {"site.url", "site.baseurl"}:
            of_site = self._site.url if name == "site.url" else self._site.path
            return of_site if self._site.base_url else None
        return _stated(self._entries, name)

    def _filtered(self, name: str, arguments: list[str], value: Value) -> Value | None:
        if name == "date":
            return _formatted(arguments[0], self._local) if arguments and value is self._local else None
        if not isinstance(value, str) or len(arguments) != _ARGUMENTS.get(name, 0):
            return None
        if name in {"absolute_url", "relative_url"}:
            return f"{self._site.base_url.rstrip('/')}/{value.lstrip('/')}"
        if name in _ARGUMENTS:
            return _joined(name, arguments, value)
        return _TEXT_FILTERS[name](value) if name in _TEXT_FILTERS else None

    def _file_slug(self) -> str:
        """The name of the file without its date; that of the folder for an index file."""
        name = _without_date(self._path.stem)
        return name if name != "index" else _without_date(self._path.parent.name)

    def _file_path_stem(self) -> str:
        return "/" + "/".join((*self._path.parts[:-1], _without_date(self._path.stem)))


def _joined(name: str, arguments: Sequence[str], value: str) -> str:
    if name == "replace":
        return value.replace(arguments[0], arguments[1])
    return f"{value}{arguments[0]}" if name == "append" else f"{arguments[0]}{value}"


def _without_date(name: str) -> str:
    match = _DATED.search(name)
    return match[1] if match else name


def _stated(entries: Sequence[KeyValue], name: str) -> str | None:
    """The value of a key of the front matter, or of one in a mapping; None if it is no single value."""
    key, _, inner = name.partition(".")
    found = next((entry.value for entry in reversed(entries) if entry.key == key), None)
    if inner:
        return _stated(found.entries, inner) if isinstance(found, Node) else None
    if not isinstance(found, Scalar) or found.is_empty or _CODE.search(found.text):
        return None
    return found.text


def _formatted(pattern: str, day: datetime) -> str | None:
    """A date in a format of Liquid, of numbers only; None if there are others in it."""
    pieces = list(_format_pieces(pattern, day))
    return None if None in pieces else "".join(filter(None, pieces))


def _format_pieces(pattern: str, day: datetime) -> Iterator[str | None]:
    position = 0
    for match in _FORMAT.finditer(pattern):
        yield pattern[position : match.start()]
        part = _DATE_PARTS.get(match[2])
        width = 1 if match[1] else _WIDTHS.get(match[2], 2)
        yield None if part is None else f"{part(day):0{width}d}"
        position = match.end()
    yield pattern[position:]
