"""The conditions of a selection, as values: what articles must be in, say and reach, and how they are shown.

Values without behaviour. A condition is a tree; an address states one level of it (`parameters`), the
settings any.
"""

from __future__ import annotations

from enum import StrEnum

from feedserver.model import ListingKey, Value


class Rank(StrEnum):
    """A number that an article file states and no feed shows."""

    QUALITY = "quality"
    HEAT = "heat"


class Sort(StrEnum):
    """An order of entries, the highest or newest first; ties are broken by publication, then by id."""

    PUBLISHED = "published"
    UPDATED = "updated"
    HEAT = "heat"
    QUALITY = "quality"
    RELEVANCE = "relevance"


class Phrase(Value, frozen=True):
    """Words that follow each other, as `words` folds them; of a prefix the last one may go on."""

    words: tuple[str, ...]
    is_prefix: bool = False


class Words(Value, frozen=True):
    """The words of a search: one phrase of each group is in the text, and none of `without`."""

    groups: tuple[tuple[Phrase, ...], ...] = ()
    without: tuple[Phrase, ...] = ()


class InAny(Value, frozen=True, tag="in"):
    """The article is in one of some listings."""

    listings: tuple[ListingKey, ...]


class Says(Value, frozen=True, tag="says"):
    """Title, excerpt or body match a search."""

    words: Words


class AtLeast(Value, frozen=True, tag="least"):
    """A rank reaches a number."""

    rank: Rank
    number: int


class AllOf(Value, frozen=True, tag="all"):
    """All parts hold; without parts, always."""

    parts: tuple[Condition, ...] = ()


class AnyOf(Value, frozen=True, tag="any"):
    """One of the parts holds; without parts, never."""

    parts: tuple[Condition, ...] = ()


class NoneOf(Value, frozen=True, tag="none"):
    """No part holds."""

    parts: tuple[Condition, ...] = ()


Condition = InAny | Says | AtLeast | AllOf | AnyOf | NoneOf


class Criteria(Value, frozen=True):
    """The articles of a selection, and how a document shows them.

    Attributes:
        condition: that each article meets.
        since: the articles published since then: `24h`, `7d` or `2024-05-31`; empty for all.
        sort: the order.
        limit: entries at most; None for as many as the settings say.
        fold: whether articles about one story are one entry.
    """

    condition: AllOf = AllOf()
    since: str = ""
    sort: Sort = Sort.PUBLISHED
    limit: int | None = None
    fold: bool = False

    @property
    def has_view(self) -> bool:
        """Whether it asks for more than the articles that meet the condition, in their usual order."""
        return self != Criteria(condition=self.condition)


class Selection(Value, frozen=True):
    """A feed that the settings define, served at `/feeds/<name>`."""

    name: str
    title: str
    description: str = ""
    criteria: Criteria = Criteria()


class ListingRules(Value, frozen=True):
    """The rules of a site by which an article is assigned to listings and indexed for the search.

    Attributes:
        feeds: that the settings define.
        language: of articles that name none.
        has_terms: whether articles are also in the listings that only ad hoc selections ask for.
        is_searched: whether the index has the words of articles.
    """

    feeds: tuple[Selection, ...] = ()
    language: str = ""
    has_terms: bool = False
    is_searched: bool = False
