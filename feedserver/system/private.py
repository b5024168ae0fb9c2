"""Keeps the state folder and its files from other users: 0700 and 0600 under any umask.

Index, publication history and cache hold articles that are not published yet (promise 6), and every user who
may read a lock's file can take the lock. SQLite gives the files beside a database the
permissions of the database, so only databases are created here. Does not know the files' contents.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600

# The entries of a state folder. A folder that holds anything else may be shared, so its own
# permissions are not changed.
_OURS = re.compile(
    r"current|\.current-\w+|index-\w+\.sqlite(-\w+)?|(history|memory)\.sqlite(\.damaged)?(-\w+)?"
    r"|\.?indexer-deaths\.json|indexer-last-words|indexer\.lock|servers\.lock|export-[0-9a-f]+\.lock|rescan-request|renewal-request"
    r"|history-copies|cache|cache-secret|\.cache-secret-\w+"
)

_SECRET = re.compile(rb"[0-9a-f]{64}")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

# Closing a descriptor drops the locks that SQLite has on the same file in this process
# (https://sqlite.org/howtocorrupt.html, section 2.2), so another thread must not connect before that.
_creating = threading.Lock()


def make_folder(folder: Path) -> None:
    """Make a folder that only this user can enter, and the folders above it, if missing. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(FOLDER_MODE)  # a umask may have taken the owner's rights


def open_file(path: Path, flags: int) -> int:
    """Open a file; if it is created, only this user can read it. Follows no link. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    if flags & os.O_CREAT and os.fstat(descriptor).st_size == 0:
        os.fchmod(descriptor, FILE_MODE)
    return descriptor


def create_file(path: Path) -> None:
    """Create an empty file, unless there is one, which is not opened. Raises OSError."""
    with _creating, suppress(FileExistsError):
        os.close(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def tighten(folder: Path) -> Iterator[str]:
    """Remove the access of other users to a state folder and to the files in it.

    Yields:
        Warnings for the operator, each the rest of a sentence about the folder. Raises OSError.
    """
    status = folder.stat()
    if status.st_uid != os.geteuid():
        yield (
            f"belongs to the user {_name(status.st_uid)}, and this process runs as {_name(os.geteuid())};"
            " run it as the owner of the folder, or name another state folder with --state-dir"
        )
        return
    with os.scandir(folder) as entries:
        ours, others = _sorted_by_owner(entries)
    if status.st_mode & _OTHERS:
        if others:
            access = "written" if status.st_mode & _OTHERS_WRITE else "entered"
            yield (
                f"can be {access} by other users, which is left so because {others[0]!r} in it is not"
                " feedserver's; name a folder of its own with --state-dir"
            )
        else:
            folder.chmod(FOLDER_MODE)
            if status.st_mode & _OTHERS_WRITE:
                yield "could be written by other users until now; make sure that they changed nothing in it"
    for path, mode in ours:
        path.chmod(mode)


def _sorted_by_owner(entries: Iterator[os.DirEntry[str]]) -> tuple[list[tuple[Path, int]], list[str]]:
    """Our entries that other users may access, each with its new mode; and the names of all other entries."""
    ours: list[tuple[Path, int]] = []
    others: list[str] = []
    for entry in entries:
        if not _OURS.fullmatch(entry.name):
            others.append(entry.name)
            continue
        with suppress(FileNotFoundError):  # another process removed it
            status = entry.stat(follow_symlinks=False)
            mode = FOLDER_MODE if stat.S_ISDIR(status.st_mode) else FILE_MODE
            is_plain = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
            if is_plain and status.st_mode & _OTHERS:
                ours.append((Path(entry.path), mode))
    return ours, others


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in containers, where users have no names
        return str(user)


def secret(path: Path) -> str:
    """The secret in a file. The first call makes it, and a damaged one is replaced. Raises OSError."""
    while (found := _read_secret(path)) is None:
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
        try:
            with os.fdopen(open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # Not by renaming: if several processes meet here, all must take the secret of the first one.
            with suppress(FileExistsError):
                path.hardlink_to(temporary)
        finally:
            temporary.unlink(missing_ok=True)
    return found


def _read_secret(path: Path) -> str | None:
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(100).strip()
    if _SECRET.fullmatch(content):
        return content.decode("ascii")
    path.unlink(missing_ok=True)
    return None
