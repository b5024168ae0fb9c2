"""Opens files below a folder without following links in it.

Other users may be able to write to an exported folder, so neither a link in it nor a name that is read from
it may lead an export out of it. Each folder of a path is opened in the one above (openat with O_NOFOLLOW), so
a link that appears meanwhile is not followed either. The path of the folder itself may have links, because
the operator named it. Does not know the content of the files.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from feedserver.errors import ExportError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# How often a folder is created for a file, before another program is assumed to remove it.
_MOST_FOLDERS_LOST = 20

_LONGEST_NAME = 255  # bytes

# The errors of the system for a link, or a file, in the place of a folder.
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP})


class Tree:
    """The files below an existing folder. For one thread.

    Args:
        path: of the folder.

    Raises:
        OSError: on construction, if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._root)

    @contextmanager
    def folder(self, name: str, *, make: bool = False) -> Iterator[int]:
        """Open a folder below, as a descriptor; with `make`, it and those above it are made if missing.

        Raises:
            ExportError: if a link or a file lies in the place of one of them.
            FileNotFoundError: if one of them is missing.
        """
        opened = os.dup(self._root)
        try:
            for depth, part in enumerate(_parts(self._path, name) if name else ()):
                inner = self._open_in(opened, part, name, depth, make=make)
                os.close(opened)
                opened = inner
            yield opened
        finally:
            os.close(opened)

    def _open_in(self, outer: int, part: str, name: str, depth: int, *, make: bool) -> int:
        try:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=outer)
            return os.open(part, _FOLDER, dir_fd=outer)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
            raise in_the_way(self._path.joinpath(*name.split("/")[: depth + 1])) from None

    def mode(self, file: str) -> int | None:
        """The type and permissions of a file, or of the link in its place; None if there is none."""
        folder, name = _split(self._path, file)
        try:
            with self.folder(folder) as opened:
                return os.stat(name, dir_fd=opened, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None

    def open_file(self, file: str, flags: int) -> int:
        """Open a regular file, or create it.

        Raises:
            ExportError: if a link, a pipe, a device or a folder lies in its place.
            OSError: if it cannot be opened.
        """
        folder, name = _split(self._path, file)
        with self.folder(folder) as opened:
            try:
                descriptor = os.open(
                    name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=opened
                )
            except OSError as error:
                if error.errno not in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
                    raise
                raise in_the_way(self._path / file) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise in_the_way(self._path / file)
        return descriptor

    def place(self, source: int, temporary: str, file: str) -> None:
        """Move a file into its place, and make the folders that it needs.

        Args:
            source: the folder that it is in, as a descriptor.
            temporary: its name there.
            file: where it is to be.

        Raises:
            ExportError: if something lies in the place of a folder that it needs.
            OSError: if it cannot be moved.
        """
        folder, name = _split(self._path, file)
        for attempt in itertools.count(1):
            try:
                with self.folder(folder, make=attempt > 1) as target:
                    os.rename(temporary, name, src_dir_fd=source, dst_dir_fd=target)
            # Its folder is missing. Another process may remove it again while it is empty, or one above.
            except FileNotFoundError:
                if attempt > _MOST_FOLDERS_LOST:
                    raise
            else:
                return

    def remove(self, files: Iterable[str]) -> None:
        """Remove files, and the folders that are empty then. Ignores folders and missing files."""
        parents: set[str] = set()
        for file in files:
            folder, name = _split(self._path, file)
            # Another's file may lie where its folder was, or a folder where it was; then it is gone, too.
            with suppress(FileNotFoundError, IsADirectoryError, ExportError), self.folder(folder) as opened:
                os.unlink(name, dir_fd=opened)
            parents.update(_with_parents(folder))
        for parent in sorted(parents, key=lambda one: one.count("/"), reverse=True):
            folder, name = _split(self._path, parent)
            # It is not empty, or gone, or another's link.
            with suppress(OSError, ExportError), self.folder(folder) as opened:
                os.rmdir(name, dir_fd=opened)


def is_inside(file: str) -> bool:
    """Whether a name, from wherever it comes, can be that of a file below a folder."""
    return "\0" not in file and all(
        part not in {"", ".", ".."} and len(os.fsencode(part)) <= _LONGEST_NAME for part in file.split("/")
    )


def in_the_way(path: Path) -> ExportError:
    """The error about something that an export did not write, in a place that it needs."""
    return ExportError(path, "is in the way: the export did not write it; move it")


def _parts(path: Path, file: str) -> list[str]:
    if not is_inside(file):
        raise ExportError(path, f"its notes name {file!r}, which is no file in it; export to a new folder")
    return file.split("/")


def _split(path: Path, file: str) -> tuple[str, str]:
    """The folder of a file, empty for the root, and its name there."""
    *above, name = _parts(path, file)
    return "/".join(above), name


def _with_parents(folder: str) -> Iterator[str]:
    """A folder and those above it, without the root."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
