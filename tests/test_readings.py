"""Files are read alike by one process and by many, and the many end with the one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from builders import a_plan, write_article, write_file
from servers import REPOSITORY, alive, descendants

from feedserver import readings
from feedserver.model import Severity, Verdict
from feedserver.plan import Plan
from feedserver.readings import FileReading, Wanted, read_all
from feedserver.scanner import Scan, ScanRules

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


def test_a_pool_reads_what_one_process_reads_in_the_same_order(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wanted_of(plan)
    alone = list(read_all(plan, wanted, len(wanted)))
    monkeypatch.setattr(readings, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(readings, "cores", lambda: 2)

    assert list(read_all(plan, wanted, len(wanted))) == alone
    assert len(alone) == FILES + 2


def test_a_file_that_is_gone_by_then_is_none_and_the_others_are_read(plan: Plan) -> None:
    wanted = wanted_of(plan)
    (Path(plan.roots[0].path) / wanted[3].path).unlink()
    results = [result for _, result in read_all(plan, wanted, len(wanted))]

    assert results[3] is None
    assert [result for result in results if result is None] == [None]


def test_what_cannot_be_read_is_broken_and_says_why(plan: Plan) -> None:
    found = {one.path: result for one, result in read_all(plan, wanted_of(plan), 0)}
    pipe, broken = found["_news/pipe.md"], found["_news/broken.md"]
    assert pipe is not None
    assert broken is not None

    assert (pipe.content.verdict, pipe.is_found) == (Verdict.BROKEN, True)
    assert (broken.content.verdict, broken.is_found) == (Verdict.BROKEN, False)
    assert broken.content.findings[0].severity is Severity.ERROR


def test_when_a_process_of_the_pool_dies_the_rest_is_read_here(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = wanted_of(plan)
    alone = list(read_all(plan, wanted, len(wanted)))
    monkeypatch.setattr(readings, "LEAST_FOR_POOL", 1)
    monkeypatch.setattr(readings, "cores", lambda: 2)
    monkeypatch.setattr(readings, "PIECES_AHEAD", 1)
    results: list[tuple[Wanted, FileReading | None]] = []
    for result in read_all(plan, wanted, len(wanted)):
        if not results:
            for pid in descendants(os.getpid()):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"spawn_main" in command:
                    os.kill(pid, signal.SIGKILL)
        results.append(result)

    assert results == alone
    assert "read by one process" in caplog.text


_PARENT = """
import sys, time
from pathlib import Path
import msgspec
from feedserver import readings
from feedserver.plan import Plan
from feedserver.scanner import Scan, ScanRules

def main():
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    readings.LEAST_FOR_POOL, readings.cores = 1, lambda: 2
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    found = [readings.Wanted.of(0, one) for one in Scan(Path(plan.roots[0].path), rules).walk()]
    for _ in readings.read_all(plan, found, len(found)):
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
