"""The authors of an entry, for every format.

In a feed of many providers each entry names its author: most readers show the authors of an entry, and few
show its source.
"""

from __future__ import annotations

from feedserver.model import Entry, Person


def authors_of(entry: Entry) -> tuple[Person, ...]:
    """The authors; else the provider of a republished article, which is not by the authors of the feed."""
    article = entry.article
    if article.authors or not (entry.source and article.provider):
        return article.authors
    return (Person(name=article.provider.name),)
