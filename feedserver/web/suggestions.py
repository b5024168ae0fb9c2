"""Proposals for a name that does not exist: the listings whose slugs are closest.

Looks at a bounded number of listings, those that begin alike and the largest, so that a wrong
address costs the same however many topics there are (promise 9).
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from feedserver.articles.slugs import slugify
from feedserver.index.reader import IndexReader
from feedserver.model import Kind, ListingSummary

MOST = 5
CONSIDERED = 200

# Of 100; below it the proposals for a mistyped topic were mostly noise.
LEAST_SCORE = 60.0


def closest(reader: IndexReader, kinds: Sequence[Kind], name: str) -> list[ListingSummary]:
    """The listings of the given kinds with names closest to `name`, best first."""
    slug = slugify(name)
    found: dict[str, ListingSummary] = {}
    for kind in kinds:
        for summary in reader.similar(kind, slug[:2], CONSIDERED):
            found[summary.key.address] = summary
    names = {address: _words(summary.key.slug) for address, summary in found.items()}
    ranked = process.extract(_words(slug), names, scorer=fuzz.WRatio, limit=MOST, score_cutoff=LEAST_SCORE)
    return [found[address] for _, _, address in ranked]


def _words(slug: str) -> str:
    """A slug as the words that it is made of, whose order then matters less."""
    return slug.replace("-", " ")
