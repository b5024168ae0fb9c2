"""Scans folders: finds article files, compares their stamps, and reads their bytes.

Does not know what an article is, and does not wait for changes (`watcher` does). Files outside of a root are
never read: symbolic links are followed only to files below the root, also when a link takes the place of a
file between the look and the reading, and only regular files are opened for reading. Every oddity becomes a
finding about one path (promise 5); no oddity ends a scan.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from feedserver.findings import FindingCode
from feedserver.index.file_values import FileState, Stamp
from feedserver.indexing.plan import Plan, Root
from feedserver.model import Finding

# The stamp of a path without one that is worth comparing.
NO_STAMP = Stamp(mtime_ns=0, ctime_ns=0, size=0, inode=0, state=FileState.NOT_COMPARED)

# The stamp of a path that cannot be looked at, so that it is judged anew once it can be.
UNSEEN_STAMP = Stamp(mtime_ns=0, ctime_ns=0, size=0, inode=0, state=FileState.UNSEEN)

# A file that changes while it is read is read again, so many times; then it is left to the next look.
READ_ATTEMPTS = 3


class ScanRules(NamedTuple):
    """Which files are articles: by suffix, size in bytes, and globs of their names and of folders above."""

    extensions: frozenset[str]
    skip: re.Pattern[str]
    max_file_size: int
    only: re.Pattern[str] | None = None

    @classmethod
    def of(
        cls, extensions: Iterable[str], skip: Iterable[str], max_file_size: int, only: Iterable[str] = ()
    ) -> ScanRules:
        """Make rules from suffixes such as `.md`, and globs such as `README*`, in any letter case.

        Globs in `only` are of names of folders: files are articles below such a folder alone.
        """
        folders = _any_of(only)
        return cls(frozenset(extensions), _any_of(skip) or re.compile(r"(?!)"), max_file_size, folders)

    @classmethod
    def for_root(cls, plan: Plan, root: Root) -> ScanRules:
        """The rules for one root of a plan."""
        return cls.of(plan.extensions, (*plan.skip, *root.skip), plan.max_file_size, root.only)

    def may_hold_articles(self, folder: str) -> bool:
        """Whether files directly in a folder may be articles; '' is the root."""
        return self.only is None or any(map(self.only.match, folder.split("/")))

    def is_article_name(self, name: str) -> bool:
        """Whether a file of this name is to be read."""
        return self.has_suffix(name) and not self.is_skipped(name)

    def has_suffix(self, name: str) -> bool:
        """Whether a name has a suffix of articles. `.md` alone is not a suffix."""
        # Called for every file; takes half as long as `splitext`, and a twentieth of pathlib.
        before, dot, after = name.rpartition(".")
        return (dot + after).lower() in self.extensions and before.strip(".") != ""

    def is_skipped(self, name: str) -> bool:
        """Whether files and folders of this name are skipped."""
        return self.skip.match(name) is not None

    def is_skipped_path(self, path: str) -> bool:
        """Whether a component of a path below a root is skipped."""
        return any(self.is_skipped(part) for part in PurePosixPath(path).parts)


def _any_of(globs: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern of the names that match one of some globs; None without globs."""
    pattern = "|".join(fnmatch.translate(glob) for glob in globs)
    return re.compile(pattern, re.IGNORECASE) if pattern else None


class FoundFile(NamedTuple):
    """A path below a root with its stamp, and the known one. If it has a finding, it must not be read."""

    path: str
    stamp: Stamp
    finding: Finding | None = None
    known: Stamp | None = None

    def is_edited(self) -> bool:
        """Whether a known file was written since, and not only has to be read a second time."""
        return self.known is not None and self.stamp.is_edited_since(self.known)


class _Step(IntEnum):
    """How a walk treats a name."""

    ENTER = 0
    ARTICLE = 1
    LINK = 2


class Gone(NamedTuple):
    """A known path below a root that does not exist any more, and its known stamp."""

    path: str
    stamp: Stamp


class Scan:
    """One walk over a root, or over the part of it at one path.

    Attributes:
        unlisted: folders that could not be listed. Files below them are neither found nor gone.
        odd: finds that a walk cannot yield in order: such folders, and names that are not UTF-8.
        links: symbolic links with the name of an article that were looked at.
    """

    def __init__(self, root: Path, rules: ScanRules) -> None:
        self._root = os.path.realpath(root)
        self._rules = rules
        self.unlisted: list[str] = []
        self.odd: list[FoundFile] = []
        self.links: list[str] = []

    def walk(self, under: str = "") -> Iterator[FoundFile]:
        """Article files at or below a folder, and findings about others, in the order of their paths.

        The index has the same order, so a walk over a million files is compared with it in one pass
        (`compare`). It holds no more than the names in the folders that it is in.
        """
        pending = [self._listing(under)]
        while pending:
            for path, step in pending[-1]:
                if step is _Step.ENTER:
                    pending.append(self._listing(path.removesuffix("/")))
                    break
                found = self._look(path, step is _Step.ARTICLE)
                if found is None or (found.finding is _FOLDER and not self._can_be_listed(path)):
                    continue  # a folder that cannot be listed is reported when it is entered
                if found.path == path:
                    yield found
                elif not os.path.lexists(self._absolute(found.path)):
                    self.odd.append(found)  # unless a file has exactly the name under which it is shown
            else:
                pending.pop()

    def _listing(self, folder: str) -> Iterator[tuple[str, _Step]]:
        """The paths in a folder, in their order, with the step to take; a path to enter ends with a slash."""
        before = f"{folder}/" if folder else ""
        has_articles = self._rules.may_hold_articles(folder)
        names: list[tuple[str, _Step]] = []
        try:
            with os.scandir(self._absolute(folder)) as entries:
                for entry in entries:
                    if not self._rules.is_skipped(entry.name):
                        names += self._steps(entry, before, has_articles)
        except OSError as error:
            if folder == "" or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.unlisted.append(folder)
                self.odd.append(FoundFile(_printable(folder), UNSEEN_STAMP, _unreadable("listed", error)))
            return iter(())
        return iter(sorted(names))

    def _steps(self, entry: os.DirEntry[str], before: str, has_articles: bool) -> Iterator[tuple[str, _Step]]:
        if entry.is_dir(follow_symlinks=False):
            yield f"{before}{entry.name}/", _Step.ENTER
        if not has_articles:
            return
        if self._rules.has_suffix(entry.name):
            yield before + entry.name, _Step.ARTICLE
        elif entry.is_symlink():
            yield before + entry.name, _Step.LINK

    def _can_be_listed(self, folder: str) -> bool:
        try:
            os.scandir(self._absolute(folder)).close()
        except OSError:
            return False
        return True

    def look(self, path: str) -> FoundFile | None:
        """The find at one path; None if it is gone, or is neither an article nor a linked folder."""
        folder, _, name = path.rpartition("/")
        is_article = self._rules.is_article_name(name) and self._rules.may_hold_articles(folder)
        return self._look(path, is_article)

    def _look(self, path: str, is_article: bool) -> FoundFile | None:
        absolute = self._absolute(path)
        try:
            status = os.lstat(absolute)
            is_link = stat.S_ISLNK(status.st_mode)
            if not is_article and not (is_link and (os.path.isdir(absolute) or _leads_back(absolute))):  # noqa: PTH112
                return None
            if is_link and is_article and _printable(path) == path:
                self.links.append(path)
            finding = self._judge_link(absolute) if is_link else None
            if is_link and finding is None:
                status = os.stat(absolute)  # noqa: PTH116  as above
            return self._judge(path, status, finding) if is_article or finding else None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return FoundFile(_printable(path), UNSEEN_STAMP, _unreadable("looked at", error))

    def is_below(self, path: str) -> bool:
        """Whether a walk would reach a path: it is not skipped, and not behind a symbolic link."""
        folder = self._absolute(path.rpartition("/")[0])
        return not self._rules.is_skipped_path(path) and os.path.realpath(folder) == folder

    def is_folder(self, path: str) -> bool:
        """Whether a path is a folder that a walk would enter."""
        absolute = self._absolute(path)
        return os.path.isdir(absolute) and not os.path.islink(absolute)  # noqa: PTH112, PTH114  as above

    def _absolute(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _judge(self, path: str, status: os.stat_result, finding: Finding | None) -> FoundFile:
        if not path.isascii() and _printable(path) != path:
            return FoundFile(_printable(path), NO_STAMP, _NAME)
        if finding is not None:
            return FoundFile(path, _stamp_of_link(status, finding), finding)
        if stat.S_ISDIR(status.st_mode):
            return FoundFile(path, NO_STAMP, _FOLDER)
        if not stat.S_ISREG(status.st_mode):
            return FoundFile(path, Stamp.of(status), _NOT_A_FILE)
        if status.st_size > self._rules.max_file_size:
            return FoundFile(path, Stamp.of(status), _too_large(status.st_size, self._rules.max_file_size))
        return FoundFile(path, Stamp.of(status))

    def _judge_link(self, absolute: str) -> Finding | None:
        """The reason why a symbolic link is not followed; None if it is followed."""
        try:
            target = os.path.realpath(absolute, strict=True)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return _LOOP
            return Finding.of(
                FindingCode.SYMLINK_BROKEN, "is a symbolic link to something that does not exist"
            )
        if not _is_below(target, self._root):
            return _OUTSIDE
        if not os.path.isdir(target):  # noqa: PTH112  as above
            return None
        if absolute.startswith(target + os.sep):
            return _LOOP
        message = "is a symbolic link to a folder that is read at its own place"
        return Finding.of(FindingCode.SYMLINK_FOLDER, message)


def _is_below(target: str, root: str) -> bool:
    return target == root or target.startswith(root.rstrip(os.sep) + os.sep)


def _leads_back(absolute: str) -> bool:
    try:
        os.stat(absolute)  # noqa: PTH116  as above
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


class Unreadable(NamedTuple):
    """A file that cannot be read, the finding about it, and its stamp at that time."""

    finding: Finding
    stamp: Stamp


def read_bytes(root: str | Path, path: str, max_file_size: int) -> tuple[bytes, Stamp] | Unreadable | None:
    """The bytes of a file and their stamp.

    The stamp is taken from the open file before and after reading. A file that changes meanwhile, or is
    replaced by another one, is read again.

    Returns:
        None if the file is gone; `Unreadable` if it exists and cannot be read.
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
        return Unreadable(_unreadable("read", error), stamp_at(absolute))
    return Unreadable(Finding.of(FindingCode.UNSETTLED, "kept changing while it was being read"), NO_STAMP)


def _read_once(
    absolute: str, root: str | Path, max_file_size: int
) -> tuple[bytes, Stamp] | Unreadable | None:
    """Read a file once; None if it changed meanwhile."""
    # Without O_NONBLOCK, opening a FIFO would wait for a writer, maybe for ever.
    handle = os.open(absolute, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            return Unreadable(_NOT_A_FILE, Stamp.of(before))
        # After opening, because a file that is checked before can be replaced by a link in between.
        target = _target_of(handle, absolute)
        if target is None:
            return None
        if target != absolute and not _is_below(target, os.path.realpath(root)):
            return Unreadable(_OUTSIDE, stamp_at(absolute))
        raw = _read_up_to(handle, min(before.st_size, max_file_size) + 1)
        after, named = os.fstat(handle), os.lstat(target)
    finally:
        os.close(handle)
    if len(raw) > max_file_size:
        return Unreadable(_too_large(after.st_size, max_file_size), Stamp.of(after))
    stamp = Stamp.of(before)
    is_settled = stamp == Stamp.of(after) == Stamp.of(named) and len(raw) == stamp.size
    return (raw, stamp) if is_settled else None


def stamp_at(absolute: str) -> Stamp:
    """The stamp that a walk would find; `NO_STAMP` if it cannot be found out either."""
    try:
        return Stamp.of(os.stat(absolute))  # noqa: PTH116  as above
    except OSError:
        return NO_STAMP


def _target_of(handle: int, absolute: str) -> str | None:
    """The path of an open file; None if another file has taken its place.

    Linux gives it in a tenth of the time that it takes to check each folder.
    """
    try:
        target = os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115  as above
    except OSError:
        return os.path.realpath(absolute, strict=True)
    is_replaced = target.endswith(" (deleted)") and not os.path.lexists(target)
    return None if is_replaced else target


def _read_up_to(handle: int, size: int) -> bytes:
    """The first bytes of a file. A single read may be cut short by a signal."""
    raw = os.read(handle, size)
    while len(raw) < size and (more := os.read(handle, size - len(raw))):
        raw += more
    return raw


def compare(
    scan: Scan, found: Iterable[FoundFile], known: Iterable[tuple[str, Stamp]]
) -> Iterator[FoundFile | Gone | None]:
    """The files to be read, which are new or have another stamp, and lastly those that are gone.

    None stands for each file that did not change, so that the caller can pause in a long walk.

    Args:
        scan: the one that finds.
        found: in the order of their paths, `scan.odd` aside.
        known: the known paths with their stamps, in the same order.
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
        yield None if stamp == item.stamp else item._replace(known=stamp)
        path, stamp = next(rest, _END)
    while path is not None:
        missing[path] = stamp
        path, stamp = next(rest, _END)
    # By path, because two names that are not UTF-8 may be shown alike.
    for item in {item.path: item for item in scan.odd}.values():
        if missing.pop(item.path, None) != item.stamp:
            yield item
    prefixes = tuple(f"{folder}/" if folder else "" for folder in scan.unlisted)
    yield from (
        Gone(path, stamp) for path, stamp in missing.items() if not (prefixes and path.startswith(prefixes))
    )


def by_urgency(found: Iterable[FoundFile]) -> list[FoundFile]:
    """Files in the order in which they are to be read if there are many.

    Edits come first. Then come new files, those of the folder with the most new files last: if thousands
    arrive in one place, an article that is written elsewhere does not wait for them. Files that are only read
    a second time come last.
    """
    files = list(found)
    crowd = Counter(_folder_of(one) for one in files if one.known is None)

    def urgency(one: FoundFile) -> tuple[bool, int]:
        is_repeated = one.known is not None and not one.is_edited()
        return is_repeated, crowd[_folder_of(one)] if one.known is None else 0

    return sorted(files, key=urgency)


def _folder_of(found: FoundFile) -> str:
    return found.path.rpartition("/")[0]


_END: tuple[str | None, Stamp] = (None, NO_STAMP)


def _stamp_of_link(status: os.stat_result, finding: Finding) -> Stamp:
    """The stamp of a link that is not followed."""
    return msgspec.structs.replace(Stamp.of(status), state=FileState(finding.code.value))


def _printable(path: str) -> str:
    """A path for messages: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _unreadable(what: str, error: OSError) -> Finding:
    return Finding.of(FindingCode.UNREADABLE, f"cannot be {what}: {error.strerror}")


def _too_large(size: int, limit: int) -> Finding:
    return Finding.of(
        FindingCode.TOO_LARGE, f"is larger ({size:,} bytes) than scan.max_file_size ({limit:,} bytes)"
    )


_NOT_A_FILE = Finding.of(
    FindingCode.NOT_A_FILE, "is not a regular file (a folder, pipe, socket or device), so it is not read"
)
_OUTSIDE = Finding.of(
    FindingCode.SYMLINK_OUTSIDE, "is a symbolic link that leads out of the folder of articles"
)
_FOLDER = Finding.of(FindingCode.FOLDER, "is a folder named like an article; what it holds is read")
_NAME = Finding.of(FindingCode.NAME_NOT_UTF8, "has a name that is not UTF-8")
_LOOP = Finding.of(
    FindingCode.SYMLINK_LOOP, "is a symbolic link that leads back to itself or to a folder that holds it"
)
