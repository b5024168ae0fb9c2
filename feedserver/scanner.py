"""From folders to files: finds article files and reads their bytes.

Tells what is there and what changed on disk; does not know what an article is, and does not wait for
changes (`watcher` does). Nothing outside a root is ever read: symbolic links are followed only to files
that lie below the root, also when a link takes the place of a file between look and reading, and
anything that is not a regular file is never opened for reading. Every oddity becomes a finding about one
path (promise 5); no oddity ends a scan.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zlib import crc32

import msgspec

from feedserver.model import Finding, Severity, Stamp

# The stamp of what has none worth comparing.
NO_STAMP = Stamp(mtime_ns=0, ctime_ns=0, size=0, inode=0)

# The stamp of what cannot be looked at: one that nothing has, so that it is judged anew once it can be.
UNSEEN_STAMP = Stamp(mtime_ns=0, ctime_ns=0, size=-1, inode=0)

# A file that is being written is read again; after this many readings it is left for the next time.
READ_ATTEMPTS = 3


class ScanRules(NamedTuple):
    """Which files are articles: by suffix, by names to skip (globs), by size in bytes."""

    extensions: frozenset[str]
    skip: re.Pattern[str]
    max_file_size: int

    @classmethod
    def of(cls, extensions: Iterable[str], skip: Iterable[str], max_file_size: int) -> ScanRules:
        """Rules from suffixes such as `.md` and globs such as `README*`."""
        pattern = "|".join(fnmatch.translate(glob) for glob in skip)
        return cls(frozenset(extensions), re.compile(pattern or r"(?!)"), max_file_size)

    def is_article_name(self, name: str) -> bool:
        """Whether a file of this name is to be read."""
        return self.has_suffix(name) and not self.is_skipped(name)

    def has_suffix(self, name: str) -> bool:
        """Whether a name ends as those of articles do; a name such as `.md` is no ending."""
        # Called for every file: half of what `splitext` takes, a twentieth of pathlib.
        before, dot, after = name.rpartition(".")
        return (dot + after).lower() in self.extensions and before.strip(".") != ""

    def is_skipped(self, name: str) -> bool:
        """Whether files and folders of this name are passed over."""
        return self.skip.match(name) is not None

    def is_skipped_path(self, path: str) -> bool:
        """Whether a component of a path below a root is passed over."""
        return any(self.is_skipped(part) for part in PurePosixPath(path).parts)


class Found(NamedTuple):
    """A path below a root with its stamp. With a finding it must not be read."""

    path: str
    stamp: Stamp
    finding: Finding | None = None


class _Step(IntEnum):
    """What a walk does with a name."""

    ENTER = 0
    ARTICLE = 1
    LINK = 2


class Gone(NamedTuple):
    """A path below a root that was known, and at which nothing is now."""

    path: str


class Scan:
    """One walk over a root, or the part of it at one path.

    Attributes:
        unlisted: folders that could not be listed. Files below them are neither there nor gone.
        odd: what a walk found and could not yield in its order: such folders, and names that are not UTF-8.
    """

    def __init__(self, root: Path, rules: ScanRules) -> None:
        self._root = os.path.realpath(root)
        self._rules = rules
        self.unlisted: list[str] = []
        self.odd: list[Found] = []

    def walk(self, under: str = "") -> Iterator[Found]:
        """Article files at or below a folder, and what is wrong with others, in the order of their paths.

        In this order, which is the one of the index, a walk over a million files is compared with what is
        known in one pass (`compare`), and holds no more than the names of the folders it is in.
        """
        pending = [self._listing(under)]
        while pending:
            for path, step in pending[-1]:
                if step is _Step.ENTER:
                    pending.append(self._listing(path.removesuffix("/")))
                    break
                found = self._look(path, step is _Step.ARTICLE)
                if found is None or (found.finding is _FOLDER and not self._can_be_listed(path)):
                    continue  # what cannot be listed is told when it is entered
                if found.path == path:
                    yield found
                elif not os.path.lexists(self._absolute(found.path)):
                    self.odd.append(found)  # unless there is a file with just the name that it is shown by
            else:
                pending.pop()

    def _listing(self, folder: str) -> Iterator[tuple[str, _Step]]:
        """What to do with the paths in a folder, in their order; a path to enter ends with a slash."""
        before = f"{folder}/" if folder else ""
        names: list[tuple[str, _Step]] = []
        try:
            with os.scandir(self._absolute(folder)) as entries:
                for entry in entries:
                    if self._rules.is_skipped(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        names.append((f"{before}{entry.name}/", _Step.ENTER))
                    if self._rules.has_suffix(entry.name):
                        names.append((before + entry.name, _Step.ARTICLE))
                    elif entry.is_symlink():
                        names.append((before + entry.name, _Step.LINK))
        except OSError as error:
            if folder == "" or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.unlisted.append(folder)
                self.odd.append(Found(_printable(folder), UNSEEN_STAMP, _unreadable("listed", error)))
            return iter(())
        return iter(sorted(names))

    def _can_be_listed(self, folder: str) -> bool:
        try:
            os.scandir(self._absolute(folder)).close()
        except OSError:
            return False
        return True

    def look(self, path: str) -> Found | None:
        """What is to be said of one path; None if it is gone, or neither article nor linked folder."""
        return self._look(path, self._rules.is_article_name(path.rpartition("/")[2]))

    def _look(self, path: str, is_article: bool) -> Found | None:
        absolute = self._absolute(path)
        try:
            status = os.lstat(absolute)
            is_link = stat.S_ISLNK(status.st_mode)
            if not is_article and not (is_link and (os.path.isdir(absolute) or _leads_back(absolute))):  # noqa: PTH112
                return None
            finding = self._judge_link(absolute) if is_link else None
            if is_link and finding is None:
                status = os.stat(absolute)  # noqa: PTH116  as above
            return self._judge(path, status, finding) if is_article or finding else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return Found(_printable(path), UNSEEN_STAMP, _unreadable("looked at", error))

    def is_below(self, path: str) -> bool:
        """Whether a walk would come to a path: not skipped, and not behind a symbolic link."""
        folder = self._absolute(path.rpartition("/")[0])
        return not self._rules.is_skipped_path(path) and os.path.realpath(folder) == folder

    def is_folder(self, path: str) -> bool:
        """Whether a path is a folder that a walk would enter."""
        absolute = self._absolute(path)
        return os.path.isdir(absolute) and not os.path.islink(absolute)  # noqa: PTH112, PTH114  as above

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _judge(self, path: str, status: os.stat_result, finding: Finding | None) -> Found:
        if not path.isascii() and _printable(path) != path:
            return Found(_printable(path), NO_STAMP, _NAME)
        if finding is not None:
            return Found(path, _stamp_of_link(status, finding), finding)
        if stat.S_ISDIR(status.st_mode):
            return Found(path, NO_STAMP, _FOLDER)
        if not stat.S_ISREG(status.st_mode):
            return Found(path, _stamp_of(status), _NOT_A_FILE)
        if status.st_size > self._rules.max_file_size:
            return Found(path, _stamp_of(status), _too_large(status.st_size, self._rules.max_file_size))
        return Found(path, _stamp_of(status))

    def _judge_link(self, absolute: str) -> Finding | None:
        """Why a symbolic link is not followed, or None if it is."""
        try:
            target = os.path.realpath(absolute, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return _LOOP
            return _error("symlink-broken", "is a symbolic link to something that does not exist")
        if not _is_below(target, self._root):
            return _OUTSIDE
        if not os.path.isdir(target):  # noqa: PTH112  as above
            return None
        if absolute.startswith(target + os.sep):
            return _LOOP
        message = "is a symbolic link to a folder that is read at its own place"
        return Finding(severity=Severity.INFO, code="symlink-folder", message=message)


def _is_below(target: str, root: str) -> bool:
    return target == root or target.startswith(root.rstrip(os.sep) + os.sep)


def _leads_back(absolute: str) -> bool:
    try:
        os.stat(absolute)  # noqa: PTH116  as above
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


class Unreadable(NamedTuple):
    """A file whose bytes cannot be had, why, and its stamp when that was found out."""

    finding: Finding
    stamp: Stamp


def read_bytes(root: str | Path, path: str, max_file_size: int) -> tuple[bytes, Stamp] | Unreadable | None:
    """The bytes of a file and the stamp that they belong to.

    The stamp is taken from the open file before and after reading; a file that changes meanwhile, or
    that another one takes the place of, is read again.

    Returns:
        None if the file is gone; `Unreadable` if it is there and cannot be read.
    """
    absolute = os.path.join(root, path)  # noqa: PTH118  called for every file; pathlib costs ten times as much
    try:
        for _ in range(READ_ATTEMPTS):
            result = _read_once(absolute, root, max_file_size)
            if result is not None:
                return result
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Unreadable(_unreadable("read", error), _stamp_at(absolute))
    return Unreadable(_error("unsettled", "kept changing while it was being read"), NO_STAMP)


def _read_once(
    absolute: str, root: str | Path, max_file_size: int
) -> tuple[bytes, Stamp] | Unreadable | None:
    """One reading of a file; None if it changed meanwhile."""
    # Without O_NONBLOCK the opening of a FIFO would wait for a writer, maybe for ever.
    handle = os.open(absolute, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            return Unreadable(_NOT_A_FILE, _stamp_of(before))
        # After opening, because what is looked at before can be replaced by a link in between.
        target = _target_of(handle, absolute)
        if target is None:
            return None
        if target != absolute and not _is_below(target, os.path.realpath(root)):
            return Unreadable(_OUTSIDE, _stamp_at(absolute))
        raw = _read_up_to(handle, min(before.st_size, max_file_size) + 1)
        after, named = os.fstat(handle), os.lstat(target)
    finally:
        os.close(handle)
    if len(raw) > max_file_size:
        return Unreadable(_too_large(after.st_size, max_file_size), _stamp_of(after))
    stamp = _stamp_of(before)
    is_settled = stamp == _stamp_of(after) == _stamp_of(named) and len(raw) == stamp.size
    return (raw, stamp) if is_settled else None


def _stamp_at(absolute: str) -> Stamp:
    """The stamp that a walk would find; none if that cannot be told either."""
    try:
        return _stamp_of(os.stat(absolute))  # noqa: PTH116  as above
    except OSError:
        return NO_STAMP


def _target_of(handle: int, absolute: str) -> str | None:
    """The path of an open file, None if another one has taken its place.

    Linux tells it in a tenth of the time that looking at each folder takes.
    """
    try:
        target = os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115  as above
    except OSError:
        return os.path.realpath(absolute, strict=True)
    is_replaced = target.endswith(" (deleted)") and not os.path.lexists(target)
    return None if is_replaced else target


def _read_up_to(handle: int, size: int) -> bytes:
    """The first bytes of a file; a single read is cut short by signals only."""
    raw = os.read(handle, size)
    while len(raw) < size and (more := os.read(handle, size - len(raw))):
        raw += more
    return raw


def compare(scan: Scan, found: Iterable[Found], known: Iterable[tuple[str, Stamp]]) -> Iterator[Found | Gone]:
    """What must be read, because it is new or has another stamp, and at last what is gone.

    Args:
        scan: the one that finds.
        found: in the order of their paths, `scan.odd` aside.
        known: paths with their stamps, in the same order.
    """
    missing: dict[str, Stamp] = {}
    rest = iter(known)
    path, stamp = next(rest, _END)
    for item in found:
        while path is not None and path < item.path:
            missing[path] = stamp
            path, stamp = next(rest, _END)
        if path != item.path:
            yield item
            continue
        if stamp != item.stamp:
            yield item
        path, stamp = next(rest, _END)
    while path is not None:
        missing[path] = stamp
        path, stamp = next(rest, _END)
    # By path: two names that are not UTF-8 may be shown alike.
    for item in {item.path: item for item in scan.odd}.values():
        if missing.pop(item.path, None) != item.stamp:
            yield item
    prefixes = tuple(f"{folder}/" if folder else "" for folder in scan.unlisted)
    yield from (Gone(path) for path in missing if not (prefixes and path.startswith(prefixes)))


_END: tuple[str | None, Stamp] = (None, NO_STAMP)


def _stamp_of(status: os.stat_result) -> Stamp:
    return Stamp(
        mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns, size=status.st_size, inode=status.st_ino
    )


def _stamp_of_link(status: os.stat_result, finding: Finding) -> Stamp:
    """The stamp of a link that is not followed.

    What is wrong with it goes into the size, because what it leads to may change while the link does not. A
    size below -1 is nobody else's.
    """
    return msgspec.structs.replace(_stamp_of(status), size=-2 - crc32(finding.code.encode()))


def _printable(path: str) -> str:
    """A path whose bytes are not UTF-8, made presentable."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _error(code: str, message: str) -> Finding:
    return Finding(severity=Severity.ERROR, code=code, message=message)


def _unreadable(what: str, error: OSError) -> Finding:
    return _error("unreadable", f"cannot be {what}: {error.strerror}")


def _too_large(size: int, limit: int) -> Finding:
    return _error("too-large", f"is larger ({size:,} bytes) than scan.max_file_size ({limit:,} bytes)")


_NOT_A_FILE = _error(
    "not-a-file", "is not a regular file (a folder, pipe, socket or device), so it is not read"
)
_OUTSIDE = _error("symlink-outside", "is a symbolic link that leads out of the folder of articles")
_FOLDER = Finding(
    severity=Severity.WARNING,
    code="folder",
    message="is a folder named like an article; what it holds is read",
)
_NAME = _error("name-not-utf8", "has a name that is not UTF-8")
_LOOP = _error("symlink-loop", "is a symbolic link that leads back to itself or to a folder that holds it")
