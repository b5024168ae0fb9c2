"""Nobody waits for what is not used: what each command imports, and each process that reads articles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import click
import pytest
from servers import REPOSITORY, feedserver, write_story

from feedserver.cli.group import SUMMARIES, main

SERVER = {"flask", "werkzeug", "gunicorn"}
DATABASE = {"sqlalchemy"}
ASIDE = {"rich", "watchfiles", "rapidfuzz"}
RENDERERS = {"feedgen", "lxml", "jinja2"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with an article and an index of it."""
    folder = tmp_path_factory.mktemp("site")
    write_story(folder / "articles", "_news/one", topics=["AI"], title="First")
    assert feedserver(folder, "index").returncode == 0
    return folder


def imported_by(folder: Path, *arguments: str) -> set[str]:
    """The packages that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "feedserver", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["--version"], SERVER | DATABASE | ASIDE | RENDERERS | {"pydantic", "msgspec", "yaml"}),
        (["--help"], SERVER | DATABASE | ASIDE | RENDERERS | {"pydantic", "msgspec", "yaml"}),
        (["config"], SERVER | DATABASE | ASIDE | RENDERERS),
        (["check"], SERVER | DATABASE | ASIDE - {"rapidfuzz"} | {"feedgen", "jinja2"}),
        (["index"], SERVER | ASIDE | {"feedgen", "jinja2"}),
        (["list", "topics"], SERVER | ASIDE),
        (["render", "/articles.rss"], SERVER | ASIDE),
        (["export", "out"], SERVER | ASIDE),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_imports_only_what_it_uses(
    site: Path, arguments: list[str], unused: Collection[str]
) -> None:
    imported = imported_by(site, *arguments)

    assert "feedserver" in imported
    assert imported.isdisjoint(unused), imported.intersection(unused)


def test_a_process_that_reads_articles_imports_no_database_and_no_server() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import feedserver.indexing.reader_process, sys; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip

    packages = {name.partition(".")[0] for name in loaded}
    assert "feedserver.indexing.readings" in loaded
    assert packages.isdisjoint(SERVER | DATABASE | ASIDE | {"feedgen", "jinja2", "pydantic", "click"})


def test_the_list_of_commands_says_what_each_says_of_itself() -> None:
    for name, summary in SUMMARIES.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name
        assert (command.help or "").replace("\n", " ").startswith(summary.removesuffix("."))
