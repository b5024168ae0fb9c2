"""The parts of an article that are more than one value: people, pictures, providers, links.

Each function reads one field into values of the model. A part that cannot be understood is left out with
a warning, because it only decorates the article; the provider is identity, hence an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from feedserver.articles.fields import Fields, parts_of
from feedserver.articles.nodes import Entry, Mapping, Scalar
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.articles.text import one_line, quoted
from feedserver.articles.visibility import is_hidden
from feedserver.model import Action, Image, Person, Provider, Related, Severity

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")  # RFC 6838 4.2

# A table of our own: what `mimetypes` says depends on the machine and on the version of Python.
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

_Part = TypeVar("_Part")


def read_images(fields: Fields) -> tuple[Image, ...]:
    """The pictures of an article or provider: mappings, or plain URLs."""
    return tuple(_each(_found(fields, "images"), fields, "url", _image))


def read_authors(fields: Fields) -> tuple[Person, ...]:
    """The people of `author` and `authors`, each once: names, or mappings with name, url and email."""
    return tuple(dict.fromkeys(_each(fields.candidates("authors"), fields, "name", _person)))


def read_actions(fields: Fields) -> tuple[Action, ...]:
    """The links that an article offers; the media type is stated, or known from the extension."""
    return tuple(_each(_found(fields, "actions"), fields, "url", _action))


def read_related(fields: Fields) -> tuple[Related, ...]:
    """The articles shown below this one, without those that hide themselves (promise 6)."""
    return tuple(_each(_found(fields, "related"), fields, "webUrl", _related))


def read_provider(fields: Fields, severity: Severity = Severity.ERROR) -> Provider | None:
    """The provider: a mapping, or its name alone. One without a name is named by its domain."""
    entry = fields.find("provider")
    if entry is None:
        return None
    if isinstance(entry.value, Scalar):
        return _provider(one_line(entry.value.text))
    if not isinstance(entry.value, Mapping):
        fields.report(severity, "wrong-type", entry, "must be a mapping or a name, not a list")
        return None
    inner = fields.part(entry.value)
    domain = read_domain(inner, severity)
    return _provider(
        inner.text("name", severity) or domain,
        domain=domain,
        images=read_images(inner),
        authors=read_authors(inner),
    )


def read_domain(fields: Fields, severity: Severity) -> str:
    """The domain of a provider in its one spelling; '' if absent or none.

    A text that is no domain is a warning, whatever the severity of a wrong type: the name identifies.
    """
    entry = fields.find("domain")
    stated = fields.text("domain", severity)
    domain = domain_slug(stated)
    if entry is not None and stated and not domain:
        fields.report(Severity.WARNING, "bad-domain", entry, f"is not a domain: {quoted(stated)}")
    return domain


def _provider(
    name: str, domain: str = "", images: tuple[Image, ...] = (), authors: tuple[Person, ...] = ()
) -> Provider | None:
    if not name:
        return None
    return Provider(name=name, slug=slugify(name), domain=domain, images=images, authors=authors)


def _found(fields: Fields, field: str) -> tuple[Entry, ...]:
    entry = fields.find(field)
    return () if entry is None else (entry,)


def _each(
    entries: Iterable[Entry], fields: Fields, plain_key: str, read: Callable[[Fields, Mapping], _Part | None]
) -> Iterator[_Part]:
    """What `read` makes of each value of the entries; a plain text is a mapping with one key."""
    for part in chain.from_iterable(map(parts_of, entries)):
        value = part.value
        if isinstance(value, Scalar):
            value = Mapping((Entry(plain_key, value, part.line, part.column),), part.line, part.column)
        if not isinstance(value, Mapping):
            fields.report(Severity.WARNING, "wrong-type", part, "holds a list inside its list")
        elif (made := read(fields, value)) is not None:
            yield made


def _image(outer: Fields, mapping: Mapping) -> Image | None:
    fields = outer.part(mapping)
    url = fields.url("url")
    if not url:
        return None
    return Image(
        url=url,
        width=_pixels(fields, "width"),
        height=_pixels(fields, "height"),
        title=fields.text("title"),
        credit=fields.text("attribution"),
    )


def _pixels(fields: Fields, field: str) -> int | None:
    size = fields.integer(field)
    return size if size is not None and size > 0 else None


def _person(outer: Fields, mapping: Mapping) -> Person | None:
    fields = outer.part(mapping)
    name = fields.text("name")
    if not name:
        return None
    entry, email = fields.find("email"), fields.text("email")
    if entry is not None and email and not _EMAIL.fullmatch(email):
        fields.report(Severity.WARNING, "bad-email", entry, f"is not an e-mail address: {quoted(email)}")
        email = ""
    return Person(name=name, url=fields.url("url"), email=email)


def _action(outer: Fields, mapping: Mapping) -> Action | None:
    fields = outer.part(mapping)
    url = fields.url("url")
    if not url:
        return None
    stated = fields.text("type").lower()
    media_type = stated if _MEDIA_TYPE.fullmatch(stated) else media_type_of(url)
    return Action(url=url, title=fields.text("title"), media_type=media_type)


def media_type_of(url: str) -> str:
    """The media type that the extension of a URL's path says; '' if it says none."""
    return _MEDIA_TYPES.get(PurePosixPath(urlsplit(url).path).suffix.lower(), "")


def _related(outer: Fields, mapping: Mapping) -> Related | None:
    fields = outer.article(mapping)
    if is_hidden(fields, Severity.WARNING):
        return None
    title, url = fields.text("title"), fields.url("url")
    if not (title and url):
        return None
    provider = read_provider(fields, Severity.WARNING)
    return Related(
        title=title,
        url=url,
        excerpt=fields.long_text("excerpt"),
        published=fields.date("published", Severity.WARNING),
        provider=provider.name if provider else "",
        domain=provider.domain if provider else "",
    )
