"""Pools of processes start their work whatever the system denies them."""

from __future__ import annotations

import errno
import os

import pytest

from feedserver import processes


def test_a_process_that_may_not_step_back_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: int) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "nice", denied)
    # This process is the parent of itself here, and has to go on.
    monkeypatch.setattr(processes, "_end_with_parent", lambda: None)
    begun: list[bytes] = []

    processes._start(begun.append, b"argument")  # noqa: SLF001  a spawned process would not be denied it

    assert begun == [b"argument"]
