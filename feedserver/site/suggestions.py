"""Suggestions for a name that does not exist: the listings with the closest slugs.

Compares a bounded number of listings, those with the same beginning and the largest, so that a wrong address
costs the same for any number of topics (promise 9).
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz, process

from feedserver.articles.slugs import slugify
from feedserver.index.reader import IndexReader
from feedserver.model import Kind, ListingSummary

MOST = 5
CONSIDERED = 200

# Of 100. Below it, the suggestions for a mistyped topic were mostly unrelated.
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
    """A slug as separate words, whose order then matters less."""
    return slug.replace("-", " ")
