"""The programs beside the tests start: benchmarks, the soak, fuzzing, replays, metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDERS = (TESTS, TESTS / "benchmarks")
PROGRAMS = [
    path
    for folder in FOLDERS
    for path in sorted(folder.glob("*.py"))
    if path != Path(__file__) and "ArgumentParser(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_each_program_explains_itself(program: Path) -> None:
    # As `serving.py` starts gunicorn: with the folder of the benchmarks on the path of all processes.
    environ = os.environ | {"PYTHONPATH": str(TESTS / "benchmarks")}
    done = subprocess.run(
        [sys.executable, str(program), "--help"], capture_output=True, text=True, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"usage: {program.name}" in done.stdout


def test_no_module_here_hides_one_of_the_standard_library() -> None:
    names = {path.stem for folder in FOLDERS for path in folder.glob("*.py")}
    assert not names & sys.stdlib_module_names
