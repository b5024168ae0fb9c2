"""Compares the folders of articles with the index: which files are new, changed or gone.

A walk and the index have the same order, that of paths; so a comparison is one pass that holds neither. An
unavailable folder is not walked, and nothing in it is gone. Reads no articles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain
from operator import attrgetter
from pathlib import Path

from feedserver.index.file_values import FileKey
from feedserver.index.keeper import BuildKeeper
from feedserver.indexing.availability import Unavailable, unavailable
from feedserver.indexing.jobs import Job
from feedserver.indexing.links import Links
from feedserver.indexing.plan import Plan
from feedserver.indexing.scanner import FoundFile, Gone, Scan, ScanRules, compare


class Folders:
    """The roots of a plan, beside the index.

    Args:
        plan: for the roots and the rules.
        keeper: for the index and the publication history.
        now: the time in seconds since the epoch.

    Attributes:
        links: the symbolic links that were found.
    """

    def __init__(self, plan: Plan, keeper: BuildKeeper, now: Callable[[], int]) -> None:
        self.links = Links()
        self._plan = plan
        self._keeper = keeper
        self._now = now
        self._rules = [ScanRules.for_root(plan, root) for root in plan.roots]

    def differences(
        self, root: int, cause: Unavailable | None, job: Job
    ) -> Iterator[FoundFile | Gone | None]:
        """The differences of a whole root, missing files last; None stands for each file without one.

        Args:
            root: its position in the plan.
            cause: why it is unavailable, if it is.
            job: counts the files that are found.
        """
        scan = self._scan(root)
        if cause is not None:
            scan.odd.append(cause.found)
            if not cause.is_final:
                scan.unlisted.append("")
        found = job.counted(scan.walk()) if cause is None else iter(())
        yield from compare(scan, found, self._keeper.writer.stamps(root))
        self.links.replace(root, scan.links)

    def differences_at(self, root: int, paths: Sequence[str]) -> Iterator[FoundFile | Gone | None]:
        """The differences at and below some paths of a root, none of which is below another one."""
        scan = self._scan(root)
        reachable = [path for path in paths if scan.is_below(path)]
        seen = sorted(filter(None, map(scan.look, reachable)), key=attrgetter("path"))
        folders = sorted(f"{path}/" for path in reachable if scan.is_folder(path))
        below = chain.from_iterable(scan.walk(folder[:-1]) for folder in folders)
        found = merge(seen, below, key=attrgetter("path"))
        yield from compare(scan, found, self._keeper.writer.stamps_under(root, paths))
        self.links.add(root, scan.links)

    def unavailable(self, root: int) -> Unavailable | None:
        """Why a root is unavailable; None if it is available."""
        path, drop_after = self._plan.roots[root].path, self._plan.drop_missing_after
        return unavailable(self._keeper.history, path, self._now(), drop_after)

    def is_missing(self, key: FileKey) -> bool:
        """Whether a scan would not find a file now."""
        scan = self._scan(key.root)
        return not scan.is_below(key.path) or scan.look(key.path) is None

    def _scan(self, root: int) -> Scan:
        return Scan(Path(self._plan.roots[root].path), self._rules[root])


def outermost(paths: Iterable[str]) -> list[str]:
    """The given paths, without those that are below another one of them."""
    kept: list[str] = []
    for folder in sorted({f"{path}/" if path else "" for path in paths}):
        if not kept or not folder.startswith(kept[-1]):
            kept.append(folder)
    return [folder.removesuffix("/") for folder in kept]
