"""Keeps the symbolic links to articles, and the time of the next look at them.

The system reports a change of a link's target at the target's own path, or not at all if the way leads
outside of the folder. So links are checked repeatedly: often while they are few, and less often the more
there are, so that this takes a small share of a core. Does not check them itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from feedserver.index.file_values import FileKey

# How often a few links are checked, and the share of the time that is spent on many: a thirtieth.
LOOK_SECONDS = 0.2
REST = 30

# Rescans find the changes behind further links.
MOST_LINKS = 1000


class Links:
    """The links of all folders. All moments are in seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self._links: set[FileKey] = set()
        self._next = 0.0

    def add(self, root: int, paths: Iterable[str]) -> None:
        """Note links that were found."""
        for path in paths:
            if len(self._links) < MOST_LINKS:
                self._links.add(FileKey(root=root, path=path))

    def replace(self, root: int, paths: Iterable[str]) -> None:
        """Note the links of a folder that was walked. Other links of it no longer exist."""
        self._links = {key for key in self._links if key.root != root}
        self.add(root, paths)

    def due(self, now: float) -> Collection[FileKey]:
        """The links to check now."""
        return self._links if now >= self._next else ()

    def looked(self, begun: float, ended: float) -> None:
        """Note that the links were checked."""
        if begun >= self._next:
            self._next = ended + max(LOOK_SECONDS, REST * (ended - begun))

    def next_look(self) -> float:
        """The time of the next check; infinite without links."""
        return self._next if self._links else float("inf")
