"""The OS locks of a state folder: one indexer, and only servers that publish the same.

A lock belongs to an open file, so the kernel frees it when its holder dies, however it dies. A
starter takes the indexer's and hands the open file to the child it starts, so that exactly one child is ever
started. Its content tells people who holds it; it decides nothing. Does not know what an indexer or a
server does.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import NamedTuple

from feedserver.errors import ServerBusyError

LOCK = "indexer.lock"

# Who finds the lock taken touches this file, to have its holder scan at once.
RESCAN_REQUEST = "rescan-request"


class Holder(NamedTuple):
    """Who holds the lock: its process, and the fingerprint of the plan that it carries out."""

    pid: int
    fingerprint: str


class IndexerLock:
    """The held lock. Release it with `release`, or by ending the process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, state_dir: Path) -> IndexerLock | None:
        """Take the lock of a state folder, or None if another process has it. Never waits.

        Raises:
            OSError: if the state folder is not there or cannot be written.
        """
        # Not inherited by children (PEP 446): a lock inherited by a pool outlived its holder (measured).
        descriptor = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        # What the last holder wrote says nothing of this one.
        os.ftruncate(descriptor, 0)
        return cls(descriptor)

    @classmethod
    def inherited(cls, descriptor: int) -> IndexerLock:
        """The lock that a parent took and handed over as an open file."""
        os.set_inheritable(descriptor, False)
        return cls(descriptor)

    def sign(self, fingerprint: str) -> None:
        """Write down who holds the lock."""
        content = json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, content, 0)

    def release(self) -> None:
        """Give the lock up in this process; a child that it was handed to keeps it."""
        os.close(self.descriptor)


def holder(state_dir: Path) -> Holder | None:
    """Who holds the lock of a state folder now, or None if it is free or not signed yet."""
    free = IndexerLock.acquire(state_dir) if (state_dir / LOCK).exists() else None
    if free is not None:
        free.release()
        return None
    try:
        content = json.loads((state_dir / LOCK).read_text(encoding="utf-8"))
        return Holder(pid=content["pid"], fingerprint=content["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


class StateClaim:
    """What the servers of one state folder have in common: what they publish of it.

    Two servers that differ in it would overwrite each other's ETags in the memory. Each holds a shared
    OS lock on a file that tells its fingerprint; only who holds it alone may write another one. The
    kernel frees the lock when the last process of a server ends, however it ends. A context manager.
    """

    NAME = "servers.lock"

    def __init__(self, state_dir: Path, fingerprint: str) -> None:
        """Join the servers of a state folder.

        Raises:
            ServerBusyError: if servers with another fingerprint are running.
        """
        self._descriptor = os.open(state_dir / self.NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()} {fingerprint}".encode(), 0)
        except BlockingIOError:
            pass
        # Waits while another server writes, which is no time at all.
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        pid, _, running = os.pread(self._descriptor, 200, 0).decode().partition(" ")
        if running != fingerprint:
            os.close(self._descriptor)
            raise ServerBusyError(
                f"{state_dir}: is in use by the server with process id {pid}, which runs with other"
                " folders or settings; stop it, or name another state folder with --state-dir"
            )

    def __enter__(self) -> StateClaim:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
