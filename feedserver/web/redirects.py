"""The redirects of the settings.

Pure: a path in, a path out. Does not know which listings exist; `dispatch` decides when a redirect is in
effect.
"""

from __future__ import annotations

from collections.abc import Mapping

from feedserver.index.archives import parse_archive
from feedserver.site.addresses import split_format


def without_slash(path: str) -> str:
    """A path without slashes at its end; the root keeps its slash."""
    return path.rstrip("/") or "/"


class Redirects:
    """The redirects of the settings, old path to new; each applies with and without a slash at its end.

    The redirect of a page applies to its feed and archive documents, and to the pages of the latter. The
    settings refuse a circle of pages. In a circle that only documents form, nothing is redirected.
    """

    def __init__(self, redirects: Mapping[str, str]) -> None:
        self._redirects = {without_slash(old): new for old, new in redirects.items()} | dict(redirects)

    def of(self, path: str) -> str | None:
        """The path to which a path is redirected; None if there is none, or it leads round in a circle."""
        first = step = self._next(path)
        seen = {path}
        while step is not None:
            if step in seen:
                return None
            seen.add(step)
            step = self._next(step)
        return first

    def _next(self, path: str) -> str | None:
        found = self._redirects.get(path) or self._redirects.get(without_slash(path))
        if found is not None:
            return found
        base, fmt = split_format(path)
        parent, _, last = base.rpartition("/")
        archive = "" if parse_archive(last) is None else f"/{last}"
        if fmt is None and not archive:
            return None
        new = self._redirects.get(parent if archive else base)
        return None if new is None else f"{new.rstrip('/')}{archive}{f'.{fmt.value}' if fmt else ''}"
