"""Reads, judges and stores the files of a job: the way of a file from the queue into the index.

`reading_queue` reads the files, `judging` makes changes of them, `removals` finds those that are gone, and
`storing` stores all of that in batches. It is done in steps, so that a caller can attend to events between
two of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from feedserver.index.file_values import FileChange, FileKey
from feedserver.indexing.jobs import Job, Progress
from feedserver.indexing.judging import Judge
from feedserver.indexing.removals import Removals
from feedserver.indexing.storing import Batch, Storage


class Pipeline:
    """The last steps of every job of one indexer."""

    def __init__(self, judge: Judge, removals: Removals, storage: Storage) -> None:
        self._judge = judge
        self._removals = removals
        self._storage = storage

    def run(self, job: Job) -> Generator[Progress, None, int]:
        """Read the files of a job and store their changes. Returns how many articles changed.

        Removals come last, so that a file that was moved and keeps its id is there again before it is gone.
        If there are few changes, all are one commit, so that a file that was moved and has another id is
        never at both places.
        """
        changed = 0
        job.total = job.queue.count
        batch = Batch(is_seen=self._storage.is_seen())
        for change in self._changes(job):
            batch.add(change)
            if batch.is_due():
                changed += self._store(batch.take(), job)
            yield from job.pause()
        for removal in self._removals.still_gone(job):
            batch.add(removal)
            if batch.is_due():
                changed += self._store(batch.take(), job)
                yield from job.pause()
        if batch.changes:
            changed += self._store(batch.take(), job)
            yield from job.pause()
        return changed

    def _changes(self, job: Job) -> Iterator[FileChange | None]:
        """The changes by the files that were put into the queue; None for a file that changes nothing now.

        None as well while a file takes long: those that were read before need not wait for it.
        """
        for one in job.queue.readings():
            if one is None:
                yield None
                continue
            wanted, reading = one
            job.done += 1
            key = FileKey(root=wanted.root, path=wanted.path)
            yield None if job.is_overtaken(key) else self._judge.change_by(reading, key, job)

    def _store(self, batch: list[FileChange], job: Job) -> int:
        """Store a batch, without readings that are outdated: their files were looked at since."""
        current = [change for change in batch if not job.is_overtaken(change.key)]
        changed = self._storage.apply(self._removals.with_moved(job, current))
        self._storage.note_pending(job.done, job.queue.count)
        return changed
