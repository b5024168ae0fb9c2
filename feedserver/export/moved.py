"""What the settings redirect or retired, for nginx before an exported folder: lines of a `map`.

A folder of files cannot answer 301 or 410, so the export leaves these lines beside its notes, for a
configuration that asks them about what is no file (config/nginx.conf does). Pure; knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from feedserver.web.addresses import parse

# What a line says of an address that is gone for good; else it says where it moved.
GONE = "gone"

_FORMAT = r"\.(?:rss|atom|json)"
_PART = r"/[0-9]{4}-[0-9]{2}\.[0-9]+"


def nginx_lines(redirects: Mapping[str, str], retired: Iterable[str]) -> str:
    """The lines; what was retired comes first, as it does for the server.

    All by regular expressions: plain names would be folded to one case, and have a length that nginx refuses.
    """
    gone = [f"{_quoted(_pattern(address))} {GONE};" for address in sorted(retired)]
    # The longer first, so that a document with a redirect of its own comes before its listing.
    olds = sorted(redirects, key=lambda old: (-len(old), old))
    moved = [f"{_quoted(_moved_pattern(old))} {_quoted(_location(redirects[old]))};" for old in olds]
    return "".join(f"{line}\n" for line in (*gone, *moved))


def _pattern(address: str) -> str:
    """Matches an address; of a listing also its feeds and archive documents."""
    target = parse(address)
    documents = f"(?:(?:{_PART})?{_FORMAT})?" if target is not None and target.document is None else ""
    return rf"~^{re.escape(address)}{documents}\z"


def _moved_pattern(old: str) -> str:
    """Matches an address and its feed documents, whose format is kept."""
    return rf"~^{re.escape(old)}(?<feedserver_format>{_FORMAT})?\z"


def _location(new: str) -> str:
    """A new address as a redirect names it. A `$` of its own would be a variable, and cannot be escaped."""
    return quote(new, safe="/%:@!&'()*+,;=~[]") + "$feedserver_format"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
