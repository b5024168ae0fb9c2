"""Ids of articles and listings: tag URIs (RFC 4151) that live forever (promise 4).

An article's id comes from its file's path alone, never from its title, URL or date. The content of a file
does not count, except for an id that its author chose.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

_UNRESERVED = re.compile("[A-Za-z0-9._~/-]*")  # RFC 3986 section 2.3, and the separator of folders
# RFC 3987 section 2.2: a scheme, and no blank or control character anywhere.
_ABSOLUTE_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f-\x9f]+")


def article_path(path: PurePosixPath) -> str:
    """The path of an article as in its id, not yet encoded.

    `path` is relative to the root. Its extension is removed, and of all folders beginning with `_` only the
    innermost is kept, without its `_`: moving `_news/x.md` to `_archive/_news/x.md` keeps the id.
    """
    kept: list[str] = []
    marked_at = -1  # the place of the innermost marked folder so far
    for folder in path.parts[:-1]:
        if not is_marked(folder):
            kept.append(folder)
            continue
        if marked_at >= 0:
            del kept[marked_at]
        marked_at = len(kept)
        kept.append(folder[1:])
    return "/".join((*kept, path.stem))


def is_marked(folder: str) -> bool:
    """Whether a folder's name marks a collection, such as `_news`."""
    return folder.startswith("_") and len(folder) > 1


def article_id(path: PurePosixPath, *, authority: str, year: int, prefix: str = "", chosen: str = "") -> str:
    """The id of an article: `tag:{authority},{year}:{prefix}/{path}`.

    `chosen` is the id that the file states, if any: an absolute IRI is the id itself, any other text replaces
    the path (after the prefix of the root).
    """
    if chosen and _ABSOLUTE_IRI.fullmatch(chosen):
        return chosen
    specific = chosen.strip("/") or article_path(path)
    if prefix.strip("/"):
        specific = f"{prefix.strip('/')}/{specific}"
    return f"tag:{authority},{year}:{percent_encoded(specific)}"


def listing_id(authority: str, year: int, address: str) -> str:
    """The id of the listing at an address such as `/topics/ai`, the same in every format."""
    return f"tag:{authority},{year}:feeds{address}"


def percent_encoded(path: str) -> str:
    """A path in NFC, percent-encoded except for unreserved characters (RFC 3986) and `/`.

    A file name that is not UTF-8 has lone surrogates in Python; they are encoded too.
    """
    if _UNRESERVED.fullmatch(path):
        return path  # nearly every path, in a tenth of the time
    return quote(unicodedata.normalize("NFC", path).encode("utf-8", "surrogatepass"), safe="/")
