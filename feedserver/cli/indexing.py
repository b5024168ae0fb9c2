"""Brings the index up to date for a command: by itself, or by the indexer that is running."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feedserver.cli.progress import progress_bar
from feedserver.index.reader import IndexReader
from feedserver.index.stores import open_store
from feedserver.indexing.indexer import Indexer, Summary
from feedserver.indexing.lock import RESCAN_REQUEST, IndexerLock, refuse_other_indexer
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_pool import close_process_pool
from feedserver.system import private

# How often a command that waits for a running indexer looks.
LOOK_SECONDS = 0.1


def bring_up_to_date(plan: Plan) -> Summary | None:
    """Index now, or wait for a scan of the indexer that runs already: then there is no summary."""
    lock = IndexerLock.acquire(Path(plan.state_dir))
    if lock is None:
        refuse_other_indexer(Path(plan.state_dir), plan.fingerprint)
        lock = lock_after_scan(plan)
    return None if lock is None else index_once(lock, plan)


def index_once(lock: IndexerLock, plan: Plan) -> Summary:
    """Scan as the holder of the lock, and release it."""
    lock.sign(plan.fingerprint)
    indexer = Indexer(plan)
    try:
        # Closed here if a step fails or is interrupted: before the reading processes and the index.
        with closing(indexer.scan()) as scan, progress_bar("Reading articles") as show:
            for step in scan:
                show(step)
            return scan.result
    finally:
        close_process_pool()
        indexer.close()
        lock.release()


def lock_after_scan(plan: Plan) -> IndexerLock | None:
    """Wait until the running indexer has published all that a scan found which began after now.

    Returns:
        None; or, if that indexer ended before it had done so, its lock, for the caller to index.
    """
    state_dir = Path(plan.state_dir)
    begun = datetime.now(UTC)
    begun -= timedelta(microseconds=begun.microsecond % 1000)  # scans are noted in milliseconds
    (state_dir / RESCAN_REQUEST).touch(private.FILE_MODE)
    store = open_store(plan.store)
    reader = IndexReader(store)
    try:
        while (lock := IndexerLock.acquire(state_dir)) is None:
            if store.is_indexed():
                facts = reader.facts()
                # A file that was written a moment ago is published when it has been still for a while.
                if facts.scan is not None and facts.scan.started >= begun and not facts.pending:
                    return None
            time.sleep(LOOK_SECONDS)
    finally:
        reader.close()
    return lock
