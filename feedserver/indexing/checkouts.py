"""Tells whether git is changing the work tree that a folder of articles is in.

While git updates a work tree it holds `index.lock` in its directory (git's api-lockfile), also between
deleting files and creating them elsewhere. Reads no articles.
"""

from __future__ import annotations

import time
from pathlib import Path

# An older lock was left behind by a git process that was killed.
LOCK_MOST_SECONDS = 60.0


def is_under_way(folder: Path) -> bool:
    """Whether git holds the lock of the work tree that a folder is in."""
    for above in (folder, *folder.parents):
        directory = _git_directory(above / ".git")
        if directory is not None:
            return _is_young(directory / "index.lock")
    return False


def _git_directory(path: Path) -> Path | None:
    """The git directory: `.git` itself, or the one that the file `.git` of a linked work tree names."""
    try:
        if path.is_dir():
            return path
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return path.parent / text.removeprefix("gitdir:").strip() if text.startswith("gitdir:") else None


def _is_young(lock: Path) -> bool:
    try:
        return time.time() - lock.lstat().st_mtime < LOCK_MOST_SECONDS
    except OSError:
        return False
