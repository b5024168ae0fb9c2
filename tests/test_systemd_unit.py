"""config/feedserver.service, and its drop-in for an export: systemd takes both, both start our commands."""

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
EXPORT_GUIDE = (REPOSITORY / "docs" / "guides" / "export.md").read_text(encoding="utf-8")
INSTALLED = "/opt/feedserver/bin/feedserver"

# Of 100, as `systemd-analyze security` counts; a service without any protection has 96.
MOST_EXPOSURE = 15


def drop_in() -> str:
    """The drop-in of the documents for the unit, which keeps an exported folder current."""
    match = re.search(r"<!-- unit: export -->\n```ini\n(.*?)```", EXPORT_GUIDE, re.DOTALL)
    assert match is not None
    return match[1]


def analyzed(folder: Path, changes: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The report of systemd-analyze on the unit with a drop-in, edited to start a program that exists."""
    unit = folder / "feedserver.service"
    parts = {unit: UNIT, folder / "feedserver.service.d/override.conf": changes}
    for path, text in parts.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace(INSTALLED, sys.executable), encoding="utf-8")
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)
@pytest.mark.parametrize("changes", ["", drop_in()], ids=["server", "export"])
def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path: Path, changes: str) -> None:
    verified = analyzed(tmp_path, changes, "verify", "--man=no")
    assert (verified.returncode, verified.stderr) == (0, "")

    judged = analyzed(tmp_path, changes, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}")
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


@pytest.mark.parametrize("unit", [UNIT, drop_in()], ids=["server", "export"])
def test_the_unit_starts_a_command_with_options_that_there_are(unit: str) -> None:
    match = re.search(rf"^ExecStart={INSTALLED} (.*)$", unit, re.MULTILINE)
    assert match is not None
    command, *arguments = match[1].split()

    helped = CliRunner().invoke(main, [command, "--help"])

    assert helped.exit_code == 0
    for option in (one for one in arguments if one.startswith("--")):
        assert option in helped.output
