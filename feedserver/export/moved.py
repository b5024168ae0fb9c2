"""Lists the redirected and retired addresses of the settings as lines of a `map` for nginx.

A folder of files cannot answer 301 or 410, so the export writes these lines beside its records. A
configuration looks them up for addresses without a file (config/nginx.conf does). Pure; uses no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from feedserver.model import Format
from feedserver.site.addresses import parse

# The value of an address that is retired; the value of a moved one is its new address.
GONE = "gone"

_FORMAT = rf"\.(?:{'|'.join(Format)})"
_PART = r"/[0-9]{4}-[0-9]{2}\.[0-9]+"


def nginx_lines(redirects: Mapping[str, str], retired: Iterable[str], icons: Mapping[str, str]) -> str:
    """The lines: retired addresses first, as the server has them, and icons at other URLs last.

    All by regular expressions: plain names would be folded to one case, and have a length that nginx refuses.
    """
    gone = [f"{_quoted(_pattern(address))} {GONE};" for address in sorted(retired)]
    # The longer first, so that a document with a redirect of its own comes before its listing.
    olds = sorted(redirects, key=lambda old: (-len(old), old))
    moved = [f"{_quoted(_moved_pattern(old))} {_quoted(_location(redirects[old]))};" for old in olds]
    elsewhere = [f"{_quoted(_pattern(address))} {_quoted(_escaped(url))};" for address, url in icons.items()]
    return "".join(f"{line}\n" for line in (*gone, *moved, *elsewhere))


def _pattern(address: str) -> str:
    """Matches an address; of a listing also its feeds, and its archive documents with their pages."""
    target = parse(address)
    is_listing = target is not None and target.document is None and target.archive is None
    documents = f"(?:{_PART})?(?:{_FORMAT})?" if is_listing else ""
    return rf"~^{re.escape(address)}{documents}\z"


def _moved_pattern(old: str) -> str:
    """Matches an address, with or without a slash at its end, and its documents as `_pattern`.

    Of these, the part and the format are kept.
    """
    base = re.escape(old.rstrip("/") or "/")
    return rf"~^{base}(?:/|(?<feedserver_part>{_PART})?(?<feedserver_format>{_FORMAT})?)\z"


def _location(new: str) -> str:
    """A new address as a redirect names it, in the format that was asked for."""
    return _escaped(new) + "$feedserver_part$feedserver_format"


def _escaped(url: str) -> str:
    """A URL or address without `$`, which would begin a variable and cannot be escaped in nginx's own way."""
    return quote(url, safe="/%:@!&'()*+,;=~[]?#")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
