"""No command imports a module from the working directory, whatever the modules there are called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from builders import write_article
from servers import REPOSITORY, Server, free_port, started

COMMANDS = [
    ["--version"],
    ["--help"],
    ["config"],
    ["check", "articles"],
    ["index", "articles"],
    ["list", "topics"],
    ["render", "/articles.rss"],
    ["export", "site", "articles"],
]
MODULE = [sys.executable, "-m", "feedserver"]

# Like the script that pip makes: Python puts the folder of a script first, not the working directory.
SCRIPT = """
import sys
from feedserver.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
"""

# The same with an export whose processes are started for any number of entries.
POOL_SCRIPT = """
import sys
from feedserver.__main__ import main
from feedserver.export import run

if __name__ == "__main__":
    run.LEAST_FOR_POOL, run.cores = 1, lambda: 2
    sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a module for each of the interpreter's, and of the installed packages.

    A module that is imported leaves its name in a file.
    """
    folder = tmp_path_factory.mktemp("hostile")
    names = {*sys.stdlib_module_names, *packages_distributions()} - {"feedserver"}
    for name in names:
        if name.isidentifier():
            text = f"with open({str(folder / 'imported')!r}, 'a') as told:\n    told.write('{name}\\n')\n"
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
    write_article(folder, "articles/one.md", title="One")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "script.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "elsewhere" / "pool.py").write_text(POOL_SCRIPT, encoding="utf-8")
    return folder


@pytest.fixture
def imported(folder: Path) -> Iterator[Path]:
    """Where the names of imported modules are; nothing is there."""
    told = folder / "imported"
    told.unlink(missing_ok=True)
    yield told
    told.unlink(missing_ok=True)


def environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEEDSERVER_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY)}


def run(folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_imports_from_there(folder: Path, imported: Path, command: list[str]) -> None:
    run(folder, [sys.executable, "elsewhere/script.py", *command])
    assert not imported.exists(), imported.read_text()
    run(folder, [*MODULE, *command])
    assert not imported.exists(), imported.read_text()


def test_neither_does_an_index_of_many_files(folder: Path, imported: Path) -> None:
    for number in range(2000):
        write_article(folder, f"many/{number}.md", title=f"Number {number}")
    run(folder, [sys.executable, "elsewhere/script.py", "index", "many", "--state-dir", "many-state"])
    assert not imported.exists(), imported.read_text()


def test_neither_does_an_export_by_a_pool(folder: Path, imported: Path) -> None:
    run(
        folder,
        [sys.executable, "elsewhere/pool.py", "export", "pool", "articles", "--state-dir", "pool-state"],
    )
    assert not imported.exists(), imported.read_text()


@pytest.mark.parametrize(
    "program", [MODULE, [sys.executable, "elsewhere/script.py"]], ids=["module", "script"]
)
def test_neither_does_a_server(folder: Path, imported: Path, program: list[str]) -> None:
    port = free_port()
    command = [*program, "serve", "articles", "--port", str(port), "--state-dir", f"{port}-state"]
    with started(command, port, folder) as server:
        server.wait_until_ready()
        assert_follows(server, folder)
    assert not imported.exists(), imported.read_text()


def assert_follows(server: Server, folder: Path) -> None:
    write_article(folder, "articles/new.md", title=f"New at {server.port}")
    server.wait_for(lambda: f"New at {server.port}".encode() in server.ask("/articles.rss").body)
