"""The file that is being read, and its links to other files of articles.

Authors link to the file of an article (`../2023/pier.md`), and the program that publishes the folder makes
of that the address of its page. This module knows the forms of such links. It asks the caller for the
addresses of the other files, and reads none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

# The address of the article in another file of the same root; '' if it has none that is shown now.
Neighbours = Callable[[PurePosixPath], str]

# Relative, and with the name of an article's file. Zola's links begin with `@/`, and those that were wiki
# links with `@wiki/`.
_SOURCE = re.compile(
    r"(?![A-Za-z][A-Za-z0-9+.-]*:|//)(?:@(?:/|wiki/)|[^?#]*\.(?:md|markdown|mdx|rst)(?:[?#]|\Z))",
    re.IGNORECASE,
)
_MOST_FILES = 100  # other files that are asked for, of one file
_WIKI = "@wiki/"
# The folder of a file that is known by its name alone.
ANYWHERE = "*"
_POSTS = "_posts"


def is_source_link(reference: str) -> bool:
    """Whether a reference names the file of an article, not an address."""
    return _SOURCE.match(reference) is not None


class SourceFile:
    """One file while it is read.

    Attributes:
        path: below the root.
        links: the files that were asked for, each with the address of its article, or ''.
        broken: the links that lead nowhere.
        tags: the template code that was removed without a replacement.
        coded_texts: how many texts of the front matter had template code.
    """

    def __init__(self, path: PurePosixPath, neighbours: Neighbours | None = None) -> None:
        self.path = path
        self.links: dict[str, str] = {}
        self.broken: dict[str, None] = {}
        self.tags: dict[str, None] = {}
        self.coded_texts = 0
        self._neighbours = neighbours

    def address(self, reference: str) -> str | None:
        """The address of the article that a link leads to; None if there is none."""
        named, sign, anchor = reference.partition("#")
        for path in _candidates(unquote(named.partition("?")[0]), self.path.parent):
            if address := self._address_of(path):
                return address.partition("#")[0] + (sign and f"#{quote(unquote(anchor))}")
        self.broken[reference] = None
        return None

    def _address_of(self, path: PurePosixPath) -> str:
        key = str(path)
        if key not in self.links:
            if self._neighbours is None or len(self.links) >= _MOST_FILES:
                return ""
            self.links[key] = self._neighbours(path)
        return self.links[key]


def _candidates(name: str, folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """The files that a link may mean, best first."""
    is_named = name.startswith(_WIKI)
    name = name.removeprefix(_WIKI if is_named else "@")
    from_root = _normal(PurePosixPath(name.lstrip("/")))
    found = [] if name.startswith("/") else [_normal(folder / name)]
    if from_root is not None and ".." not in name:
        found.append(from_root)
        if from_root.parts[:1] == (_POSTS,):
            found.append(PurePosixPath(*from_root.parts[1:]))
    for path in dict.fromkeys(filter(None, found)):
        yield path
        if path.stem.strip(".") not in {"", "index"}:
            yield path.with_suffix("") / f"index{path.suffix}"
    if is_named and from_root is not None and len(from_root.parts) == 1:
        yield named_file(from_root.name)


def named_file(name: str) -> PurePosixPath:
    """The path that stands for a file of this name in any folder; names match in any letter case."""
    return PurePosixPath(ANYWHERE, name.lower())


def names_of(path: PurePosixPath) -> tuple[str, ...]:
    """The names by which a file is known: its own, and that of its folder if it is the folder's page."""
    name = path.name.lower()
    return (name, f"{path.parent.name.lower()}{path.suffix.lower()}") if path.stem == "index" else (name,)


def path_in_root(name: str, folder: PurePosixPath) -> PurePosixPath | None:
    """The path of a file that a link in a folder names; None if it is out of the root."""
    return _normal(PurePosixPath(name.lstrip("/")) if name.startswith("/") else folder / name)


def _normal(path: PurePosixPath) -> PurePosixPath | None:
    """The path without `..`; None if it leads out of the root, or names nothing."""
    parts: list[str] = []
    for part in path.parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            return None
    return PurePosixPath(*parts) if parts and "\0" not in path.name and PurePosixPath(*parts).suffix else None
