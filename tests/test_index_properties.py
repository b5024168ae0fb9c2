"""After any history of files and deaths of the indexer, the index equals a rebuild over the same history.

Random histories in processes of their own, because they give up privileges and are killed. `histories` makes
them, and repeats a failing one alone. The same holds in a database, whose own processes die, too; and the
same history gives the same contents, publication history and validators in both.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from databases import is_installed
from history_stores import BOTH, FILES, POSTGRESQL
from stores import DATABASE

in_database = pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")


@pytest.mark.parametrize(
    ("store", "count"),
    [
        pytest.param(FILES, 150, marks=pytest.mark.skipif(bool(DATABASE), reason="needs no database")),
        pytest.param(POSTGRESQL, 25 if DATABASE else 8, marks=in_database),
        pytest.param(BOTH, 8 if DATABASE else 4, marks=in_database),
    ],
)
def test_every_history_of_files_leaves_an_index_that_equals_a_rebuild(store: str, count: int) -> None:
    histories = str(Path(__file__).with_name("histories.py"))
    command = [sys.executable, histories, "--count", str(count), "--store", store]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} histories on {store}" in done.stdout
