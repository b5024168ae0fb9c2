"""From bytes to a representation: validators and content encodings, which the bytes alone decide.

Keeps promises 2 and 3: the ETag is the digest of the identity bytes, encodings are made from them without a
clock, and Last-Modified never goes back and moves whenever the ETag moves. Pure: it knows no web framework,
reads no clock, sets no header and compares no conditional request (Werkzeug does, in `web`). Accept-Encoding
is parsed here, because Werkzeug's `best_match` has no rule for `identity` and takes a malformed weight for 0.
gzip is always available, Brotli if its package is installed.
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
# Below this, headers and dictionaries take most of the gain, and the response is one packet anyway.
_LEAST_ENCODED_BYTES: Final = 500
# Above these levels a feed is hardly smaller, and the first request waits longer (docs/measurements.md).
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
# The available encodings, best first.
ENCODINGS: Final[tuple[str, ...]] = tuple(_ENCODERS)

_ALIASES: Final = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 section 8.4.1
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]*)?|1(?:\.0*)?)")  # RFC 9110 section 12.4.2, any number of digits


@dataclass(frozen=True)
class Representation:
    """One document as it is served: everything that a 200 or 304 needs.

    `etag` is the bare digest of `body`, without quotes and without a suffix for the encoding; `size` is the
    length of `body`.
    `last_modified` is a whole second in UTC, or None for a document without a recorded time of change.
    """

    plain: InitVar[bytes]
    media_type: str
    etag: str
    last_modified: datetime | None = None

    size: int = field(init=False, compare=False)
    # By encoding; None if one does not pay. The body is one of them, until `pack` removes it.
    _forms: dict[str, bytes | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self, plain: bytes) -> None:
        object.__setattr__(self, "size", len(plain))
        self._forms[IDENTITY] = plain

    @property
    def body(self) -> bytes:
        """The document itself. If it was packed, it is decompressed and held again."""
        body = self._forms.get(IDENTITY)
        if body is None:
            body = self._forms[IDENTITY] = self._unpacked()
        return body

    def encoded(self, encoding: str) -> bytes | None:
        """The body in one of `ENCODINGS`, made when it is first requested and kept; None if it would not pay.

        Two threads at the same time may at worst make the same bytes twice.
        """
        if encoding not in self._forms:
            self._forms[encoding] = self._encode(encoding)
        return self._forms[encoding]

    def pack(self) -> bool:
        """Drop the plain body, and keep the compressed forms that exist.

        Makes no compressed form: gzip takes longer than reading the document from the cache again.

        Returns:
            False if there is no compressed form; then the plain body is kept.
        """
        if not any(self._forms.get(encoding) for encoding in ENCODINGS):
            return False
        self._forms.pop(IDENTITY, None)
        return True

    @property
    def held_bytes(self) -> int:
        """The number of bytes that are held, in all forms."""
        return sum(len(self._forms.get(form) or b"") for form in (IDENTITY, *ENCODINGS))

    def _unpacked(self) -> bytes:
        packed = ((encoding, self._forms.get(encoding)) for encoding in ENCODINGS)
        return next((_DECODERS[encoding](form) for encoding, form in packed if form), b"")

    def _encode(self, encoding: str) -> bytes | None:
        body = self.body
        if len(body) < _LEAST_ENCODED_BYTES:
            return None
        packed = _ENCODERS[encoding](body)
        return packed if len(packed) < len(body) else None


def digest(body: bytes) -> str:
    """The digest of a body: 128 bits of BLAKE2b as 32 hexadecimal digits."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def last_modified_after(now: datetime, previous: datetime | None) -> datetime:
    """The Last-Modified of a document first seen `now`, whose predecessor had `previous`.

    HTTP dates have whole seconds. The date is rounded up, so that a client that got the predecessor within
    the second of the change cannot hold a date as late as this one. It is later than the predecessor's by a
    second at least, so that no two documents of an address share a date.

    Args:
        now: an aware time.
        previous: an aware time, or None for the first document of an address.
    """
    earliest = now if previous is None else max(now, previous + timedelta(seconds=1))
    whole = earliest.astimezone(UTC).replace(microsecond=0)
    return whole if whole == earliest else whole + timedelta(seconds=1)


def choose_encoding(accept_encoding: str | None, available: Sequence[str]) -> str:
    """The content encoding to answer with, by RFC 9110 section 12.5.3.

    The acceptable encoding with the highest weight wins; of equal weights, the earlier one in `available`,
    and identity last. An encoding that is not listed gets the weight of `*`. Without `*`, identity is
    acceptable, but after all that are listed. A malformed member is ignored. Of an encoding that is listed
    twice, the lower weight counts. If nothing is acceptable, the result is identity nevertheless, which the
    RFC leaves to the server: a plain feed is better than an error.

    Args:
        accept_encoding: the field value, or None when the request has no such field.
        available: the encodings of the document in lower case, best first.

    Returns:
        One of `available`, or "identity".
    """
    weights: dict[str, float] = {}
    for encoding, weight in _members(accept_encoding or ""):
        weights[encoding] = min(weight, weights.get(encoding, 1.0))
    others = weights.get("*", 0.0)
    best, best_weight = IDENTITY, weights.get(IDENTITY, others)
    for encoding in reversed(available):
        weight = weights.get(encoding, others)
        if encoding != IDENTITY and weight > 0 and weight >= best_weight:
            best, best_weight = encoding, weight
    return best


def _members(field: str) -> Iterator[tuple[str, float]]:
    for member in field.split(","):
        encoding, *parameters = (part.strip(" \t").lower() for part in member.split(";"))
        weights = [value for name, _, value in (part.partition("=") for part in parameters) if name == "q"]
        if encoding and all(_WEIGHT.fullmatch(weight) for weight in weights):
            yield _ALIASES.get(encoding, encoding), float(weights[0]) if weights else 1.0
