"""Batches: when changes that wait together are stored."""

from __future__ import annotations

import time

import pytest
from builders import Clock, a_change

from feedserver.indexing.storing import BATCH_FILES, BATCH_SECONDS, Batch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monotonic clock of the batches."""
    clock = Clock(100.0)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_batch_is_due_when_its_first_change_has_waited(clock: Clock) -> None:
    batch = Batch(is_seen=True)
    batch.add(a_change("0.md"))
    assert not batch.is_due()
    clock.now += BATCH_SECONDS + 0.01
    assert batch.is_due()


def test_a_full_batch_is_due_at_once(clock: Clock) -> None:
    batch = Batch(is_seen=True)
    for number in range(BATCH_FILES):
        assert not batch.is_due()
        batch.add(a_change(f"{number}.md"))
    assert batch.is_due()


def test_a_slow_commit_does_not_make_the_next_batch_smaller(clock: Clock) -> None:
    batch = Batch(is_seen=True)
    for number in range(3):
        batch.add(a_change(f"first {number}.md"))
    batch.take()
    clock.now += 2 * BATCH_SECONDS  # the commit
    batch.add(None)
    assert not batch.is_due()
    for number in range(3):
        batch.add(a_change(f"second {number}.md"))
        assert not batch.is_due()
    assert len(batch.take()) == 3


def test_in_a_new_build_no_change_is_urgent(clock: Clock) -> None:
    batch = Batch(is_seen=False)
    batch.add(a_change("0.md"))
    clock.now += 3600
    assert not batch.is_due()
