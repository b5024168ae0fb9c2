"""Pools of processes start their work whatever the system denies them, and end with their parent alone."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from feedserver.system import processes


def test_a_process_that_may_not_step_back_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: int) -> int:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "nice", denied)
    # This process is the parent of itself here, and has to go on as it was.
    monkeypatch.setattr(processes, "_end_with_parent", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    begun: list[bytes] = []

    processes._start(begun.append, b"argument")  # noqa: SLF001  a spawned process would not be denied it

    assert begun == [b"argument"]


def nothing(_: bytes) -> None:
    """The state in which a process of the pool begins."""


def interrupted(text: str) -> str:
    """Some work, during which somebody presses Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    return text


def test_work_in_a_pool_leaves_ctrl_c_to_the_parent() -> None:
    with processes.spawned_pool(1, nothing, b"") as pool:
        assert pool.submit(interrupted, "done").result() == "done"
