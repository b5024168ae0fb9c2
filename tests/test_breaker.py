"""While statements run into time-outs, one thread tries at a time."""

from __future__ import annotations

from builders import Clock

from feedserver.index.postgresql.breaker import PAUSE_SECONDS, Breaker


def test_nobody_is_stopped_before_a_time_out() -> None:
    breaker = Breaker(2.0, Clock())
    assert [breaker.obstacle() for _ in range(3)] == ["", "", ""]
    breaker.note_answer()
    assert breaker.obstacle() == ""


def test_after_a_time_out_one_thread_tries_and_the_others_fail_at_once() -> None:
    clock = Clock()
    breaker = Breaker(2.0, clock)
    breaker.note_timeout("locked")
    assert breaker.obstacle() == "locked"
    clock.now += PAUSE_SECONDS
    assert [breaker.obstacle() for _ in range(3)] == ["", "locked", "locked"]
    breaker.note_answer()
    assert [breaker.obstacle() for _ in range(3)] == ["", "", ""]


def test_a_try_that_nobody_ends_is_followed_by_another() -> None:
    clock = Clock()
    breaker = Breaker(2.0, clock)
    breaker.note_timeout("locked")
    clock.now += PAUSE_SECONDS
    assert breaker.obstacle() == ""
    clock.now += 2.0
    assert [breaker.obstacle() for _ in range(2)] == ["", "locked"]
