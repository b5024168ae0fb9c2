"""Finds keys that are not read and look like keys that are: `publised`, `dtae`, `Titel`, `publish_date`.

Trust is the aim: a key that is a word of its own is never reported, even if a known key is near.
Reads no files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from feedserver.articles.field_keys import KEYS, MoreKeys, keys_of_fields
from feedserver.articles.visibility_keys import HiddenIf, roles_of, visibility_key

# Keys that are read without being in a table: of pages, taxonomy files and media.
_FURTHER = ("slug", "permalink", "path", "taxonomy", "domain", "parent", "keywords")

# Words of their own that are near a known key: those of site generators, and of English.
_OWN_WORDS = frozenset(
    {
        *("action", "collections", "connection", "contents", "context", "contest", "correction", "data"),
        *("except", "head", "header", "heading", "headline", "languages", "local", "locales", "passport"),
        *("publisher", "states", "titles", "updates"),
    }
)
# Shorter keys are near too many words. Of keys of this length, only changed and doubled letters are mistakes.
_SHORTEST = 4
# From this length on, two mistakes are admitted.
_LONG = 8


class MoreKnown(NamedTuple):
    """The keys that the rules of a root add to the known ones."""

    fields: MoreKeys = ()
    hiding: HiddenIf = ()


def look_alike(key: str, more: MoreKnown, present: Collection[str]) -> str:
    """The known key that was probably meant; '' if the key is known, or looks like none.

    `present` are the keys of the file in lower case: a key that is there as well was not misspelt.
    """
    meant = _meant(visibility_key(key), more)
    return "" if meant.lower() in present and _bare(meant) != _bare(key) else meant


@lru_cache(maxsize=4096)
def _meant(key: str, more: MoreKnown) -> str:
    known = _known_keys(more)
    if key in known or key in _OWN_WORDS or len(key) < _SHORTEST:
        return ""
    bare = _bare(key)
    for name, spelled in known.items():
        if _bare(name) == bare and len(name) >= _SHORTEST:
            return spelled
    best = min(known, key=lambda name: (_distance(key, name), name))
    is_near = _distance(key, best) <= (2 if min(len(key), len(best)) >= _LONG else 1)
    return known[best] if is_near else ""


@lru_cache(maxsize=16)
def _known_keys(more: MoreKnown) -> Mapping[str, str]:
    """The keys that are read, in lower case, each as it is usually written."""
    written = [key for keys in KEYS.values() for key in keys]
    added = [key for keys in keys_of_fields(more.fields).values() for key in keys]
    spelled = (*written, *added, *roles_of(more.hiding, more.fields), *_FURTHER)
    known: dict[str, str] = {}
    for key in spelled:
        outer = key.partition(".")[0]
        known.setdefault(outer.lower(), outer)
    return known


def _bare(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


def _distance(key: str, name: str) -> int:
    """How many mistakes make the one key of the other; many if that is no slip of a typist."""
    if len(name) < _SHORTEST:
        return len(key)
    if len(name) == _SHORTEST:
        is_slip = sorted(key) == sorted(name) or (len(key) > len(name) and set(key) == set(name))
        return OSA.distance(key, name) if is_slip else len(key)
    # The first letter is rarely wrong, except that it may have changed places with the second.
    is_begun = key[0] == name[0] or (key[1] == name[0] and key[0] == name[1])
    return OSA.distance(key, name) if is_begun else len(key)
