"""The indexer as a child: started by one process of many, ended with it, replaced when it dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from builders import a_plan, contents, wait_for, write_article
from servers import alive, descendants

from feedserver.index.sqlite import builds
from feedserver.indexing.deaths import known_deaths
from feedserver.indexing.lock import IndexerLock, holder
from feedserver.indexing.plan import Plan
from feedserver.indexing.supervisor import IndexerSupervisor

# A process that starts an indexer and goes on for ever.
SERVER = """
import sys, threading
import msgspec
from feedserver.indexing.plan import Plan
from feedserver.indexing.supervisor import IndexerSupervisor
IndexerSupervisor(msgspec.json.decode(sys.argv[1].encode(), type=Plan)).start()
threading.Event().wait()
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "articles"
    write_article(folder)
    return a_plan(tmp_path / "state", folder)


@contextmanager
def started(plan: Plan, count: int = 1) -> Iterator[list[IndexerSupervisor]]:
    supervisors = [IndexerSupervisor(plan) for _ in range(count)]
    for supervisor in supervisors:
        supervisor.start()
    try:
        yield supervisors
    finally:
        for supervisor in supervisors:
            supervisor.stop()


def child_of(plan: Plan, other_than: int = 0) -> int:
    """The process of the indexer, waited for."""
    wait_for(lambda: (found := holder(Path(plan.state_dir))) is not None and found.pid != other_than)
    found = holder(Path(plan.state_dir))
    assert found is not None
    return found.pid


def has_ended(pid: int) -> bool:
    return not alive({pid})


def is_free(plan: Plan) -> bool:
    lock = IndexerLock.acquire(Path(plan.state_dir))
    if lock is not None:
        lock.release()
    return lock is not None


def test_a_child_indexes_and_follows_the_files(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    with started(plan):
        child = child_of(plan)
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)
        write_article(Path(plan.roots[0].path), "_news/ants.md", title="Ants")
        wait_for(lambda: len(contents(Path(plan.state_dir)).entries) == 2)
        assert child in descendants(os.getpid())
    assert has_ended(child)
    assert is_free(plan)
    assert caplog.records == []


def test_another_child_soon_follows_one_that_was_killed(plan: Plan) -> None:
    with started(plan):
        first = child_of(plan)
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        second = child_of(plan, other_than=first)
        # On an idle machine it takes one second, half of it the start of an interpreter.
        assert time.monotonic() - killed < 6
        assert second != first
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)


def test_a_child_that_was_asked_to_end_ends_well(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    with started(plan):
        first = child_of(plan)
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)
        os.kill(first, signal.SIGTERM)
        child_of(plan, other_than=first)
    # Status 0: a child that aborts at its end would be reported.
    assert caplog.records == []


def test_of_many_supervisors_one_has_the_child_and_another_one_takes_over(plan: Plan) -> None:
    def children() -> set[int]:
        found = set()
        for pid in alive(descendants(os.getpid())):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            found |= {pid} if b"feedserver.indexing.child" in command else set()
        return found

    with started(plan, 3) as supervisors:
        first = child_of(plan)
        for supervisor in supervisors[:2]:
            supervisor.stop()
            until = time.monotonic() + 1
            while time.monotonic() < until:
                assert len(children()) <= 1
                time.sleep(0.02)
        second = child_of(plan, other_than=0)
        os.kill(second, signal.SIGKILL)
        third = child_of(plan, other_than=second)
        assert children() == {third}
    assert len({first, second, third}) >= 2
    assert children() == set()


def test_the_child_ends_when_its_supervisor_dies(plan: Plan) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, msgspec.json.encode(plan).decode()])
    try:
        child = child_of(plan)
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)
    finally:
        server.kill()
        server.wait()
    wait_for(lambda: has_ended(child))
    wait_for(lambda: is_free(plan))


def test_the_terminal_does_not_reach_the_child(plan: Plan) -> None:
    with started(plan):
        assert os.getpgid(child_of(plan)) != os.getpgrp()


def test_a_child_that_dies_at_once_is_tried_again_less_and_less_often(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONHOME", "/nowhere")
        with started(plan):
            time.sleep(3)
            failures = [record for record in caplog.records if "is started again" in record.message]
            # After 0, 0.5 and 1.5 seconds.
            assert 1 <= len(failures) <= 3
            assert is_free(plan)
            patched.undo()
            child_of(plan)


def test_all_supervisors_pause_after_deaths(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    begun = time.time()
    with started(plan, 4):
        time.sleep(5)
    deaths = known_deaths(Path(plan.state_dir), time.time())
    # After 0, 0.5, 1.5 and 3.5 seconds; each supervisor by itself would have tried as often.
    assert 2 <= len(deaths) <= 4
    assert all(begun <= death.at <= time.time() for death in deaths)
    assert {death.reason for death in deaths} == {"exit status 1"}


def test_a_death_is_known_with_its_signal_and_what_the_process_said_last(
    plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    state_dir = Path(plan.state_dir)
    with started(plan, 2):
        first = child_of(plan)
        os.kill(first, signal.SIGKILL)
        child_of(plan, other_than=first)
        [death] = known_deaths(state_dir, time.time())
        assert (death.reason, death.words) == ("signal SIGKILL", "")
    assert "the indexer died by signal SIGKILL" in caplog.text
    (state_dir / builds.HISTORY_FILE).unlink()
    (state_dir / builds.HISTORY_FILE).mkdir()  # which nothing can mend
    with started(plan):
        wait_for(lambda: len(known_deaths(state_dir, time.time())) >= 2)
    death = known_deaths(state_dir, time.time())[-1]
    assert death.reason == "exit status 1"
    assert "history.sqlite" in death.words
    assert "died 2 times within an hour" in caplog.text


def test_a_state_folder_that_is_away_for_a_while_is_waited_for(
    plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    state_dir = Path(plan.state_dir)
    state_dir.rename(state_dir.with_name("away"))
    with started(plan):
        wait_for(lambda: "cannot be started" in caplog.text)
        state_dir.with_name("away").rename(state_dir)
        child_of(plan)


def test_files_of_the_working_directory_are_not_imported(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(plan.roots[0].path)
    (folder / "msgspec.py").write_text("raise SystemExit('the folder of articles was imported')")
    monkeypatch.chdir(folder)
    with started(plan):
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)


def test_a_plan_larger_than_a_pipe_arrives(plan: Plan) -> None:
    large = msgspec.structs.replace(plan, skip=(*plan.skip, "x" * 300_000))
    with started(large):
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None)


def test_a_child_that_is_told_nothing_ends_well(plan: Plan) -> None:
    lock = IndexerLock.acquire(Path(plan.state_dir))
    assert lock is not None
    ended = subprocess.run(
        [sys.executable, "-m", "feedserver.indexing.child", str(lock.descriptor)],
        stdin=subprocess.DEVNULL, pass_fds=[lock.descriptor], capture_output=True, check=False,
    )  # fmt: skip
    lock.release()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_child_that_cannot_work_says_why_in_one_line(plan: Plan) -> None:
    (Path(plan.state_dir) / builds.HISTORY_FILE).mkdir()  # which is no damage that could be mended
    lock = IndexerLock.acquire(Path(plan.state_dir))
    assert lock is not None
    ended = subprocess.run(
        [sys.executable, "-m", "feedserver.indexing.child", str(lock.descriptor)],
        input=msgspec.json.encode(plan) + b"\n", pass_fds=[lock.descriptor], capture_output=True, check=False,
    )  # fmt: skip
    lock.release()
    assert ended.returncode == 1
    [line] = ended.stderr.decode().splitlines()
    assert "history.sqlite: the publication history cannot be opened" in line


def test_a_child_sets_a_damaged_history_aside_and_works(plan: Plan) -> None:
    history = Path(plan.state_dir) / builds.HISTORY_FILE
    history.write_bytes(b"no database at all " * 100)
    with started(plan):
        wait_for(lambda: builds.serving_build(Path(plan.state_dir)) is not None, 60)
    assert history.with_name(f"{history.name}.damaged").read_bytes().startswith(b"no database at all")
    assert known_deaths(Path(plan.state_dir), time.time()) == ()


def test_nothing_is_said_while_nothing_goes_wrong(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "feedserver")
    with started(plan):
        child_of(plan)
        time.sleep(0.3)
    assert caplog.records == []
