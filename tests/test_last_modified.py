"""Last-Modified over time: whatever date a client holds, 304 is told only of what it holds.

The decision alone, with clients that come back with the date that they were given, or with the time of the
answer where there was none (RFC 9110 section 13.1.3 lets them).
"""

from __future__ import annotations

import math
from itertools import count, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedserver.index.last_modified import (
    MOST_AHEAD_SECONDS,
    SETTLING_SECONDS,
    AddressDates,
    date_of,
    earliest_date,
)

START = 1_750_000_000.0


class Address:
    """An address and its clients. Times in seconds."""

    def __init__(self) -> None:
        self.now = START
        self.content = "A"
        self.changed = START
        self.sequence = 1
        self.known: AddressDates | None = None
        self.held: list[tuple[str, int, bool]] = []

    def change(self, content: str) -> None:
        self.content, self.changed = content, self.now
        self.sequence += 1

    def date(self) -> int | None:
        """The Last-Modified of an answer, now."""
        self.known = date_of(
            self.known,
            self.content,
            sequence=self.sequence,
            earliest=earliest_date(self.changed, self.now),
            now=self.now,
        )
        is_given = self.known.is_given and self.known.last_modified <= self.now
        return self.known.last_modified if is_given else None

    def visit(self) -> None:
        """A client gets the document."""
        date = self.date()
        self.held.append((self.content, math.floor(self.now) if date is None else date, date is not None))

    def check(self, *, knows_time: bool) -> None:
        """No client is told that nothing changed when something did; a client with this date is told so."""
        date = self.date()
        for content, held, was_given in self.held:
            is_valid = held <= self.now  # a later date is ignored (RFC 9110 section 13.1.3)
            if date is not None and is_valid and held >= date and (was_given or knows_time):
                assert content == self.content


CONTENTS = st.sampled_from("AAABBC")
MOMENTS = st.floats(0.0, 1.5)
STEPS = st.lists(st.one_of(CONTENTS, MOMENTS, st.just("visit")), max_size=40)
# Clocks are set by fractions of a second or by days, and sometimes by years.
JUMPS = st.integers(-8, 8) | st.integers(-100_000, 100_000) | st.sampled_from([-35_000_000, 35_000_000])


def play(address: Address, step: str | float | int) -> None:
    if isinstance(step, str):
        address.visit() if step == "visit" else address.change(step)
    else:
        address.now += step


@given(STEPS)
def test_nobody_is_told_304_of_other_content(steps: list[str | float]) -> None:
    address = Address()
    for step in steps:
        play(address, step)
        address.check(knows_time=True)


@given(STEPS)
def test_dates_move_with_every_change_that_was_seen_and_never_go_back(steps: list[str | float]) -> None:
    address, given_out = Address(), list[tuple[str, int]]()
    for step in steps:
        play(address, step)
        date = address.date()
        if date is not None:
            given_out.append((address.content, date))
    for (content, date), (later, later_date) in pairwise(given_out):
        assert date <= later_date
        assert content == later or date < later_date


@given(STEPS, st.booleans())
def test_two_seconds_after_the_last_change_there_is_a_date(steps: list[str | float], is_polled: bool) -> None:
    """Also for a client that is the first to ask then."""
    address = Address()
    for step in steps:
        play(address, step)
        if is_polled:
            address.date()
    address.now = max(address.now, address.changed + SETTLING_SECONDS)
    first = address.date()
    assert first is not None
    assert address.date() == first


@example([(26, "B", None), (35_000_000, "A", None)])
@example([(-35_000_000, "B", None), (-31, "A", None)])
@example([(-1, None, "B"), (0, None, None), (1, None, "A"), (-35, "A", None)])
@given(
    st.lists(
        st.tuples(JUMPS, st.none() | CONTENTS, st.none() | CONTENTS), max_size=4, unique_by=lambda one: one[0]
    )
)
def test_no_clock_that_is_wrong_for_a_while_makes_a_date_lie(
    excursions: list[tuple[int, str | None, str | None]],
) -> None:
    """It is set wrong and right again, several times, and in the end reaches what was ahead."""
    address = Address()

    def see(content: str | None) -> None:
        if content is not None:
            address.change(content)
        address.now += MOST_AHEAD_SECONDS + SETTLING_SECONDS
        address.visit()
        address.check(knows_time=False)

    see("A")
    for jump, meanwhile, afterwards in excursions:
        address.now += jump
        see(meanwhile)
        address.now -= jump
        see(afterwards)
    for jump, *_ in sorted(excursions):
        address.now = max(address.now, START + jump)
        see(None)


@example([(0, "A")] * 7 + [(-136, "A")])
@example([(0, "A")] * 7 + [(-136, "B")])
@given(st.lists(st.tuples(JUMPS, CONTENTS), max_size=40))
def test_no_jump_of_the_clock_takes_the_date_away(jumps: list[tuple[int, str]]) -> None:
    """Seconds after the clock was set it is there, or seconds later where a wrong one has been just there.

    The wrong clock has been there if it gave out a date that comes within seconds or came within the last
    one. In that second no rule can give a date: a client may hold other content with the date that the wrong
    clock gave, so the next date is a second later.
    """
    address, given_out = Address(), set[int]()

    def is_dated() -> bool:
        date = address.date()
        given_out.update(() if date is None else (date,))
        return date is not None

    for jump, content in jumps:
        address.now += jump
        address.change(content)
        is_dated()
        address.now += MOST_AHEAD_SECONDS + SETTLING_SECONDS
        is_dated()
        address.now += 2 * MOST_AHEAD_SECONDS
        while not is_dated():
            assert any(-1 < date - address.now <= MOST_AHEAD_SECONDS for date in given_out)
            address.now += 1


@given(st.floats(0.0, 1.0), st.integers(1, 100))
def test_rapid_edits_withhold_the_date_for_a_second(begin: float, edits: int) -> None:
    address = Address()
    address.now += begin
    for number in range(edits):
        address.change(f"edit {number}")
        address.date()
        address.now += 0.3
    address.now += 0.7
    assert address.date() is not None


def test_a_date_whose_second_has_not_come_is_not_given_out() -> None:
    dating = date_of(None, "A", sequence=1, earliest=10, now=9.5)
    assert not dating.is_given
    assert date_of(dating, "A", sequence=1, earliest=10, now=10.0).is_given


@pytest.mark.parametrize("lead", [0.0, 0.6, 1.0])
def test_files_get_their_date_at_once(lead: float) -> None:
    dating = date_of(None, "A", sequence=1, earliest=10, now=9.5, lead=lead)
    assert dating.is_given is (lead >= 0.5)


def test_writing_files_in_rapid_succession_does_not_push_the_date_ahead() -> None:
    known, clock = None, count(90, 1)
    for number in range(50):
        now = next(clock) / 10
        earliest = earliest_date(now, now)
        known = date_of(known, f"edit {number}", sequence=number, earliest=earliest, now=now, lead=1.0)
    assert known is not None
    assert known.last_modified <= now + 2
