"""Decides which files are retracted: those that are still gone, and former places of files that moved.

A file that a scan did not find may have been created since, and its root may have been unmounted; so both are
looked up just before the removal is stored. Stores nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby, islice

from feedserver.index.file_values import FileChange
from feedserver.index.keeper import BuildKeeper
from feedserver.indexing.folders import Folders
from feedserver.indexing.jobs import Job
from feedserver.indexing.judging import Judge

# Files that are looked up at a time: as many as are stored together.
PIECE_FILES = 500


class Removals:
    """The removals of one indexer. `folders` tells what is there, `judge` makes the changes."""

    def __init__(self, folders: Folders, judge: Judge, keeper: BuildKeeper) -> None:
        self._folders = folders
        self._judge = judge
        self._keeper = keeper

    def still_gone(self, job: Job) -> Iterator[FileChange]:
        """The removals of the missing files of a job that are still gone."""
        for root, keys in groupby(job.missing, key=lambda key: key.root):
            while piece := list(islice(keys, PIECE_FILES)):
                piece = [key for key in piece if not job.is_overtaken(key)]
                cause = self._folders.unavailable(root)
                if cause is None:
                    piece = [key for key in piece if self._folders.is_missing(key)]
                    cause = self._folders.unavailable(root)  # again: it must hold after the last look
                if cause is None or cause.is_final:
                    job.gone += len(piece)
                    yield from map(self._judge.removal, piece)

    def with_moved(self, job: Job, batch: list[FileChange]) -> list[FileChange]:
        """A batch, and the removals of its files' former places: files with the same id, or renamed ones."""
        arrived, job.arrived = job.arrived, []
        settling = job.settling
        if settling is None or not arrived:
            return batch
        if job.has_news:
            settling.stir(time.monotonic())
        if not settling.has_missing():
            return batch
        stated = [change.content.stated for change in batch if change.content is not None]
        same_ids = self._keeper.writer.claiming(one.article_id for one in stated if one is not None)
        moved = {*settling.renamed(arrived), *filter(settling.waits_for_removal, same_ids)}
        gone = [
            key
            for key in moved
            if self._folders.unavailable(key.root) is None and self._folders.is_missing(key)
        ]
        for key in gone:
            settling.forget(key)
        return [*batch, *map(self._judge.removal, gone)]
