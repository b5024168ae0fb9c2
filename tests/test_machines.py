"""Two web machines, two indexers and a database on hosts of their own, while one after the other fails."""

from __future__ import annotations

import subprocess
import sys

import databases
import machines
import pytest
from servers import REPOSITORY


@pytest.mark.skipif(not databases.is_installed(), reason="PostgreSQL is not installed")
@pytest.mark.skipif(not machines.can_run(), reason="hosts in network namespaces need root and iproute2")
def test_web_machines_go_on_whichever_of_the_others_fails() -> None:
    # A process of its own, because it moves to another host.
    result = subprocess.run(
        [
            *(
                sys.executable,
                str(REPOSITORY / "tests" / "machines.py"),
                str(REPOSITORY / "samples" / "articles"),
            ),
            *("--edits", "5", "--clients", "4", "--cut", "4", "--kills", "1", "--patience", "20"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
