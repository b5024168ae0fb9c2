"""The cache in a folder: cachelib's file cache, bounded by bytes.

A process scans the whole folder after it has written a small share of the free bytes below the limit (promise
8). So processes need not tell each other how much they wrote, and a crash leaves nothing to repair: the files
themselves say how much there is. Does not know what the values are.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cachelib import FileSystemCache

_ABANDONED: Final = 3600  # seconds after which a temporary file is abandoned
_EXPIRY: Final = struct.Struct("I")  # cachelib writes it before the value in a file
_VALUE_NAME = re.compile(r"[0-9a-f]{64}")
_TEMPORARY_NAME = re.compile(r"tmp.+\.__wz_cache")

_BLOCK: Final = 4096  # bytes; the least that a file takes on ext4, XFS and Btrfs
# The oldest values are removed down to this share of the limit, so that this is not needed at every write.
_KEPT_SHARE: Final = 3 / 4
# A process scans again after it has written this share of the free bytes. So the limit holds for sixteen
# processes that write at the same time without knowing of each other.
_LOOK_SHARE: Final = 1 / 16


class _File(NamedTuple):
    """A file of the cache. `age` in seconds, `size` in bytes on the disk."""

    age: float
    size: int
    path: str
    is_value: bool


class FolderCache(FileSystemCache):
    """cachelib's file cache, with its file names and layout, but with other rules for failures and limits.

    cachelib retries a PermissionError for up to 16 s, logs a traceback per call through the root
    logger, leaves the temporary file of a failed `set`, and with `threshold=0` removes nothing, while
    any other threshold rests on a count that processes write without a lock (cachelib issue 19).

    Uses private names of cachelib 0.17. If another version renames or changes them, values cannot be found or
    written; `tests/test_cachelib_internals.py` notices.

    Args:
        folder: of the cache alone.
        max_age: seconds after which a value is removed.
        max_size: bytes on the disk beyond which the values that were written first are removed.
    """

    def __init__(self, folder: Path, max_age: int, max_size: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(str(folder), threshold=0, default_timeout=max_age, hash_method=hashlib.sha256)
        self._max_age = max_age
        self._max_size = max_size
        self._unseen = 0  # bytes to write before the next scan; a race of threads costs a scan

    def get(self, key: str) -> bytes | None:
        """The value; None if there is none, or it expired, or was cut off. Raises OSError."""
        try:
            # A link or pipe that another program put there must not be followed or waited for.
            descriptor = os.open(
                self._get_filename(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > self._max_size:
                return None
            content = file.read()
        # A machine that crashed leaves empty files, because no value is worth an fsync.
        if len(content) < _EXPIRY.size or _EXPIRY.unpack_from(content)[0] < time.time():
            return None
        return content[_EXPIRY.size :]

    def set(
        self, key: str, value: bytes, timeout: int | timedelta | None = None, mgmt_element: bool = False
    ) -> bool:
        """Write a temporary file and rename it, so that no reader sees half a value. Raises OSError."""
        # The operator may have removed the folder to empty it.
        Path(self._path).mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=self._fs_transaction_suffix, dir=self._path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_EXPIRY.pack(self._normalize_timeout(timeout)) + value)
            Path(temporary).replace(self._get_filename(key))
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._unseen -= _on_disk(len(value))
        if self._unseen < 0:
            self.sweep(time.time())
        return True

    def sweep(self, now: float) -> int:
        """Remove expired values and abandoned temporary files, and the oldest values beyond the limit.

        Only files with a name of the cache are touched, because a URL may name a wrong folder.

        Returns:
            The number of files removed. Raises OSError.
        """
        files = sorted(self._files(now), reverse=True)  # the oldest first
        total, removed = sum(one.size for one in files), 0
        for one in files:
            is_expired = one.age > (self._max_age if one.is_value else _ABANDONED)
            if is_expired or (one.is_value and total > self._max_size * _KEPT_SHARE):
                removed += _remove(one.path)
                total -= one.size
        self._unseen = int((self._max_size - total) * _LOOK_SHARE)
        return removed

    def _files(self, now: float) -> Iterator[_File]:
        """The files with a name of the cache."""
        with os.scandir(self._path) as entries:
            for entry in entries:
                is_value = _VALUE_NAME.fullmatch(entry.name) is not None
                if not is_value and not _TEMPORARY_NAME.fullmatch(entry.name):
                    continue
                with suppress(FileNotFoundError):  # another process removed it
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        continue
                    # In both directions: a clock that was ahead for a moment must not leave a file for ever.
                    yield _File(abs(now - status.st_mtime), _on_disk(status.st_size), entry.path, is_value)


def _on_disk(size: int) -> int:
    """The bytes that a file of this size takes on the disk."""
    return -(-size // _BLOCK) * _BLOCK


def _remove(path: str) -> bool:
    """Remove a file; whether this process did it, and no other one."""
    try:
        os.unlink(path)  # noqa: PTH108  no Path for each of many files
    except FileNotFoundError:
        return False
    return True
