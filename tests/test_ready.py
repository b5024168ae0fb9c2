"""The shelf: which representations a process keeps, and in which forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedserver.ready import Shelf
from feedserver.representation import CODINGS, Representation, digest

MARK = ("build", 1)
ROOM = 40_000


def document(number: int, size: int = 10_000) -> Representation:
    body = f"document {number}, in many words. ".encode() * (size // 30)
    return Representation(body, "application/rss+xml", digest(body))


def found(shelf: Shelf, numbers: range) -> list[Representation]:
    looked = (shelf.find(number, MARK) for number in numbers)
    return [one for one in looked if one is not None]


def test_documents_that_are_asked_for_in_a_coding_are_kept_in_greater_number() -> None:
    plain, coded = Shelf(ROOM, ROOM), Shelf(ROOM, ROOM)
    for number in range(20):
        plain.keep(number, MARK, document(number))
        coded.keep(number, MARK, document(number))
        kept = coded.find(number, MARK)
        assert kept is not None
        kept.coded("gzip")
    assert found(plain, range(20)) == [document(number) for number in (17, 18, 19)]
    assert found(coded, range(20)) == [document(number) for number in range(20)]


def test_what_is_cold_lets_go_of_its_body() -> None:
    shelf = Shelf(ROOM, ROOM)
    documents = [document(number) for number in range(4)]
    for number, one in enumerate(documents):
        shelf.keep(number, MARK, one)
        one.coded("gzip")
        shelf.find(0, MARK)  # somebody asks for this one all the time
    assert [one.held_bytes < 1_000 for one in documents] == [False, True, False, False]
    assert documents[1].body == document(1).body


def test_packed_documents_that_stay_cold_go() -> None:
    shelf = Shelf(ROOM, 500)
    for number in range(9):
        one = document(number)
        one.coded("gzip")
        shelf.keep(number, MARK, one)
    kept = found(shelf, range(9))
    assert kept == [document(number) for number in range(9)][-len(kept) :]
    assert 3 < len(kept) < 9


def test_a_document_that_is_made_anew_takes_the_place_of_the_packed_one() -> None:
    shelf, later = Shelf(ROOM, ROOM), ("build", 2)
    for number in range(9):
        one = document(number)
        one.coded("gzip")
        shelf.keep(number, MARK, one)
    shelf.keep(0, later, document(100))
    assert (shelf.find(0, MARK), shelf.find(0, later), shelf.last(0)) == (None, document(100), document(100))


def test_a_document_larger_than_the_shelf_leaves_the_others_alone() -> None:
    shelf = Shelf(ROOM, ROOM)
    shelf.keep(1, MARK, document(1))
    shelf.keep(2, MARK, document(2, 2 * ROOM))
    assert found(shelf, range(3)) == [document(1)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.integers(0, 3), st.integers(0, 900), st.sampled_from([None, *CODINGS])
        )
    )
)
def test_any_use_of_a_shelf_finds_what_was_kept_last_or_nothing(
    steps: list[tuple[int, int, int, str | None]],
) -> None:
    shelf, last = Shelf(1_500, 300), dict[int, tuple[tuple[str, int], Representation]]()
    for name, commit, size, coding in steps:
        mark = ("build", commit)
        kept = shelf.find(name, mark)
        if kept is None:
            kept = document(name, size)
            shelf.keep(name, mark, kept)
            last[name] = mark, kept
        assert last[name] == (mark, kept)
        assert digest(kept.body) == kept.etag
        if coding:
            kept.coded(coding)
    held = [one.held_bytes for name, (mark, one) in last.items() if shelf.find(name, mark) is one]
    assert sum(held) <= 2 * (1_500 + 300)  # a second coding of what is packed was not counted
