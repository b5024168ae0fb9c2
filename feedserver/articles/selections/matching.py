"""Decides whether one article meets a condition, for saved feeds: when its file is read.

Pure. Means the same as the queries that `index` compiles conditions to; a test compares the two. The time is
no part of a condition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from feedserver.articles.selections.values import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    Criteria,
    InAny,
    NoneOf,
    Phrase,
    Rank,
    Says,
    Sort,
    Words,
)
from feedserver.model import ListingKey


class ArticleFacts(NamedTuple):
    """The facts of an article that conditions test: its listings, its ranks, the words of each field."""

    listings: Collection[ListingKey]
    ranks: Mapping[Rank, int]
    fields: tuple[str, ...] = ()


def meets(condition: Condition, facts: ArticleFacts) -> bool:
    """Whether an article meets a condition."""
    match condition:
        case InAny(listings=listings):
            return any(key in facts.listings for key in listings)
        case Says(words=words):
            return _says(words, facts.fields)
        case AtLeast(rank=rank, number=number):
            return facts.ranks[rank] >= number
        case AllOf(parts=parts):
            return all(meets(part, facts) for part in parts)
        case AnyOf(parts=parts):
            return any(meets(part, facts) for part in parts)
        case NoneOf(parts=parts):
            return not any(meets(part, facts) for part in parts)


def asks_for_words(condition: Condition) -> bool:
    """Whether a condition depends on what an article says."""
    match condition:
        case Says():
            return True
        case AllOf(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            return any(map(asks_for_words, parts))
        case _:
            return False


def depends_on_ranks(criteria: Criteria) -> bool:
    """Whether a selection depends on the ranks of articles, which no digest shows."""
    return criteria.fold or criteria.sort in (Sort.HEAT, Sort.QUALITY) or _asks_for_ranks(criteria.condition)


def listings_named(condition: Condition) -> Iterator[ListingKey]:
    """The listings that a condition names."""
    match condition:
        case InAny(listings=listings):
            yield from listings
        case AllOf(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            for part in parts:
                yield from listings_named(part)


def _asks_for_ranks(condition: Condition) -> bool:
    match condition:
        case AtLeast():
            return True
        case AllOf(parts=parts) | AnyOf(parts=parts) | NoneOf(parts=parts):
            return any(map(_asks_for_ranks, parts))
        case _:
            return False


def _says(words: Words, fields: Collection[str]) -> bool:
    texts = [f" {field} " for field in fields]
    return all(any(_has(phrase, texts) for phrase in group) for group in words.groups) and not any(
        _has(phrase, texts) for phrase in words.without
    )


def _has(phrase: Phrase, texts: Collection[str]) -> bool:
    wanted = f" {' '.join(phrase.words)}" + ("" if phrase.is_prefix else " ")
    return any(wanted in text for text in texts)
