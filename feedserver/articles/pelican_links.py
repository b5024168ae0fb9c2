"""Links as Pelican writes them: `{filename}../pier.md`, `{static}/pier.jpg`, `{attach}pier.jpg`.

Its documentation (docs/content.rst, "Linking to internal content") tells where they lead. They become
references of the usual forms, which `references` resolves.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from feedserver.articles.source_file import SourceFile, is_source_link, path_in_root

# In braces, which Markdown encodes in addresses, or as before version 3.1.
_LINK = re.compile(
    r"(?:\{|%7B|\||%7C)(filename|static|attach|index|author|category|tag)(?:\}|%7D|\||%7C)", re.IGNORECASE
)


def is_pelican_link(reference: str) -> bool:
    """Whether a reference begins with a mark of Pelican."""
    return reference.startswith(("{", "|", "%7")) and _LINK.match(reference) is not None


def usual_reference(reference: str, source: SourceFile, site: str) -> str | None:
    """The reference that a link of Pelican means; None if that cannot be known here.

    Args:
        reference: of which `is_pelican_link` is true.
        source: the file in which it is.
        site: the base URL, or ''.
    """
    match = _LINK.match(reference)
    kind, rest = (match[1].lower(), reference[match.end() :]) if match else ("", reference)
    if kind == "filename" and is_source_link(rest):
        return rest
    if kind == "index":
        return site or None
    path = (
        path_in_root(unquote(rest), source.path.parent) if kind in {"filename", "static", "attach"} else None
    )
    if path is None:
        source.broken[reference] = None
        return None
    if kind == "attach":
        # Copied beside the page; what is below the folder of the file stays in its folder.
        folder = source.path.parent
        return quote(str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name)
    return f"{site.rstrip('/')}/{quote(str(path))}" if site else None
