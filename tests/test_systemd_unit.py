"""config/feedserver.service: systemd takes it, and what it starts is a command of ours."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from servers import REPOSITORY

from feedserver.cli.group import main

UNIT = (REPOSITORY / "config" / "feedserver.service").read_text(encoding="utf-8")
INSTALLED = "/opt/feedserver/bin/feedserver"

# Of 100, as `systemd-analyze security` counts; a service without any protection has 96.
MOST_EXPOSURE = 15


def analyzed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says of the unit, edited to start a program that exists."""
    unit = folder / "feedserver.service"
    assert INSTALLED in UNIT
    unit.write_text(UNIT.replace(INSTALLED, sys.executable), encoding="utf-8")
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)
def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    verified = analyzed(tmp_path, "verify", "--man=no")
    assert (verified.returncode, verified.stderr) == (0, "")

    judged = analyzed(tmp_path, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}")
    assert judged.returncode == 0, judged.stdout


def calls_of(name: str) -> set[str]:
    """The system calls of a set, of the sets in it too; of a call, itself."""
    if not name.startswith("@"):
        return {name}
    command = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    names = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return set().union(*(calls_of(one) for one in names))


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)
def test_the_processes_of_a_pool_may_lower_their_priority_and_little_else() -> None:
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT, re.MULTILINE):  # the first says what they are
        named = set().union(*(calls_of(name) for name in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named

    assert allowed & calls_of("@resources") == {"setpriority"}
    assert {"openat", "futex", "execve"} <= allowed


def test_the_unit_starts_a_command_with_options_that_there_are() -> None:
    match = re.search(rf"^ExecStart={INSTALLED} (.*)$", UNIT, re.MULTILINE)
    assert match is not None
    command, *arguments = match[1].split()

    helped = CliRunner().invoke(main, [command, "--help"])

    assert helped.exit_code == 0
    for option in (one for one in arguments if one.startswith("--")):
        assert option in helped.output
