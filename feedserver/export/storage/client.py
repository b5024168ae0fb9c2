"""A place in object storage: reads, conditional writes, and many uploads at a time.

obstore speaks to the store, retries failed requests and signs them; every error becomes one sentence here.
Knows nothing of exports. Names are below the prefix of the address.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import boto3
import obstore
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from feedserver.errors import StorageError
from feedserver.export.storage.addresses import S3, scheme_of

if TYPE_CHECKING:  # obstore has these names for type checkers only
    from obstore import PutMode
    from obstore import UpdateVersion as Version

# It tells at each look where it found credentials.
logging.getLogger("botocore").setLevel(logging.WARNING)

# Requests at a time, of one process. A request waits for the store most of its time.
CONCURRENCY: Final = 16

# Failed requests are tried again at growing intervals, 10 times at most, which is the default of obstore; but
# no longer than this, so that an export ends when its lease would.
_RETRIED_FOR: Final = timedelta(seconds=45)

# DeleteObjects takes up to 1,000 keys.
_KEYS_AT_A_TIME: Final = 1000

# Of objects that are no documents.
_NOT_CACHED: Final = {"Cache-Control": "no-store"}

_LONGEST_REASON: Final = 300

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
# A URL may be signed in its query string.
_QUERY = re.compile(r"\?\S+")
_NO_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")


class Found(NamedTuple):
    """An object as it was read."""

    body: bytes
    version: Version


class StorageClient:
    """A place in object storage. For several threads.

    Args:
        address: as `addresses.checked` returns it.
        is_anew: whether to look for credentials again, which a process does once else.

    Raises:
        StorageError: on construction, if there are no credentials; by every method, if a request fails for
            good.
    """

    def __init__(self, address: str, *, is_anew: bool = False) -> None:
        if is_anew:
            _opened.cache_clear()
        self.address = address
        self._store = _opened(address)
        self._threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="storage")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def read(self, name: str) -> Found | None:
        """An object; None if there is none."""
        with _sentences(self.address):
            try:
                result = obstore.get(self._store, name)
            except FileNotFoundError:
                return None
            return Found(bytes(result.bytes()), _version(result.meta["e_tag"], result.meta["version"]))

    def read_all(self, names: Iterable[str]) -> list[Found | None]:
        """Several objects, in the order of their names."""
        return list(self._threads.map(self.read, names))

    def names(self, folder: str) -> list[str]:
        """The names of all objects in a folder and below it."""
        with _sentences(self.address):
            return [one["path"] for some in obstore.list(self._store, folder) for one in some]

    def is_empty(self) -> bool:
        """Whether there is no object at all."""
        with _sentences(self.address):
            return not any(some for some in obstore.list(self._store, chunk_size=1))

    def write(self, name: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Write an object with its headers, whatever is there; without headers, one that no cache keeps."""
        with _sentences(self.address):
            obstore.put(self._store, name, body, attributes=dict(headers or _NOT_CACHED))

    def write_all(self, objects: Iterable[tuple[str, bytes, Mapping[str, str]]]) -> None:
        """Write objects, some at a time."""
        for _ in self._threads.map(lambda one: self.write(*one), objects):
            pass

    def replace(self, name: str, body: bytes, version: Version | None) -> Version | None:
        """Write an object in place of a version of it, or of none; None if there is another one."""
        with _sentences(self.address):
            try:
                mode: PutMode = "create" if version is None else version
                result = obstore.put(self._store, name, body, attributes=_NOT_CACHED, mode=mode)
            except (AlreadyExistsError, PreconditionError):
                return None
            return _version(result["e_tag"], result["version"])

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects, if they are there."""
        for begin in range(0, len(names), _KEYS_AT_A_TIME):
            some = list(names[begin : begin + _KEYS_AT_A_TIME])
            with _sentences(self.address):
                try:
                    obstore.delete(self._store, some)
                except FileNotFoundError:  # of Google and Azure; the others were perhaps not removed
                    for _ in self._threads.map(self._remove_one, some):
                        pass

    def _remove_one(self, name: str) -> None:
        with _sentences(self.address), suppress(FileNotFoundError):
            obstore.delete(self._store, name)


@lru_cache(maxsize=4)
def _opened(address: str) -> ObjectStore:
    with _sentences(address):
        if scheme_of(address) != S3:
            return from_url(address, retry_config={"retry_timeout": _RETRIED_FOR})
        # obstore reads the environment and asks the machine; the files and single sign-on of AWS are boto3's.
        session = boto3.Session()
        if session.get_credentials() is None:
            raise StorageError(address, "no credentials for S3 were found: see docs/guides/object-storage.md")
        provider = Boto3CredentialProvider(session)
        return from_url(address, credential_provider=provider, retry_config={"retry_timeout": _RETRIED_FOR})


def _version(e_tag: str | None, version: str | None) -> Version:
    found: Version = {}
    if e_tag is not None:
        found["e_tag"] = e_tag
    if version is not None:
        found["version"] = version
    return found


@contextmanager
def _sentences(address: str) -> Iterator[None]:
    """Make an error of the store a sentence about an address."""
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise StorageError(address, _reason(error)) from error


def _reason(error: Exception) -> str:
    text = str(error)
    if any(sign in text for sign in _NO_BUCKET):
        return "there is no such bucket"
    code, status = _CODE.search(text), _STATUS.search(text)
    name = code[1] if code else status[1] if status else type(error).__name__
    is_denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
    if is_denied or (status and status[1] in ("401", "403")):
        return f"access was denied ({name}): check the credentials and the rights that they have"
    line = _QUERY.sub("", text.splitlines()[0].partition(": <?xml")[0])[:_LONGEST_REASON] if text else ""
    return f"cannot be used ({name}): {line}"
