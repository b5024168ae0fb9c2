"""After any history of files and deaths of the indexer, the index equals a rebuild over the same history.

Random histories in processes of their own, because they give up privileges and are killed. `histories` makes
them, and repeats a failing one alone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COUNT = 150


def test_every_history_of_files_leaves_an_index_that_equals_a_rebuild() -> None:
    command = [sys.executable, str(Path(__file__).with_name("histories.py")), "--count", str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{COUNT} histories" in done.stdout
