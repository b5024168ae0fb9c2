"""The lease of an export on its place in object storage: one export writes there at a time.

The lease is an object that its holder writes anew every few seconds, by requests that succeed only if nobody
else has written it since (conditional writes). An export that finds it in foreign hands watches it: if it
changes, another export is at work; if it stays the same for longer than a holder would leave it, that one is
dead. So no clocks are compared. On one machine a locked file in the state folder tells at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from feedserver.errors import ExportError, StorageError
from feedserver.export.storage.client import StorageClient
from feedserver.export.target import OWN
from feedserver.system import private

if TYPE_CHECKING:
    from obstore import UpdateVersion as Version

NAME: Final = f"{OWN}/lease"
_TAKEN: Final = "another export is writing to it"


class LeaseTimes(msgspec.Struct, frozen=True):
    """Seconds: how long a lease holds, how often it is renewed, and how often a foreign one is looked at."""

    holds: float = 60.0
    renewed_every: float = 20.0
    looked_at_every: float = 2.0


class _Held(msgspec.Struct, frozen=True):
    """The content of the lease; `holder` is empty if it was given back. Each renewal has another number.

    It names no machine, because a bucket may be open to readers.
    """

    holder: str
    number: int = 0


class Lease:
    """The lease, acquired. It is renewed by a thread until `release`.

    Args:
        store: the place.
        state_dir: the state folder, which has the locked file.
        times: of the lease.

    Attributes:
        token: another one for each lease.

    Raises:
        ExportError: on construction, if another export has the lease.
        StorageError: on construction, if object storage cannot be used.
    """

    def __init__(self, store: StorageClient, state_dir: Path, times: LeaseTimes | None = None) -> None:
        self.token = secrets.token_hex(8)
        self._store = store
        self._times = times or LeaseTimes()
        self._number = 0
        self._is_lost = False
        self._ending = threading.Event()
        with ExitStack() as opened:
            self._file = _locked_file(store.address, state_dir)
            opened.callback(os.close, self._file)
            self._version = self._acquired(before=os.pread(self._file, 100, 0).decode())
            os.pwrite(self._file, self.token.encode(), 0)
            self._renewed_at = time.monotonic()
            self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
            self._thread.start()
            self._opened = opened.pop_all()

    def is_ours(self) -> bool:
        """Whether this process still has it."""
        return not self._is_lost and time.monotonic() - self._renewed_at < self._times.holds

    def check(self) -> None:
        """Raise StorageError if it was lost."""
        if not self.is_ours():
            raise StorageError(self._store.address, "the lease was lost: another export may have taken over")

    def release(self) -> None:
        """Give it back."""
        self._ending.set()
        self._thread.join()
        try:
            if self.is_ours():
                self._store.replace(NAME, msgspec.json.encode(_Held(holder="")), self._version)
        except StorageError:
            self._is_lost = True  # the next export finds out that it is not renewed any more
        finally:
            self._opened.close()

    def _content(self) -> bytes:
        self._number += 1
        return msgspec.json.encode(_Held(holder=self.token, number=self._number))

    def _acquired(self, before: str) -> Version:
        """The version of the lease when it is ours; `before` is the token of the last one of this machine.

        That one is not in use: its holder would have the file locked.
        """
        seen_at = time.monotonic()
        seen: bytes | None = None
        while True:
            found = self._store.read(NAME)
            if found is not None and found.body != seen:
                if seen is not None and _decoded(found.body).holder:
                    raise ExportError(self._store.address, _TAKEN)
                seen, seen_at = found.body, time.monotonic()
            is_free = found is None or _decoded(found.body).holder in ("", before)
            if is_free or time.monotonic() - seen_at > self._times.holds:
                version = self._store.replace(NAME, self._content(), found and found.version)
                if version is not None:
                    return version
            else:
                time.sleep(self._times.looked_at_every)

    def _renew(self) -> None:
        """Renew the lease, in a thread of its own, until it is given back or lost."""
        while not self._ending.wait(self._times.renewed_every) and not self._is_lost:
            begun = time.monotonic()
            try:
                version = self._store.replace(NAME, self._content(), self._version) or self._own_version()
            except StorageError:
                continue  # is_ours ends it when it is too old
            if version is None:
                self._is_lost = True
            else:
                self._version, self._renewed_at = version, begun

    def _own_version(self) -> Version | None:
        """The version that is there, if it is ours: a request that was repeated fails by its own success."""
        found = self._store.read(NAME)
        return found.version if found is not None and _decoded(found.body).holder == self.token else None


def _decoded(body: bytes) -> _Held:
    try:
        return msgspec.json.decode(body, type=_Held)
    except msgspec.DecodeError:
        return _Held(holder="unknown")


def _locked_file(address: str, state_dir: Path) -> int:
    name = hashlib.blake2b(address.encode(), digest_size=8).hexdigest()
    descriptor = private.open_file(state_dir / f"export-{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ExportError(address, _TAKEN) from None
    return descriptor
