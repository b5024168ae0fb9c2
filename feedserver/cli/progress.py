"""How far a command is, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from feedserver.indexing.jobs import Progress as ScanProgress


class Counted(Protocol):
    """How far something is: how many are done, and of how many, where that is known."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int | None: ...


@contextmanager
def progress_bar(what: str, unit: str = "files") -> Iterator[Callable[[Counted], None]]:
    """A bar on a terminal, nothing elsewhere. `unit` is of what is counted."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    # Only here: no timer, pipe or script has a terminal, and rich is a large library.
    from rich.console import Console  # noqa: PLC0415  see above
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Looking for files", total=None, rate="")
        begun = time.monotonic()

        def show(progress: Counted) -> None:
            nonlocal begun
            if not progress.total:
                found = progress.found if isinstance(progress, ScanProgress) else 0
                bar.update(task, completed=found)
                begun = time.monotonic()
                return
            rate = progress.done / max(time.monotonic() - begun, 0.001)
            bar.update(
                task,
                description=what,
                completed=progress.done,
                total=progress.total,
                rate=f"{rate:,.0f} {unit}/s",
            )

        yield show
