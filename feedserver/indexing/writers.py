"""Tells whether a program has a file open for writing, if the system can tell.

Linux grants a read lease on a file only if no process has it open for writing (fcntl(2), F_SETLEASE). The
lease is requested and released at once. It requires the owner of the file or the capability CAP_LEASE, and a
file system that supports it; otherwise the answer is unknown. Reads nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from pathlib import Path

from feedserver.index.file_values import Stamp
from feedserver.indexing.settling import OpenForWriting


def writer_of(root: str | Path, path: str, stamp: Stamp) -> OpenForWriting:
    """Whether a file is being written.

    Args:
        root: the folder of articles.
        path: of a regular file, or of a link to one, below it.
        stamp: of the file when it was read. If it has another one now, it is being written.
    """
    try:
        handle = os.open(f"{root}/{path}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return OpenForWriting.SOME  # it was there a moment ago
    try:
        found = Stamp.of(os.fstat(handle))
        if (found.mtime_ns, found.size, found.inode) != (stamp.mtime_ns, stamp.size, stamp.inode):
            return OpenForWriting.SOME
        return _lease(handle)
    finally:
        os.close(handle)


def _lease(handle: int) -> OpenForWriting:
    if not hasattr(fcntl, "F_SETLEASE"):  # not Linux
        return OpenForWriting.UNKNOWN
    try:
        # If a program opens the file meanwhile, the kernel sends a signal: SIGIO by default, which would end
        # this process. SIGURG is ignored by default.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return OpenForWriting.SOME if error.errno == errno.EAGAIN else OpenForWriting.UNKNOWN
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return OpenForWriting.NONE
