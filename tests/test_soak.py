"""The short form of `tests/soak.py`: a server that is attacked for half a minute serves nothing wrong."""

from __future__ import annotations

import random
from pathlib import Path

import soak


def test_a_server_that_is_attacked_serves_nothing_wrong(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    # Small files, so that none takes long to read: edits would wait for it, on a machine with other work.
    seen = soak.run(tmp_path, seconds=30, clients=8, seed=seed, hostile_bytes=2_000)
    table = dict(soak.rows(seen))
    print(f"seed {seed}: {table}")  # noqa: T201  shown where the test fails

    assert not seen.faults, table
    assert seen.counts["answers 200"] > 50
    assert seen.counts["answers 304"] > 50
    assert min(seen.counts[f"{name} killed"] for name in ("workers", "indexers", "masters")) > 0
    assert seen.counts["reloads"] > 0
    # Far more than any of them takes: what grows with each request would be over it.
    assert seen.largest["worker"] < 400
