"""When a change is published: values and moments, no files and no clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.index.file_values import FileKey, FileState, Stamp
from feedserver.indexing import settling
from feedserver.indexing.settling import OpenForWriting, Settling, Sight

BEES = FileKey(root=0, path="_news/bees.md")
ANTS = FileKey(root=0, path="_news/ants.md")


def a_stamp(
    number: int = 1, *, inode: int = 7, renamed: bool = False, state: FileState = FileState.SEEN
) -> Stamp:
    return Stamp(mtime_ns=number, ctime_ns=number + renamed, size=number, inode=inode, state=state)


def a_sight(
    number: int = 1, *, writer: OpenForWriting = OpenForWriting.NONE, age: float = 0.0, **more: Any
) -> Sight:
    return Sight(a_stamp(number), writer, age, **more)


def published_at(sights: list[tuple[float, Sight]]) -> float | None:
    """When a file is published of which these things are seen at these moments."""
    waiting = Settling()
    return next((now for now, sight in sights if waiting.may_be_published(BEES, sight, now)), None)


@pytest.mark.parametrize(
    ("sight", "seconds"),
    [
        (a_sight(), settling.STILL_SECONDS),
        (a_sight(is_replaced=True), 0),
        (Sight(a_stamp(renamed=True), OpenForWriting.NONE, 0.0), 0),
        (a_sight(writer=OpenForWriting.UNKNOWN), settling.STILL_SECONDS),
        (a_sight(writer=OpenForWriting.UNKNOWN, is_replaced=True), settling.STILL_SECONDS),
        (a_sight(writer=OpenForWriting.SOME), settling.OPEN_STILL_SECONDS),
        (a_sight(writer=OpenForWriting.SOME, is_replaced=True), settling.OPEN_STILL_SECONDS),
        (a_sight(writer=OpenForWriting.SOME, hides=True), settling.STILL_SECONDS),
    ],
)
def test_a_file_waits_for_as_long_as_its_writer_may_go_on(sight: Sight, seconds: float) -> None:
    assert sight.still_seconds() == seconds
    if seconds:
        assert (
            published_at([(0.0, sight), (seconds - 0.01, sight), (seconds + 0.01, sight)]) == seconds + 0.01
        )
    else:
        assert published_at([(0.0, sight)]) == 0.0


def test_a_file_that_was_written_long_ago_does_not_wait() -> None:
    assert published_at([(0.0, a_sight(age=settling.STILL_SECONDS))]) == 0.0


def test_a_file_from_the_future_waits_from_its_first_sight() -> None:
    sight = a_sight(age=-3600.0)
    assert published_at([(0.0, sight), (0.1, sight), (0.2, sight)]) == 0.2


def test_a_file_that_moves_on_waits_anew() -> None:
    assert published_at([(0.0, a_sight(1)), (0.1, a_sight(2)), (0.2, a_sight(2)), (0.26, a_sight(2))]) == 0.26


@given(st.lists(st.floats(0.01, 3.0), min_size=1))
def test_a_file_that_never_comes_to_rest_is_published_in_bounded_time(pauses: list[float]) -> None:
    waiting, now = Settling(), 0.0
    for number, pause in enumerate((pauses * 4000)[:4000], 1):
        if waiting.may_be_published(BEES, a_sight(number, writer=OpenForWriting.SOME), now):
            break
        now += pause
    assert now <= settling.WRITTEN_MOST_SECONDS + 3.0


def removed_at(waiting: Settling, key: FileKey, begun: float) -> float:
    """When a file is retracted that is gone from a moment on, if it is looked at whenever it is due."""
    now = begun
    while not waiting.may_be_removed(key, a_stamp(), now):
        assert waiting.next_look() > now
        now = waiting.next_look()
        assert key in waiting.due(now)
    return now - begun


def test_a_lone_retraction_waits_for_a_moment() -> None:
    assert removed_at(Settling(), BEES, 5.0) == pytest.approx(settling.QUIET_SECONDS, abs=0.01)


def test_many_retractions_wait_longer() -> None:
    waiting = Settling()
    for number in range(1000):
        waiting.may_be_removed(FileKey(root=0, path=f"{number}.md"), a_stamp(), 0.0)
    assert waiting.due(settling.QUIET_SECONDS + 2.9) == set()
    assert len(waiting.due(settling.QUIET_SECONDS + 3.1)) == 1000


def test_a_retraction_in_a_burst_that_does_not_end_has_a_bound() -> None:
    waiting, now = Settling(), 0.0
    while not waiting.may_be_removed(BEES, a_stamp(), now):
        now += 0.01
        waiting.stir(now)
        assert now < 10
    assert now == pytest.approx(settling.GONE_MOST_SECONDS, abs=0.1)


def test_a_file_that_comes_back_is_not_retracted() -> None:
    waiting = Settling()
    assert not waiting.may_be_removed(BEES, a_stamp(), 0.0)
    assert not waiting.may_be_published(BEES, a_sight(2), 0.03)
    assert not waiting.waits_for_removal(BEES)
    assert waiting.due(0.5) == {BEES}


@pytest.mark.parametrize("path", ["_archive/_news/bees.md", "content/bees.html", "content/bees/index.md"])
def test_a_file_that_was_found_elsewhere_and_is_not_read_yet_is_not_retracted(path: str) -> None:
    waiting = Settling()
    for key in (BEES, ANTS):
        waiting.may_be_removed(key, a_stamp(), 0.0)
    waiting.expect(FileKey(root=0, path=path))
    assert waiting.due(10.0) == {ANTS}
    assert waiting.due(settling.MOVED_MOST_SECONDS) == {ANTS, BEES}
    waiting.expect_no_more(10.0)
    assert waiting.due(10.0) == {ANTS, BEES}


def test_nothing_is_retracted_until_what_a_tool_created_is_read() -> None:
    waiting = Settling()
    waiting.may_be_removed(BEES, a_stamp(), 0.0)
    waiting.note_checkout(True, 0.1)
    assert waiting.due(settling.MOVED_MOST_SECONDS - 0.1) == set()
    waiting.note_checkout(False, 10.0)
    waiting.expect_no_more(10.1)  # too soon: what it created last may be yet to be seen
    assert waiting.due(20.0) == set()
    waiting.expect_no_more(10.5)
    assert waiting.due(10.5) == {BEES}
    assert waiting.due(settling.MOVED_MOST_SECONDS) == {BEES}


def test_a_renamed_file_is_told_from_a_new_one_with_its_number() -> None:
    waiting = Settling()
    waiting.may_be_removed(BEES, a_stamp(1, inode=7), 0.0)
    unsettled = a_stamp(1, inode=9, state=FileState.UNSETTLED)
    waiting.may_be_removed(ANTS, unsettled, 0.0)
    assert waiting.renamed([a_stamp(2, inode=7), a_stamp(1, inode=8), unsettled]) == []
    assert waiting.renamed([a_stamp(1, inode=7, renamed=True)]) == [BEES]


def test_nothing_is_due_of_what_is_forgotten() -> None:
    waiting = Settling()
    waiting.may_be_removed(BEES, a_stamp(), 0.0)
    waiting.may_be_published(ANTS, a_sight(), 0.0)
    for key in (BEES, ANTS):
        waiting.forget(key)
    assert waiting.due(100.0) == set()
    assert waiting.next_look() == float("inf")
