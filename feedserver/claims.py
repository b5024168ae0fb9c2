"""Whom a state folder belongs to.

The memory of one site must not be mixed with that of another, and ids that were given out must not
change (promise 4). Both are compared before anything starts, and written down by the indexer. Knows
nothing of the index.
"""

from __future__ import annotations

from feedserver.errors import StateError
from feedserver.index.memory import Memory
from feedserver.plan import Claim


def check(memory: Memory, claim: Claim) -> None:
    """Compare a claim with what the memory holds.

    Raises:
        StateError: if the state belongs to other folders of articles, or its ids were published with
            another authority or year.
    """
    roots = memory.fact("roots")
    if roots and set(roots).isdisjoint(claim.roots):
        raise StateError(
            memory.path.parent,
            f"belongs to the articles in {', '.join(roots)}, not to those in {', '.join(claim.roots)};"
            " name another state folder with --state-dir, or go on with --adopt-state",
        )
    ids = memory.fact("ids")
    if ids and (ids["authority"], ids["year"]) != (claim.id_authority, claim.id_year):
        raise StateError(
            memory.path.parent,
            f"has published ids of {ids['authority']},{ids['year']} and would now give all articles ids of"
            f" {claim.id_authority},{claim.id_year}, so that readers show them again as new; set"
            " site.id_authority and site.id_year to the former ones, or go on with --adopt-state",
        )


def stake(memory: Memory, claim: Claim) -> None:
    """Write a claim down."""
    if memory.fact("roots") != list(claim.roots):
        memory.remember_fact("roots", list(claim.roots))
    ids = {"authority": claim.id_authority, "year": claim.id_year}
    if claim.is_public and memory.fact("ids") != ids:
        memory.remember_fact("ids", ids)
