"""Whom a state folder belongs to: other articles and other ids are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from feedserver import claims
from feedserver.errors import StateError
from feedserver.index.memory import Memory
from feedserver.plan import Claim

PUBLIC = Claim(roots=("/a", "/b"), id_authority="feeds.example", id_year=2024, is_public=True)
LOCAL = Claim(roots=("/a", "/b"), id_authority="localhost", id_year=2024)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with closing(Memory(tmp_path)) as memory:
        yield memory


def test_a_new_state_belongs_to_whoever_comes(memory: Memory) -> None:
    claims.check(memory, PUBLIC)
    claims.check(memory, LOCAL)


def test_a_state_belongs_to_who_staked_it(memory: Memory) -> None:
    claims.stake(memory, PUBLIC)
    claims.stake(memory, PUBLIC)
    claims.check(memory, PUBLIC)


def test_the_state_of_other_folders_is_refused_by_name(memory: Memory) -> None:
    claims.stake(memory, LOCAL)
    with pytest.raises(
        StateError, match=r"/a, /b, not to those in /c; .*--state-dir.*--adopt-state"
    ) as caught:
        claims.check(memory, Claim(roots=("/c",), id_authority="localhost", id_year=2024))
    assert caught.value.path == memory.path.parent


def test_folders_may_come_and_go_as_long_as_one_stays(memory: Memory) -> None:
    claims.stake(memory, LOCAL)
    claims.check(memory, Claim(roots=("/b", "/c"), id_authority="localhost", id_year=2024))


@pytest.mark.parametrize(("authority", "year"), [("other.example", 2024), ("feeds.example", 2025)])
@pytest.mark.parametrize("is_public", [True, False])
def test_other_ids_than_the_published_ones_are_refused(
    memory: Memory, authority: str, year: int, is_public: bool
) -> None:
    claims.stake(memory, PUBLIC)
    other = Claim(roots=("/a",), id_authority=authority, id_year=year, is_public=is_public)
    with pytest.raises(StateError, match=rf"feeds\.example,2024 .* {authority},{year}.*--adopt-state"):
        claims.check(memory, other)


def test_ids_that_were_never_published_may_change(memory: Memory) -> None:
    claims.stake(memory, LOCAL)
    claims.check(memory, PUBLIC)


def test_adopting_a_state_makes_its_claim_the_new_one(memory: Memory) -> None:
    claims.stake(memory, PUBLIC)
    adopted = Claim(roots=("/c",), id_authority="other.example", id_year=2024, is_public=True)
    claims.stake(memory, adopted)
    claims.check(memory, adopted)
    with pytest.raises(StateError):
        claims.check(memory, PUBLIC)


def test_a_private_start_leaves_the_published_ids_as_they_are(memory: Memory) -> None:
    claims.stake(memory, PUBLIC)
    claims.stake(memory, LOCAL)
    claims.check(memory, PUBLIC)
