"""The ownership of a state folder: other articles and other ids are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from feedserver.errors import StateError
from feedserver.index.history import PublicationHistory
from feedserver.index.sqlite.history_file import history_in
from feedserver.indexing import ownership
from feedserver.indexing.plan import Ownership

PUBLIC = Ownership(roots=("/a", "/b"), id_authority="feeds.example", id_year=2024, is_public=True)
LOCAL = Ownership(roots=("/a", "/b"), id_authority="localhost", id_year=2024)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[PublicationHistory]:
    with closing(history_in(tmp_path)) as history:
        yield history


def test_a_new_state_folder_accepts_any_site(history: PublicationHistory) -> None:
    ownership.check(history, PUBLIC)
    ownership.check(history, LOCAL)


def test_a_state_folder_belongs_to_the_site_that_it_records(history: PublicationHistory) -> None:
    ownership.record(history, PUBLIC)
    ownership.record(history, PUBLIC)
    ownership.check(history, PUBLIC)


def test_the_state_of_other_folders_is_refused_by_name(history: PublicationHistory) -> None:
    ownership.record(history, LOCAL)
    with pytest.raises(
        StateError, match=r"/a, /b, not to those in /c; .*--state-dir.*--adopt-state"
    ) as caught:
        ownership.check(history, Ownership(roots=("/c",), id_authority="localhost", id_year=2024))
    assert caught.value.path == Path(history.place)


def test_folders_may_come_and_go_as_long_as_one_stays(history: PublicationHistory) -> None:
    ownership.record(history, LOCAL)
    ownership.check(history, Ownership(roots=("/b", "/c"), id_authority="localhost", id_year=2024))


@pytest.mark.parametrize(("authority", "year"), [("other.example", 2024), ("feeds.example", 2025)])
@pytest.mark.parametrize("is_public", [True, False])
def test_other_ids_than_the_published_ones_are_refused(
    history: PublicationHistory, authority: str, year: int, is_public: bool
) -> None:
    ownership.record(history, PUBLIC)
    other = Ownership(roots=("/a",), id_authority=authority, id_year=year, is_public=is_public)
    with pytest.raises(StateError, match=rf"feeds\.example,2024 .* {authority},{year}.*--adopt-state"):
        ownership.check(history, other)


def test_ids_that_were_never_published_may_change(history: PublicationHistory) -> None:
    ownership.record(history, LOCAL)
    ownership.check(history, PUBLIC)


def test_adopting_a_state_folder_records_the_new_site(history: PublicationHistory) -> None:
    ownership.record(history, PUBLIC)
    adopted = Ownership(roots=("/c",), id_authority="other.example", id_year=2024, is_public=True)
    ownership.record(history, adopted)
    ownership.check(history, adopted)
    with pytest.raises(StateError):
        ownership.check(history, PUBLIC)


def test_a_private_start_leaves_the_published_ids_as_they_are(history: PublicationHistory) -> None:
    ownership.record(history, PUBLIC)
    ownership.record(history, LOCAL)
    ownership.check(history, PUBLIC)
