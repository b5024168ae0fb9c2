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


def test_a_document_that_was_replaced_does_not_come_back() -> None:
    shelf = Shelf(ROOM, ROOM)
    for number in range(3):
        one = document(number)
        one.coded("gzip")
        shelf.keep(number, MARK, one)
    for number in (1, 2):  # hotter than the one that is replaced
        shelf.find(number, MARK)
    shelf.keep(0, ("build", 2), document(100, 2 * ROOM))  # and by one that finds no room
    assert shelf.last(0) is None


def test_what_is_in_demand_again_holds_its_body_once_more() -> None:
    shelf = Shelf(ROOM, ROOM)
    documents = [document(number) for number in range(4)]
    for number, one in enumerate(documents):
        one.coded("gzip")
        shelf.keep(number, MARK, one)
    packed = shelf.find(0, MARK)
    assert packed is not None
    assert packed.held_bytes < packed.size == len(packed.body) < packed.held_bytes
    shelf.keep(9, MARK, document(9))
    assert [one.held_bytes > one.size for one in documents] == [True, False, False, True]


def test_a_document_larger_than_the_shelf_leaves_the_others_alone() -> None:
    shelf = Shelf(ROOM, ROOM)
    shelf.keep(1, MARK, document(1))
    shelf.keep(2, MARK, document(2, 2 * ROOM))
    assert found(shelf, range(3)) == [document(1)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 3),
            st.integers(0, 2_000),
            st.sampled_from([None, *CODINGS]),
            st.integers(0, 9),
        )
    )
)
def test_any_use_of_a_shelf_finds_what_was_kept_last_or_nothing(
    steps: list[tuple[int, int, int, str | None, int]],
) -> None:
    shelf, last = Shelf(1_500, 300), dict[int, tuple[tuple[str, int], Representation]]()
    for name, commit, size, coding, other in steps:
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
        assert shelf.last(other) in (None, last.get(other, MARK)[1])
    whole, packed = shelf._whole, shelf._packed  # noqa: SLF001  to look does change them
    assert sum(one.held_bytes for _, one in packed.values()) <= 300
    assert sum(one.size for _, one in whole.values()) <= 1_500 * 4 // 5
    assert whole.keys().isdisjoint(packed)
