"""Reads a selection from the query of an address, and writes it in its one canonical form.

Pure: text in, criteria out, and back. Knows no listing that exists, no clock and no HTTP. An order of
parameters or values, a letter case, a spelling of a name, a repetition or a default makes no difference.
Parameters of other names are ignored, as trackers and cache busters add them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote_plus

from feedserver.articles.selections.values import (
    AllOf,
    AtLeast,
    Condition,
    Criteria,
    InAny,
    NoneOf,
    Rank,
    Says,
    Sort,
)
from feedserver.articles.selections.words import count_phrases, parse_words, words_text
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.errors import SelectionError
from feedserver.model import PUBLIC_KINDS, Kind, ListingKey

MOST_TERMS: Final = 20
MOST_CHARACTERS: Final = 200  # of `q`
MOST_ENTRIES: Final = 500
_MOST_DAYS: Final = 3_660
_MOST_DIGITS: Final = 9

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # the shape of RFC 5646 section 2.1
_AGE = re.compile(r"0*([1-9][0-9]{0,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_NUMBER = re.compile(rf"[+-]?[0-9]{{1,{_MOST_DIGITS}}}")
_YES = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False}

# The names of kinds in an address, in the order of the canonical form.
TERMS: Final[Mapping[str, Kind]] = {
    "topic": Kind.TOPIC,
    "provider": Kind.PROVIDER,
    "domain": Kind.DOMAIN,
    "category": Kind.CATEGORY,
    "type": Kind.TYPE,
    "language": Kind.LANGUAGE,
    "author": Kind.AUTHOR,
}
_NAMES_OF_KINDS = {kind: name for name, kind in TERMS.items()}
_NOT: Final = "not_"
_RANKS: Final = {f"min_{rank.value}": rank for rank in Rank}

# Parameters with one value.
SINGLE: Final = ("q", *_RANKS, "since", "sort", "limit", "fold")

# Every parameter, in the order of the canonical form.
PARAMETERS: Final = (*(name for term in TERMS for name in (term, f"{_NOT}{term}")), *SINGLE)
_NAMED = re.compile(rf"(?:^|&)(?:{'|'.join(PARAMETERS)})=", re.IGNORECASE)

# In a canonical form these stand as they are: browsers and forms leave them, too.
_SAFE: Final = ",:*-._~"


class SelectionRequest(NamedTuple):
    """A listing, and criteria that narrow it; those that narrow nothing stand for the listing itself.

    `is_saved`: the criteria are those that the settings give a saved feed, and no part of its address.
    """

    base: ListingKey
    criteria: Criteria = Criteria()
    is_saved: bool = False

    @property
    def query(self) -> str:
        """The canonical query; empty for the listing itself."""
        return "" if self.is_saved else canonical_query(self.criteria)


def may_select(query: str) -> bool:
    """Whether a query has a parameter of a selection; the others create nothing."""
    return "=" in query and _NAMED.search(query) is not None


def parse_request(
    base: ListingKey, query: str, default_limit: int, *, is_reduced: bool = True
) -> SelectionRequest:
    """The listing and the criteria that a path and a query mean, in their one form.

    Args:
        base: the listing of the path.
        query: of the address, percent-encoded, without its question mark.
        default_limit: entries of a feed that names no limit.
        is_reduced: whether criteria that are those of a listing become that listing.

    Raises:
        SelectionError: if a value means nothing, or the selection exceeds a bound.
    """
    stated = [(base,)] if base.kind in _NAMES_OF_KINDS else []
    criteria = parse_values(_values(query), default_limit, stated)
    return _reduced(base, criteria) if is_reduced else SelectionRequest(base, criteria)


def parse_values(
    values: Mapping[str, Sequence[str]],
    default_limit: int,
    stated: Iterable[tuple[ListingKey, ...]] = (),
) -> Criteria:
    """The criteria that parameters mean, in their one form.

    Args:
        values: of the parameters, by name; those of a list name several things, separated by commas.
        default_limit: entries of a feed that names no limit.
        stated: listings of each of which one is asked for, too.

    Raises:
        SelectionError: if a value means nothing, or the selection exceeds a bound.
    """
    conditions = _Conditions()
    conditions.groups |= set(stated)
    for name, kind in TERMS.items():
        for value in values.get(name, ()):
            conditions.add(_listings(name, kind, value))
        for value in values.get(f"{_NOT}{name}", ()):
            conditions.exclude(_listings(f"{_NOT}{name}", kind, value))
    single = {name: _only(name, values.get(name, ())) for name in SINGLE}
    condition = AllOf(parts=tuple(conditions.parts(single)))
    return Criteria(
        condition=condition,
        since=_since(single["since"]),
        sort=_sort(single["sort"], condition),
        limit=_limit(single["limit"], default_limit),
        fold=_fold(single["fold"]),
    )


def canonical_query(criteria: Criteria) -> str:
    """The query of criteria that an address can state; empty if they select everything as usual."""
    written: dict[str, list[str]] = defaultdict(list)
    for part in criteria.condition.parts:
        _write_condition(part, written)
    if criteria.since:
        written["since"].append(criteria.since)
    if criteria.sort is not Sort.PUBLISHED:
        written["sort"].append(criteria.sort.value)
    if criteria.limit is not None:
        written["limit"].append(str(criteria.limit))
    if criteria.fold:
        written["fold"].append("true")
    return "&".join(
        f"{name}={quote_plus(value, safe=_SAFE)}" for name in PARAMETERS for value in written[name]
    )


# --- Reading ------------------------------------------------------------------------------------


class _Conditions:
    """The conditions of an address, as they are collected."""

    def __init__(self) -> None:
        self.groups: set[tuple[ListingKey, ...]] = set()
        self.excluded: set[ListingKey] = set()

    def add(self, listings: set[ListingKey]) -> None:
        if listings:
            self.groups.add(tuple(sorted(listings, key=_in_order)))

    def exclude(self, listings: set[ListingKey]) -> None:
        self.excluded |= listings

    def parts(self, single: Mapping[str, str]) -> Iterator[Condition]:
        """The conditions in their one form."""
        groups = self._needed()
        words = parse_words(_searched(single["q"]))
        if sum(map(len, groups)) + len(self.excluded) + count_phrases(words) > MOST_TERMS:
            raise SelectionError("", "", f"a selection has at most {MOST_TERMS} terms")
        yield from (InAny(listings=group) for group in groups)
        if self.excluded:
            yield NoneOf(parts=(InAny(listings=tuple(sorted(self.excluded, key=_in_order))),))
        if words.groups or words.without:
            yield Says(words=words)
        elif single["q"]:
            raise SelectionError("q", single["q"], "has no letter or digit to search for")
        for name, rank in _RANKS.items():
            if single[name]:
                yield AtLeast(rank=rank, number=_number(name, single[name]))

    def _needed(self) -> list[tuple[ListingKey, ...]]:
        """The groups without excluded listings, and without groups that another one implies."""
        groups = {tuple(one for one in group if one not in self.excluded): group for group in self.groups}
        if () in groups:
            first = groups[()][0]
            name = _NAMES_OF_KINDS[first.kind]
            raise SelectionError(f"{_NOT}{name}", first.slug, f"excludes what {name} asks for")
        kept = [one for one in groups if not any(set(other) < set(one) for other in groups)]
        return sorted(kept, key=lambda group: [_in_order(key) for key in group])


def _in_order(key: ListingKey) -> tuple[int, str]:
    return list(TERMS.values()).index(key.kind), key.slug


def _values(query: str) -> defaultdict[str, list[str]]:
    """The values of the parameters of a selection, by their names; empty ones are left out, as forms send
    them."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(query, errors="surrogateescape"):
        known = name.lower()
        if known not in PARAMETERS:
            continue
        if not value.isprintable():
            # Lone surrogates among them: bytes that are not UTF-8.
            raise SelectionError(known, value, "must be text in UTF-8 without control characters")
        if value.strip():
            values[known].append(value.strip())
    return values


def _listings(name: str, kind: Kind, value: str) -> set[ListingKey]:
    """The listings that a value names, separated by commas."""
    names = [one.strip() for one in value.split(",")]
    return {_LISTING[kind](name, one) for one in names if one}


def _named(kind: Kind) -> Callable[[str, str], ListingKey]:
    def key(_name: str, value: str) -> ListingKey:
        return ListingKey(kind=kind, slug=slugify(value))

    return key


def _provider(_name: str, value: str) -> ListingKey:
    domain = domain_slug(value)
    return ListingKey(kind=Kind.DOMAIN, slug=domain) if domain else _named(Kind.PROVIDER)(_name, value)


def _domain(name: str, value: str) -> ListingKey:
    domain = domain_slug(value)
    if not domain:
        raise SelectionError(name, value, "must be a domain such as example.com")
    return ListingKey(kind=Kind.DOMAIN, slug=domain)


def _language(name: str, value: str) -> ListingKey:
    if not _LANGUAGE.fullmatch(value):
        raise SelectionError(name, value, "must be a language tag such as en or pt-BR")
    return ListingKey(kind=Kind.LANGUAGE, slug=value.lower())


_LISTING: Mapping[Kind, Callable[[str, str], ListingKey]] = {
    Kind.TOPIC: _named(Kind.TOPIC),
    Kind.PROVIDER: _provider,
    Kind.DOMAIN: _domain,
    Kind.CATEGORY: _named(Kind.CATEGORY),
    Kind.TYPE: _named(Kind.TYPE),
    Kind.LANGUAGE: _language,
    Kind.AUTHOR: _named(Kind.AUTHOR),
}


def _only(name: str, values: Iterable[str]) -> str:
    """The one value of a parameter that has no list; searches are joined."""
    different = dict.fromkeys(values)
    if name == "q":
        return " ".join(different)
    if len(different) > 1:
        raise SelectionError(name, ", ".join(different), "is given several times with different values")
    return next(iter(different), "")


def _searched(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise SelectionError("q", text, f"must have at most {MOST_CHARACTERS} characters")
    return text


def _number(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise SelectionError(name, value, f"must be a whole number of at most {_MOST_DIGITS} digits")
    return int(value)


def _limit(value: str, default: int) -> int | None:
    if not value:
        return None
    number = int(value) if _NUMBER.fullmatch(value) else 0
    if not 1 <= number <= MOST_ENTRIES:
        raise SelectionError("limit", value, f"must be a whole number from 1 to {MOST_ENTRIES}")
    return None if number == default else number


def parse_since(value: str) -> str:
    """An age or a date in its one form, such as `7d` for `168h`. Raises SelectionError."""
    age = _AGE.fullmatch(value.lower())
    if age:
        hours = int(age[1]) * _HOURS[age[2]]
        if hours <= _MOST_DAYS * 24:
            return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"
    elif re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise SelectionError(
        "since", value, f"must be an age such as 24h, 7d or 4w (at most {_MOST_DAYS}d) or a date: 2024-05-31"
    )


def _since(value: str) -> str:
    return parse_since(value) if value else ""


def _sort(value: str, condition: AllOf) -> Sort:
    if not value:
        return Sort.PUBLISHED
    try:
        sort = Sort(value.lower())
    except ValueError:
        raise SelectionError("sort", value, f"must be one of {', '.join(Sort)}") from None
    if sort is Sort.RELEVANCE and not any(
        isinstance(part, Says) and part.words.groups for part in condition.parts
    ):
        raise SelectionError("sort", value, "needs words to search for in q")
    return sort


def _fold(value: str) -> bool:
    if not value:
        return False
    if value.lower() not in _YES:
        raise SelectionError("fold", value, "must be true or false")
    return _YES[value.lower()]


# --- The one form -------------------------------------------------------------------------------


def _reduced(base: ListingKey, criteria: Criteria) -> SelectionRequest:
    """The request with all conditions of one kind in its query, or none if they are those of a listing."""
    parts = criteria.condition.parts
    if base.kind is Kind.FEED:
        return SelectionRequest(base, criteria)
    if not criteria.has_view and len(parts) == 1 and isinstance(parts[0], InAny):
        listings = parts[0].listings
        if len(listings) == 1 and listings[0].kind in PUBLIC_KINDS:
            return SelectionRequest(listings[0])
    return SelectionRequest(ListingKey(kind=Kind.ARTICLES), criteria)


def _write_condition(part: Condition, written: dict[str, list[str]]) -> None:
    if isinstance(part, InAny):
        _write_listings("", part, written)
    elif isinstance(part, NoneOf):
        for one in part.parts:
            if isinstance(one, InAny):
                _write_listings(_NOT, one, written)
    elif isinstance(part, Says):
        written["q"].append(words_text(part.words))
    elif isinstance(part, AtLeast):
        written[f"min_{part.rank.value}"].append(str(part.number))


def _write_listings(prefix: str, part: InAny, written: dict[str, list[str]]) -> None:
    """An either-or of one kind is one parameter; one of several kinds is that of its first listing."""
    slugs = ",".join(key.slug for key in part.listings)
    if prefix:
        by_kind: dict[Kind, list[str]] = defaultdict(list)
        for key in part.listings:
            by_kind[key.kind].append(key.slug)
        for kind, ones in by_kind.items():
            written[f"{_NOT}{_NAMES_OF_KINDS[kind]}"].append(",".join(ones))
    else:
        written[_NAMES_OF_KINDS[part.listings[0].kind]].append(slugs)
