"""Bytes -> validators and codings: what a response needs to know of a document, decided by its bytes.

Keeps promises 2 and 3: the ETag is the digest of the identity bytes, codings are made from them
without a clock, and Last-Modified never goes back and moves whenever the ETag moves. Pure: it knows
no web framework, reads no clock, sets no header and compares no conditional request (that is
Werkzeug's business, in `web`). Accept-Encoding is read here and not by Werkzeug, whose `best_match`
knows no rule for `identity` and takes a malformed weight for 0. Brotli is had where its package is
installed; gzip always.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

try:
    import brotli
except ImportError:  # the extra `feedserver[brotli]`
    brotli = None

IDENTITY: Final = "identity"
# Below this, headers and dictionaries eat most of the gain, and the answer is one packet anyway.
_LEAST_CODED_BYTES: Final = 500
# Above these levels a feed gets hardly smaller, and its first reader waits longer (docs/measurements.md).
_GZIP_LEVEL: Final = 6
_BROTLI_QUALITY: Final = 5

_ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    **({} if brotli is None else {"br": partial(brotli.compress, quality=_BROTLI_QUALITY)}),
    "gzip": partial(gzip.compress, compresslevel=_GZIP_LEVEL, mtime=0),
}
_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    **({} if brotli is None else {"br": brotli.decompress}),
    "gzip": gzip.decompress,
}
# The codings that can be had here, best first.
CODINGS: Final[tuple[str, ...]] = tuple(_ENCODERS)

_ALIASES: Final = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 section 8.4.1
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]*)?|1(?:\.0*)?)")  # RFC 9110 section 12.4.2, any number of digits


@dataclass(frozen=True)
class Representation:
    """One document as it is served: everything that a 200 or 304 needs.

    `etag` is the bare digest of `body`, without quotes and without a suffix for the coding; `size` counts its
    bytes.
    `last_modified` is a whole second in UTC, or None for documents that have no such memory.
    """

    plain: InitVar[bytes]
    media_type: str
    etag: str
    last_modified: datetime | None = None

    size: int = field(init=False, compare=False)
    # By coding; None of one that does not pay. The body is one of them, until `pack` lets go of it.
    _forms: dict[str, bytes | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self, plain: bytes) -> None:
        object.__setattr__(self, "size", len(plain))
        self._forms[IDENTITY] = plain

    @property
    def body(self) -> bytes:
        """The document itself; unpacked, and held again, if it was packed."""
        body = self._forms.get(IDENTITY)
        if body is None:
            body = self._forms[IDENTITY] = self._unpacked()
        return body

    def coded(self, coding: str) -> bytes | None:
        """The body in one of `CODINGS`, made on first demand and kept; None when that would not pay.

        Threads that come at once at worst make the same bytes twice.
        """
        if coding not in self._forms:
            self._forms[coding] = self._encoded(coding)
        return self._forms[coding]

    def pack(self) -> bool:
        """Hold the body no more but in the codings that were made of it; False if that changes nothing.

        None is made for that: gzip takes longer than to have the document from the cache again.
        """
        if not any(self._forms.get(coding) for coding in CODINGS):
            return False
        return self._forms.pop(IDENTITY, None) is not None

    @property
    def held_bytes(self) -> int:
        """How many bytes are held, in all forms."""
        return sum(len(self._forms.get(form) or b"") for form in (IDENTITY, *CODINGS))

    def _unpacked(self) -> bytes:
        packed = ((coding, self._forms.get(coding)) for coding in CODINGS)
        return next((_DECODERS[coding](form) for coding, form in packed if form), b"")

    def _encoded(self, coding: str) -> bytes | None:
        body = self.body
        if len(body) < _LEAST_CODED_BYTES:
            return None
        packed = _ENCODERS[coding](body)
        return packed if len(packed) < len(body) else None


def digest(body: bytes) -> str:
    """The digest that names a body: 128 bits of BLAKE2b as 32 hexadecimal digits."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def last_modified_after(now: datetime, previous: datetime | None) -> datetime:
    """The Last-Modified of a document first seen `now`, whose predecessor had `previous`.

    HTTP dates have whole seconds. Rounded up, so that a client which got the predecessor within
    the second in which the change came cannot hold a date as late as this one; and later than the
    predecessor's by a second at least, so that no two documents of an address share one.

    Args:
        now: an aware time.
        previous: an aware time, or None for the first document of an address.
    """
    earliest = now if previous is None else max(now, previous + timedelta(seconds=1))
    whole = earliest.astimezone(UTC).replace(microsecond=0)
    return whole if whole == earliest else whole + timedelta(seconds=1)


def choose_coding(accept_encoding: str | None, available: Sequence[str]) -> str:
    """The content coding to answer with, by RFC 9110 section 12.5.3.

    The acceptable coding with the highest weight wins; equal weights go to the earlier one in
    `available`, identity last. A coding that is not listed gets the weight of `*`; without `*`
    identity is acceptable, but after all that are listed. A malformed member is as if absent; of a
    coding listed twice the lower weight counts. When nothing is acceptable the answer is identity
    nevertheless, which the RFC leaves to the server: a feed in plain is better than an error.

    Args:
        accept_encoding: the field value, or None when the request has no such field.
        available: codings in lower case that the document can be had in, best first.

    Returns:
        One of `available`, or "identity".
    """
    weights: dict[str, float] = {}
    for coding, weight in _members(accept_encoding or ""):
        weights[coding] = min(weight, weights.get(coding, 1.0))
    others = weights.get("*", 0.0)
    best, best_weight = IDENTITY, weights.get(IDENTITY, others)
    for coding in reversed(available):
        weight = weights.get(coding, others)
        if coding != IDENTITY and weight > 0 and weight >= best_weight:
            best, best_weight = coding, weight
    return best


def _members(field: str) -> Iterator[tuple[str, float]]:
    for member in field.split(","):
        coding, *parameters = (part.strip(" \t").lower() for part in member.split(";"))
        weights = [value for name, _, value in (part.partition("=") for part in parameters) if name == "q"]
        if coding and all(_WEIGHT.fullmatch(weight) for weight in weights):
            yield _ALIASES.get(coding, coding), float(weights[0]) if weights else 1.0
