"""Names to slugs: the identity of topics, providers and categories.

A slug must never change, because addresses and listing ids are made of it (promise 4). So everything
here is a frozen table: text-unidecode, whose only release is pinned, and code point ranges instead of
the interpreter's Unicode character classes, which grow with every Python version. `tests/golden/slugs.txt`
holds what must stay.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from text_unidecode import unidecode

MAX_LENGTH = 80  # of a whole slug, the six digits included, so that a slug is its own slug
_DIGITS = 6

# Apostrophes, and the accents, primes and letters (of Hawaiian, for example) that are typed for them.
_APOSTROPHES = re.compile("['`\u00b4\u2018\u2019\u201b\u2032\u02b9\u02bb\u02bc\u02bd\u02c8\uff07]")
_HASHTAG = re.compile(r"(?<![^\s(\[,;/])#(?=[^\s#])")
_WORD = r"[A-Za-z0-9\u00c0-\u024f\u1e00-\u1eff]"
_SHARP = re.compile(rf"(?<={_WORD})#")
_LEADING_DOT = re.compile(rf"(?<![^\s(\[,;/])\.(?={_WORD})")
_SEPARATORS = re.compile("[^a-z0-9]+")

# Outside Latin: from Greek on, except the blocks of Latin extensions, punctuation, symbols and emoji.
# A range is a decision for ever, also for code points that Unicode has not assigned yet.
_OUTSIDE_LATIN = re.compile(
    "[\u0370-\u1dbf\u1f00-\u1fff\u2c00-\u2c5f\u2c80-\u2dff\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    "\u3040-\ua6ff\ua800-\uab2f\uab70-\ud7ff\uf900-\ufaff\ufb13-\ufdff\ufe70-\ufefe\uff66-\uffdc"
    "\U00010000-\U0001cfff\U0001e000-\U0001efff\U00020000-\U0003ffff]"
)
_LABEL = re.compile("[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

# Articles repeat the names of their topics and providers, so the readers of articles use `cached_slug` and
# `cached_domain_slug`. Long names are rare there and are not cached, so the bytes are bounded too. Requests
# use `slugify` and `domain_slug`, which keep nothing: clients send any number of names, of any length.
_CACHED_NAMES = 32_768
_LONGEST_CACHED = 100


def slugify(name: str) -> str:
    """The slug of a name: matches `[a-z0-9]+(-[a-z0-9]+)*` and has at most 80 characters.

    `C++`, `C#`, `.NET` and `R&D` are spelled out and apostrophes vanish. Where the transliteration
    loses identity (letters outside Latin, nothing left, cut at 80) six hex digits of the digest of
    the name's NFKC-casefolded form follow it. A name in any letter case, composed or decomposed, with or
    without the sign of a hashtag, has one slug.
    """
    # Apostrophes first: NFKC makes a space and an accent of some of them.
    plain = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", name))
    plain = _HASHTAG.sub("", " ".join(plain.split()))
    spelled = _SHARP.sub(" sharp ", _LEADING_DOT.sub("dot ", plain))
    spelled = spelled.replace("+", " plus ").replace("&", " and ")
    latin = _APOSTROPHES.sub("", unidecode(spelled)).lower()
    slug = _SEPARATORS.sub("-", latin).strip("-")
    if len(slug) <= MAX_LENGTH and slug and not _OUTSIDE_LATIN.search(plain):
        return slug
    return "-".join(filter(None, (_cut(slug), _digits(plain))))


def _cut(slug: str) -> str:
    """The slug's whole words that leave room for the digits; the start of a single long word."""
    room = MAX_LENGTH - _DIGITS - 1
    if len(slug) <= room:
        return slug
    words, _, _ = slug[: room + 1].rpartition("-")
    return words or slug[:room]


def _digits(plain: str) -> str:
    folded = unicodedata.normalize("NFKC", plain.casefold())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=_DIGITS // 2).hexdigest()


def domain_slug(domain: str) -> str:
    """The domain in lower case and ASCII, without a final dot; '' if it is not one with a dot in it.

    Slugs of names hold no dot and domains do, so that both can share one folder of addresses.
    """
    host = domain.strip().rstrip(".").lower()
    if len(host) > 253:  # RFC 1035 section 2.3.4
        return ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        return ""
    return host


def cached_slug(name: str) -> str:
    """`slugify` for names in articles."""
    return _cached_slug(name) if len(name) <= _LONGEST_CACHED else slugify(name)


def cached_domain_slug(domain: str) -> str:
    """`domain_slug` for domains in articles."""
    return _cached_domain_slug(domain) if len(domain) <= _LONGEST_CACHED else domain_slug(domain)


_cached_slug = lru_cache(_CACHED_NAMES)(slugify)
_cached_domain_slug = lru_cache(_CACHED_NAMES)(domain_slug)
