"""Whom an entry is by, in every format.

A feed of many providers answers "who wrote it?" with a name at each entry: most readers show the authors
of an entry, few of them its source.
"""

from __future__ import annotations

from feedserver.model import Entry, Person


def authors_of(entry: Entry) -> tuple[Person, ...]:
    """The authors; else the provider of a republished article, which is not by the feed's authors."""
    article = entry.article
    if article.authors or not (entry.source and article.provider):
        return article.authors
    return (Person(name=article.provider.name),)
