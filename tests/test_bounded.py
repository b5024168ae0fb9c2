"""The bounded dictionary: how much it keeps, and of which entries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedserver.bounded import Bounded


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers())))
def test_it_never_keeps_more_than_its_bound_nor_another_value_than_the_last(
    most: int, steps: list[tuple[int, int]]
) -> None:
    kept, last = Bounded[int, int](most), dict[int, int]()
    for key, value in steps:
        kept.remember(key, value)
        last[key] = value
        assert len(kept) <= most
        assert all(last[one] == found for one, found in kept.items())


def test_a_rotation_that_is_one_too_long_finds_most_entries() -> None:
    kept = Bounded[int, int](100)
    hits = 0
    for _ in range(50):
        for key in range(101):
            hits += key in kept
            kept.remember(key, key)
    assert hits > 50 * 101 * 0.8


def test_newcomers_find_their_way_into_a_full_cache() -> None:
    kept = Bounded[int, int](10)
    for key in range(10):
        kept.remember(key, key)
    for _ in range(1000):
        kept.remember(10, 10)
    assert 10 in kept


def test_after_it_was_cleared_there_is_room_again() -> None:
    kept = Bounded[int, int](2)
    for key in range(5):
        kept.remember(key, key)
    kept.clear()
    assert not kept
    kept.remember(8, 8)
    kept.remember(9, 9)
    assert kept == {8: 8, 9: 9}
