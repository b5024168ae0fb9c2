"""The locks of a state folder (flock): one indexer at a time, and only servers that publish the same.

A lock belongs to an open file, so the kernel releases it when its holder dies, even by SIGKILL. The
supervisor takes the indexer's lock and passes the open file to its child, so only one child is ever started.
The content of the lock file names the holder for messages; it decides nothing. Does not know what an indexer
or a server does.
"""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from pathlib import Path
from typing import NamedTuple

from feedserver.errors import ServerBusyError
from feedserver.system import private

LOCK = "indexer.lock"

# A command that finds the lock taken creates this file, to make the holder scan at once.
RESCAN_REQUEST = "rescan-request"


class Holder(NamedTuple):
    """The holder of the lock: its process id, and the fingerprint of its plan."""

    pid: int
    fingerprint: str


class IndexerLock:
    """The indexer's lock, while it is held: until `release`, or until the process ends."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, state_dir: Path) -> IndexerLock | None:
        """Take the lock of a state folder; None if another process has it. Never waits.

        Raises:
            OSError: if the state folder does not exist or cannot be written.
        """
        # Not inherited by children (PEP 446): a lock that a pool inherited outlived its holder (measured).
        descriptor = private.open_file(state_dir / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # The last holder's record does not hold for this one.
        os.ftruncate(descriptor, 0)
        return cls(descriptor)

    @classmethod
    def inherited(cls, descriptor: int) -> IndexerLock:
        """The lock that the parent process took and passed on as an open file."""
        os.set_inheritable(descriptor, False)
        return cls(descriptor)

    def sign(self, fingerprint: str) -> None:
        """Record this process as the holder."""
        content = json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, content, 0)

    def release(self) -> None:
        """Release the lock in this process; a child that it was passed to keeps it."""
        os.close(self.descriptor)


def holder(state_dir: Path) -> Holder | None:
    """The holder of a state folder's lock; None if the lock is free or not signed yet."""
    free = IndexerLock.acquire(state_dir) if (state_dir / LOCK).exists() else None
    if free is not None:
        free.release()
        return None
    try:
        content = json.loads((state_dir / LOCK).read_text(encoding="utf-8"))
        return Holder(pid=content["pid"], fingerprint=content["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def refuse_other_indexer(state_dir: Path, fingerprint: str) -> None:
    """Raise ServerBusyError if an indexer with other folders or settings is running."""
    running = holder(state_dir)
    if running is not None and running.fingerprint != fingerprint:
        raise ServerBusyError(
            f"{state_dir}: is in use by process {running.pid}, which runs with other folders or settings"
        )


class ServersLock:
    """The shared lock of all processes that publish from one state folder; they must publish the same.

    Two servers with different settings would overwrite each other's ETags in the history. Each process holds
    a shared lock on a file that names the server and the fingerprint of what it publishes. A process may
    write another fingerprint only if it is the sole holder, or if it belongs to the server that the file
    names: after a reload, new workers have other settings while the old ones end. The kernel releases the
    lock when the last process of the server ends, even by SIGKILL. A context manager.

    Args:
        state_dir: the state folder.
        fingerprint: of what is published.
        server: names the server, if it has several processes that take the lock; see `server_of`.

    Attributes:
        is_joined: whether another process of the same server held the lock already.

    Raises:
        ServerBusyError: on construction, if servers with another fingerprint are running.
    """

    NAME = "servers.lock"

    def __init__(self, state_dir: Path, fingerprint: str, server: str = "") -> None:
        descriptor = private.open_file(state_dir / self.NAME, os.O_RDWR | os.O_CREAT)
        self._close = weakref.finalize(self, os.close, descriptor)
        record = f"{server or os.getpid()} {fingerprint}".encode()
        self.is_joined = not _is_first(descriptor, record)
        # Waits only while another server writes its record: microseconds.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        running, _, published = os.pread(descriptor, 500, 0).decode(errors="replace").partition(" ")
        self.is_joined = self.is_joined and running == server
        if published == fingerprint:
            return
        if not self.is_joined:
            self._close()
            raise ServerBusyError(
                f"{state_dir}: is in use by the server with process id {running.partition('@')[0]}, which"
                " runs with other folders or settings; stop it, or name another state folder with --state-dir"
            )
        # In place, without truncating: all records of a server have the same length.
        os.pwrite(descriptor, record, 0)

    def __enter__(self) -> ServersLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock in this process."""
        self._close()


def _is_first(descriptor: int, record: bytes) -> bool:
    """Whether no other process holds the lock; in that case the record is written."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, record, 0)
    return True


def server_of(pid: int) -> str:
    """A name of the server that a process started, unique on this machine, across containers too."""
    try:
        # Process ids begin with 1 in each container; the start time (proc(5), field 22) tells them apart.
        started = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except FileNotFoundError:  # not Linux: no such containers
        started = ""
    return f"{pid}@{started}"
