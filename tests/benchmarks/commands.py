"""Measures what the commands take that find nothing or little to do, beside an interpreter that does nothing.

    python tests/benchmarks/commands.py                  # over 10,000 generated articles; or: … 1000

CPU seconds of the whole process, the least and the middle of several rounds in which the commands take turns,
because seconds on the clock tell more of what else the machine does. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from corpus import write_corpus
from export import ENVIRONMENT, LIKE_HUGO, change
from index import index_once

ROUNDS = 7
SITE = "https://feeds.example"


def cpu(command: Sequence[str]) -> float:
    """CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(corpus: Path, state: Path, out: Path) -> Mapping[str, Sequence[str]]:
    """The commands to measure, by name; the bare interpreter first, the one for a changed file last."""
    feedserver = (sys.executable, "-m", "feedserver")
    site = ("--state-dir", str(state), "--base-url", SITE)
    export = (*feedserver, "export", str(out), str(corpus), *site, *LIKE_HUGO)
    return {
        "python -c pass": (sys.executable, "-c", "pass"),
        "--version": (*feedserver, "--version"),
        "--help": (*feedserver, "--help"),
        "config --check": (*feedserver, "config", "--check"),
        "list topics": (*feedserver, "list", "topics", *site),
        "render /articles.rss": (*feedserver, "render", "/articles.rss", *site),
        "index, nothing changed": (*feedserver, "index", str(corpus), *site),
        "export, nothing changed": export,
        "export, one article changed": export,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="?", type=int, default=10_000, help="number of articles")
    with tempfile.TemporaryDirectory() as folder:
        corpus, state, out = (Path(folder) / name for name in ("articles", "state", "out"))
        write_corpus(corpus, parser.parse_args().size)
        index_once(corpus, state, "--base-url", SITE)
        time.sleep(3)  # files that were just written are read once more
        measured = commands(corpus, state, out)
        for command in measured.values():
            cpu(command)
        taken: dict[str, list[float]] = {name: [] for name in measured}
        for number in range(ROUNDS):
            for name, command in measured.items():
                if name.endswith("one article changed"):
                    change(corpus, number)
                    time.sleep(2.1)  # or it is read once more with the next command
                taken[name].append(cpu(command))
    print("| command | CPU, least and middle |\n|---|---|")  # noqa: T201  a table is what this prints
    for name, seconds in taken.items():
        print(f"| `{name}` | {min(seconds):.2f} and {median(seconds):.2f} s |")  # noqa: T201  as above


if __name__ == "__main__":
    main()
