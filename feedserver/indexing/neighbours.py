"""Reads the other files that a file links to, for the addresses of their articles.

Only files that a scan would find count, and only articles that are published: the address of any other must
not become known (promise 6). A file that is known by its name alone is looked for in all folders. Stores
nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import NamedTuple

from cachetools import LRUCache

from feedserver.articles.reading import read_address
from feedserver.articles.source_file import ANYWHERE, Neighbours, names_of
from feedserver.indexing.plan import Plan, Root
from feedserver.indexing.scanner import ScanRules, Unreadable, read_bytes

# The names in a folder are listed anew when they are this many times as old as listing them took.
_LISTING_AGE = 20
_MOST_LISTED = 50_000  # files: listing more would take longer than a file may
_MOST_SAME = 10  # files of one name that are read


def neighbours_of(root: Root, plan: Plan, clock: Callable[[], float]) -> Neighbours:
    """A function that tells the addresses of the articles in the files of a root.

    Args:
        root: of the files.
        plan: for the rules of scanning.
        clock: seconds since the epoch; called only if there is a link.
    """

    def address_of(path: PurePosixPath) -> str:
        rules = ScanRules.for_root(plan, root)
        if path.parts[0] == ANYWHERE:
            paths = _files_named(path.name, root.path, rules)
            return next(filter(None, map(address_of, paths)), "")
        return _address(path, root, rules, clock()) if _is_article(path, rules) else ""

    return address_of


def _address(path: PurePosixPath, root: Root, rules: ScanRules, now: float) -> str:
    try:
        result = read_bytes(root.path, str(path), rules.max_file_size)
    except (UnicodeEncodeError, ValueError):
        return ""  # no name of a file
    if result is None or isinstance(result, Unreadable):
        return ""
    raw, stamp = result
    mtime = datetime.fromtimestamp(stamp.mtime_ns // 1_000_000_000, UTC)
    found = read_address(raw, path, mtime, root.reading)
    if found is None:
        return ""
    moment = datetime.fromtimestamp(now, UTC)
    is_visible = found.since <= moment and (found.until is None or moment < found.until)
    return found.url if is_visible else ""


def _is_article(path: PurePosixPath, rules: ScanRules) -> bool:
    """Whether a scan would have the file read."""
    folder = "" if path.parent == PurePosixPath() else str(path.parent)
    is_found = rules.has_suffix(path.name) and rules.may_hold_articles(folder)
    return is_found and not rules.is_skipped_path(str(path))


# --- Files that are known by their name


class _Listing(NamedTuple):
    """The paths of the articles of a root by their names, and until when they count (monotonic)."""

    paths: dict[str, list[str]]
    until: float


_listings: LRUCache[tuple[str, ScanRules], _Listing] = LRUCache(16)


def _files_named(name: str, root: str, rules: ScanRules) -> list[PurePosixPath]:
    """The first articles of this name in all folders: those with few folders above them, then by path."""
    listing = _listings.get((root, rules))
    begun = time.monotonic()
    if listing is None or listing.until < begun:
        paths = _listed(root, rules)
        ended = time.monotonic()
        listing = _listings[root, rules] = _Listing(paths, ended + _LISTING_AGE * (ended - begun))
    found = sorted(listing.paths.get(name, ()), key=lambda path: (path.count("/"), path))
    return list(map(PurePosixPath, found[:_MOST_SAME]))


def _listed(root: str, rules: ScanRules) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if not rules.is_skipped(one))
        below = folder[len(root) :].strip("/")
        if not rules.may_hold_articles(below):
            continue
        for name in filter(rules.is_article_name, names):
            path = f"{below}/{name}" if below else name
            for known in names_of(PurePosixPath(path)) if name.startswith("index.") else (name.lower(),):
                paths.setdefault(known, []).append(path)
            count += 1
        if count > _MOST_LISTED:
            break
    return paths
