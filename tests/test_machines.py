"""Two web machines, two indexers, a database and Redis on hosts of their own, while each of them fails."""

from __future__ import annotations

import subprocess
import sys

import databases
import machines
import pytest
from servers import REPOSITORY


@pytest.mark.skipif(not databases.is_installed(), reason="PostgreSQL is not installed")
@pytest.mark.skipif(
    not machines.can_run(), reason="the hosts need root, iproute2, Redis and feedserver[redis]"
)
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
