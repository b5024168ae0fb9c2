"""Converters of the URL rules: what a part of a path may be, and the value that a view gets for it.

They accept exactly the paths that `site.addresses` parses, and build those that it writes; a test compares
the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from werkzeug.routing import BaseConverter, ValidationError

from feedserver.articles.slugs import domain_slug
from feedserver.index.archives import ArchiveDocument, parse_archive
from feedserver.model import Format, Kind
from feedserver.site.addresses import GROUPS
from feedserver.site.pages import STATIC_DIGESTS


class _Segment(BaseConverter):
    """A part of one segment of a path. Addresses are built of names that need no quoting."""

    def to_url(self, value: Any) -> str:
        """The value as the path has it."""
        return str(value)


class SlugConverter(_Segment):
    """The slug of a topic, provider, category or feed; it holds no dot."""

    regex = r"[^/.]+"
    part_isolating = True  # Werkzeug would conclude from the slash that it matches slashes


class DomainConverter(_Segment):
    """A domain in its canonical form; it holds a dot."""

    regex = r"[^/]*\.[^/]*"
    part_isolating = True

    def to_python(self, value: str) -> str:
        """The domain. Raises ValidationError if it is none, or not spelled as its address is."""
        if domain_slug(value) != value:
            raise ValidationError
        return value


class KindConverter(_Segment):
    """A kind of listings that has a list: `topics`."""

    regex = "|".join(GROUPS)

    def to_python(self, value: str) -> Kind:
        """The kind."""
        return GROUPS[value]

    def to_url(self, value: Kind) -> str:
        """The segment that names a kind."""
        return value.value


class FormatConverter(_Segment):
    """The format of a feed document: `rss`."""

    regex = "|".join(fmt.value for fmt in Format)

    def to_python(self, value: str) -> Format:
        """The format."""
        return Format(value)

    def to_url(self, value: Format) -> str:
        """The suffix of a format."""
        return value.value


class ArchiveConverter(_Segment):
    """An archive document of a listing: `2020-06.1`."""

    regex = r"[0-9]{4}-[0-9]{2}\.[0-9]+"

    def to_python(self, value: str) -> ArchiveDocument:
        """The archive document. Raises ValidationError for a month or number that there cannot be."""
        found = parse_archive(value)
        if found is None:
            raise ValidationError
        return found


class PageConverter(_Segment):
    """The number of a further page of a list; the first page has none."""

    regex = "[2-9]|[1-9][0-9]{1,6}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


class ListFormatConverter(_Segment):
    """The form of a list beside its HTML page."""

    regex = "opml|json"


class StaticFileConverter(_Segment):
    """The name of a static file that exists."""

    regex = "|".join(map(re.escape, STATIC_DIGESTS))


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "archive": ArchiveConverter,
    "domain": DomainConverter,
    "format": FormatConverter,
    "kind": KindConverter,
    "list_format": ListFormatConverter,
    "page": PageConverter,
    "slug": SlugConverter,
    "static_file": StaticFileConverter,
}
