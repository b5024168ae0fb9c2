"""Reads the parts of an article that have several values: authors, pictures, providers, links.

Each function reads one field. A part that cannot be understood is left out with a warning, and never costs
the article.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from feedserver.articles.field_keys import NAMED, PICTURED
from feedserver.articles.fields import Fields, parts_of
from feedserver.articles.nodes import KeyValue, Mapping, Scalar
from feedserver.articles.slugs import cached_domain_slug, cached_slug
from feedserver.articles.text import quoted
from feedserver.articles.visibility import visibility_of
from feedserver.findings import FindingCode, Severity
from feedserver.model import Action, Image, Person, Provider, Related

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")  # RFC 6838 4.2

# A table of our own, because the answers of `mimetypes` depend on the machine and on the version of Python.
_MEDIA_TYPES = {
    ".aac": "audio/aac",
    ".avif": "image/avif",
    ".epub": "application/epub+zip",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wav": "audio/wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".zip": "application/zip",
}

# The keys of the parts of an action: those of RSS, of JSON Feed, and of Castanet (podcasts in Jekyll).
_ACTION_NAMES = {
    "url": ("url", "file", "src"),
    "type": ("type", "mime_type"),
    "size": ("size", "bytes", "size_in_bytes"),
    "duration": ("duration", "duration_in_seconds"),
}
_SIZE = re.compile(r"\d+", re.ASCII)
_MOST_DIGITS = 15  # of a size in bytes: JSON's numbers are exact up to 2**53

# Pictures, authors, links or related articles of one article; further ones are left out.
_MAX_PARTS = 500

_Part = TypeVar("_Part")


def read_images(fields: Fields) -> tuple[Image, ...]:
    """The pictures in the first key that has usable ones: mappings, or plain URLs."""
    for entry in fields.candidates("images"):
        if images := _each((entry,), fields, _as_url, _image):
            return tuple(images)
    return ()


def read_authors(fields: Fields) -> tuple[Person, ...]:
    """The authors in `author` and `authors`, each once: names, or mappings with name, url and email."""
    people = _each(fields.candidates("authors"), fields, _as_name, _person)
    return tuple(dict.fromkeys(people))


def read_actions(fields: Fields) -> tuple[Action, ...]:
    """The links that an article offers. The media type is stated, or taken from the extension.

    The size and type of a plain URL may be in two further keys, as in Nikola: `enclosure_length` for
    `enclosure`.
    """
    entry = fields.find("actions")
    if entry is None:
        return ()
    stated = (fields.find(f"{entry.key}_{name}") for name in ("length", "type"))
    beside = tuple(
        KeyValue(one.key.rpartition("_")[2], one.value, one.line, one.column) for one in stated if one
    )
    as_mapping = partial(_enclosed, beside if isinstance(entry.value, Scalar) else ())
    return tuple(_each((entry,), fields, as_mapping, _action))


def read_related(fields: Fields) -> tuple[Related, ...]:
    """The related articles, without hidden ones (promise 6)."""
    return tuple(_each(_found(fields, "related"), fields, _as_article, _related))


def read_provider(fields: Fields) -> Provider | None:
    """The provider: a mapping, or its name alone. Without a name its domain is the name."""
    entry = fields.find("provider")
    if entry is None:
        return None
    if isinstance(entry.value, Scalar):
        return _provider(fields.name("provider"))
    if not isinstance(entry.value, Mapping):
        problem = "must be a mapping or a name, not a list"
        fields.report(FindingCode.WRONG_TYPE, entry, problem, Severity.WARNING)
        return None
    inner = fields.part(entry.value)
    noted = len(fields.notes.findings)
    domain = read_domain(inner, Severity.WARNING)
    name = inner.name("name") or domain
    if not name and len(fields.notes.findings) == noted:
        _note_unusable(inner, entry.value, "provider", "name")
    return _provider(
        name,
        domain=domain,
        images=read_images(inner),
        authors=read_authors(inner),
    )


def read_domain(fields: Fields, severity: Severity) -> str:
    """The domain of a provider in its one spelling; '' if absent or invalid.

    `severity` is that of a wrong type. An invalid domain is a warning in any case, because the name
    identifies the provider.
    """
    entry = fields.find("domain")
    stated = fields.text("domain", severity)
    domain = cached_domain_slug(stated)
    if entry is not None and stated and not domain:
        fields.report(FindingCode.BAD_DOMAIN, entry, f"is not a domain: {quoted(stated)}")
    return domain


def _provider(
    name: str, domain: str = "", images: tuple[Image, ...] = (), authors: tuple[Person, ...] = ()
) -> Provider | None:
    if not name:
        return None
    return Provider(name=name, slug=cached_slug(name), domain=domain, images=images, authors=authors)


def _found(fields: Fields, field: str) -> tuple[KeyValue, ...]:
    entry = fields.find(field)
    return () if entry is None else (entry,)


def _each(
    entries: Iterable[KeyValue],
    fields: Fields,
    as_mapping: Callable[[KeyValue, Scalar], Mapping],
    read: Callable[[Fields, Mapping], _Part | None],
) -> list[_Part]:
    """The results of `read` for each value of the entries; `as_mapping` converts plain texts before."""
    results: list[_Part] = []
    for count, part in enumerate(chain.from_iterable(map(parts_of, entries))):
        if count == _MAX_PARTS:
            problem = f"has more than {_MAX_PARTS} parts; the first {_MAX_PARTS} count"
            fields.report(FindingCode.TOO_MANY_PARTS, part, problem)
            break
        value = part.value
        if isinstance(value, Scalar):
            value = as_mapping(part, value)
        if not isinstance(value, Mapping):
            fields.report(FindingCode.WRONG_TYPE, part, "holds a list inside its list", Severity.WARNING)
        elif (made := read(fields, value)) is not None:
            results.append(made)
    return results


def _keyed(key: str, part: KeyValue, value: Scalar) -> Mapping:
    """A plain text as a mapping with one key."""
    return Mapping((KeyValue(key, value, part.line, part.column),), part.line, part.column)


_as_url = partial(_keyed, "url")
_as_name = partial(_keyed, "name")
_as_article = partial(_keyed, "webUrl")


def _enclosed(beside: tuple[KeyValue, ...], part: KeyValue, value: Scalar) -> Mapping:
    """A plain text as an action: a URL, or the lines of WordPress, which are URL, size and media type."""
    url, *more = value.text.split() or [""]
    if len(more) < 2 or not (_SIZE.fullmatch(more[0]) and _MEDIA_TYPE.fullmatch(more[1])):
        url, more = value.text, []
    stated = dict(zip(("url", "length", "type"), (url, *more), strict=False))
    entries = (
        KeyValue(key, Scalar(text, value.plain, value.line, value.column), part.line, part.column)
        for key, text in stated.items()
    )
    return Mapping((*entries, *beside), part.line, part.column)


def _image(outer: Fields, mapping: Mapping) -> Image | None:
    fields = outer.part(mapping, PICTURED)
    noted = len(fields.notes.findings)
    url = fields.url("url")
    if not url:
        if len(fields.notes.findings) == noted:
            _note_unusable(fields, mapping, "picture", "address")
        return None
    return Image(
        url=url,
        width=_pixels(fields, "width"),
        height=_pixels(fields, "height"),
        title=fields.text("title"),
        credit=fields.text("attribution"),
    )


def _note_unusable(fields: Fields, mapping: Mapping, part: str, need: str) -> None:
    """Note a part that is left out, unless nothing was stated."""
    if any(not entry.value.is_empty for entry in mapping.entries):
        fields.notes.add(
            FindingCode.UNUSABLE_PART, f"the {part} has no usable {need}", mapping.line, mapping.column
        )


def _pixels(fields: Fields, field: str) -> int | None:
    size = fields.integer(field)
    return size if size is not None and size > 0 else None


def _person(outer: Fields, mapping: Mapping) -> Person | None:
    fields = outer.part(mapping, NAMED)
    noted = len(fields.notes.findings)
    name = fields.text("name")
    if not name:
        if len(fields.notes.findings) == noted:
            _note_unusable(fields, mapping, "author", "name")
        return None
    entry, email = fields.find("email"), fields.text("email")
    if entry is not None and email and not _EMAIL.fullmatch(email):
        fields.report(FindingCode.BAD_EMAIL, entry, f"is not an e-mail address: {quoted(email)}")
        email = ""
    return Person(name=name, url=fields.url("url"), email=email)


def _action(outer: Fields, mapping: Mapping) -> Action | None:
    fields = outer.part(mapping, _ACTION_NAMES)
    noted = len(fields.notes.findings)
    url = fields.url("url")
    if not url:
        if len(fields.notes.findings) == noted:
            _note_unusable(fields, mapping, "action", "address")
        return None
    stated = fields.text("type").lower()
    media_type = stated if _MEDIA_TYPE.fullmatch(stated) else media_type_of(url)
    # A plain number is a size, as in RSS; any other length is a duration, as for an article.
    length = fields.find("length")
    is_size = length is not None and isinstance(length.value, Scalar) and _SIZE.fullmatch(length.value.text)
    size = fields.integer("length" if is_size else "size", _MOST_DIGITS)
    return Action(
        url=url,
        title=fields.text("title"),
        media_type=media_type,
        size=size if size is not None and size > 0 else None,
        duration=fields.duration("duration") or (None if is_size else fields.duration("length")),
    )


def media_type_of(url: str) -> str:
    """The media type for the extension of a URL's path; '' if it is unknown."""
    return _MEDIA_TYPES.get(PurePosixPath(urlsplit(url).path).suffix.lower(), "")


def _related(outer: Fields, mapping: Mapping) -> Related | None:
    fields = outer.article(mapping)
    visibility = visibility_of(fields, Severity.WARNING)
    # A related article has no hour of its own at which it could leave the others.
    if visibility.is_hidden or visibility.until is not None:
        return None
    published = visibility.since or fields.date("published")
    if published is None and fields.date_entry("published") is not None:
        return None
    noted = len(fields.notes.findings)
    title, url = fields.text("title"), fields.url("url")
    if not (title and url):
        if len(fields.notes.findings) == noted:
            _note_unusable(fields, mapping, "related article", "address" if title else "title")
        return None
    provider = read_provider(fields)
    return Related(
        title=title,
        url=url,
        excerpt=fields.long_text("excerpt"),
        published=published,
        provider=provider.name if provider else "",
        domain=provider.domain if provider else "",
    )
