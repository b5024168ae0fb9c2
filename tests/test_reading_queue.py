"""Files are read alike by one process and by many, and the many end with the one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from builders import a_plan, wait_for, write_article, write_file
from servers import REPOSITORY, alive, descendants

from feedserver.findings import Severity
from feedserver.indexing import reading_queue
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import FileReading, Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.scanner import Scan, ScanRules
from feedserver.model import Verdict

FILES = 450


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    folder = tmp_path / "articles"
    for number in range(FILES):
        write_article(folder, f"_news/{number:04}.md", title=f"Number {number}")
    write_file(folder, "_news/broken.md", "---\ntitle: [\n---\n")
    os.mkfifo(folder / "_news" / "pipe.md")
    return a_plan(tmp_path / "state", folder)


def wanted_of(plan: Plan) -> list[Wanted]:
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    return [Wanted.of(0, found) for found in Scan(Path(plan.roots[0].path), rules).walk()]


def readings_of(plan: Plan, wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, FileReading | None]]:
    with closing(ReadingQueue(plan)) as queue:
        for one in wanted:
            queue.put(one)
        yield from filter(None, queue.readings())


def pool_processes() -> list[int]:
    """The processes of a pool for many files; the one for few is none of them."""
    found = []
    for pid in alive(descendants(os.getpid())):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if {b"feedserver.indexing.reader_process", b"background"} <= set(command):
            found.append(pid)
    return found


def test_a_pool_reads_what_one_process_reads_in_the_same_order(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wanted_of(plan)
    alone = list(readings_of(plan, wanted))
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)

    assert list(readings_of(plan, wanted)) == alone
    assert len(alone) == FILES + 2


def test_a_file_that_is_gone_by_then_is_none_and_the_others_are_read(plan: Plan) -> None:
    wanted = wanted_of(plan)
    (Path(plan.roots[0].path) / wanted[3].path).unlink()
    results = [result for _, result in readings_of(plan, wanted)]

    assert results[3] is None
    assert [result for result in results if result is None] == [None]


def test_what_cannot_be_read_is_broken_and_says_why(plan: Plan) -> None:
    found = {one.path: result for one, result in readings_of(plan, wanted_of(plan))}
    pipe, broken = found["_news/pipe.md"], found["_news/broken.md"]
    assert pipe is not None
    assert broken is not None

    assert (pipe.content.verdict, pipe.is_found) == (Verdict.BROKEN, True)
    assert (broken.content.verdict, broken.is_found) == (Verdict.BROKEN, False)
    assert broken.content.findings[0].severity is Severity.ERROR


def test_when_processes_of_the_pool_are_killed_others_read_the_rest(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = wanted_of(plan)
    alone = list(readings_of(plan, wanted))
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)
    monkeypatch.setattr(reading_queue, "PIECES_AHEAD", 1)
    results: list[tuple[Wanted, FileReading | None]] = []
    for result in readings_of(plan, wanted):
        if not results:
            for pid in pool_processes():
                os.kill(pid, signal.SIGKILL)
        results.append(result)

    assert results == alone
    assert "without a process of their own" not in caplog.text


def test_a_pool_starts_when_there_are_many_files_though_more_are_looked_for(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_queue, "LEAST_FOR_POOL", 200)
    monkeypatch.setattr(reading_queue, "cores", lambda: 2)
    wanted = wanted_of(plan)
    with closing(ReadingQueue(plan)) as queue:
        for number, one in enumerate(wanted, start=1):
            queue.put(one)
            if number < 200:
                assert pool_processes() == []
        wait_for(lambda: len(pool_processes()) == 2)
        assert [one for one, _ in filter(None, queue.readings())] == wanted
    assert pool_processes() == []


_PARENT = """
import sys, time
from pathlib import Path
import msgspec
from feedserver.indexing import reading_queue
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import Wanted
from feedserver.indexing.scanner import Scan, ScanRules

def main():
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    reading_queue.LEAST_FOR_POOL, reading_queue.cores = 1, lambda: 2
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    queue = reading_queue.ReadingQueue(plan)
    for one in Scan(Path(plan.roots[0].path), rules).walk():
        queue.put(Wanted.of(0, one))
    for _ in queue.readings():
        print("reading", flush=True)
        time.sleep(60)

if __name__ == "__main__":
    main()
"""


def test_the_pool_ends_when_its_parent_is_killed(plan: Plan, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script), msgspec.json.encode(plan).decode()],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        family = descendants(process.pid)
        assert len(family) >= 2
        process.kill()
        process.wait()
    until = time.monotonic() + 10
    while alive(family) and time.monotonic() < until:
        time.sleep(0.05)

    assert not alive(family)
