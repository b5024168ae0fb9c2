"""The lock: one holder at a time, freed by the kernel, signed by who holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feedserver.indexing.lock import LOCK, Holder, IndexerLock, holder

HOLD = """
import sys, time
from pathlib import Path
from feedserver.indexing.lock import IndexerLock
lock = IndexerLock.acquire(Path(sys.argv[1]))
assert lock is not None
lock.sign("print")
sys.stdout.write("held\\n")
sys.stdout.flush()
time.sleep(60)
"""


def test_one_process_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    first = IndexerLock.acquire(tmp_path)
    assert first is not None
    assert IndexerLock.acquire(tmp_path) is None
    first.release()
    second = IndexerLock.acquire(tmp_path)
    assert second is not None
    second.release()


def test_who_holds_the_lock_can_be_asked(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not (tmp_path / LOCK).exists()
    lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    assert holder(tmp_path) is None
    lock.sign("a long fingerprint")
    lock.sign("short")
    assert holder(tmp_path) == Holder(os.getpid(), "short")
    lock.release()
    assert holder(tmp_path) is None


def test_a_new_holder_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    first = IndexerLock.acquire(tmp_path)
    assert first is not None
    first.sign("of the first")
    first.release()
    second = IndexerLock.acquire(tmp_path)
    assert second is not None
    assert holder(tmp_path) is None
    second.release()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff\xfe", b"7"])
def test_a_torn_signature_is_none(tmp_path: Path, content: bytes) -> None:
    lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    (tmp_path / LOCK).write_bytes(content)
    assert holder(tmp_path) is None
    lock.release()


def test_the_death_of_its_holder_frees_the_lock(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert IndexerLock.acquire(tmp_path) is None
        assert holder(tmp_path) == Holder(process.pid, "print")
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    lock.release()


def test_a_child_does_not_get_the_lock_by_chance(tmp_path: Path) -> None:
    lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    command = [sys.executable, "-c", "print('started', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        lock.release()
        again = IndexerLock.acquire(tmp_path)
        child.kill()
    assert again is not None
    again.release()


def test_a_lock_that_was_handed_over_stays_with_the_child(tmp_path: Path) -> None:
    lock = IndexerLock.acquire(tmp_path)
    assert lock is not None
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.descriptor]
    ) as child:
        lock.release()
        assert IndexerLock.acquire(tmp_path) is None
        child.kill()
        child.wait()
        again = IndexerLock.acquire(tmp_path)
    assert again is not None
    again.release()


def test_a_state_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        IndexerLock.acquire(tmp_path / "nowhere")
    assert holder(tmp_path / "nowhere") is None
