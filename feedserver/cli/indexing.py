"""Brings the index up to date for a command: by itself, or by the indexer that is running."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feedserver.cli.progress import progress_bar
from feedserver.cli.state import refuse_other_indexer
from feedserver.index import builds
from feedserver.index.reader import IndexReader
from feedserver.indexer import Indexer, Summary
from feedserver.lock import RESCAN_REQUEST, IndexerLock
from feedserver.plan import Plan

# How often a command that waits for a running indexer looks.
LOOK_SECONDS = 0.1


def bring_up_to_date(plan: Plan) -> Summary | None:
    """Index now, or wait for a scan of the indexer that runs already: then there is no summary."""
    lock = IndexerLock.acquire(Path(plan.state_dir))
    if lock is None:
        refuse_other_indexer(plan)
        lock = lock_after_scan(plan)
    return None if lock is None else index_once(lock, plan)


def index_once(lock: IndexerLock, plan: Plan) -> Summary:
    """Index as who holds the lock."""
    lock.sign(plan.fingerprint)
    indexer = Indexer(plan)
    try:
        with progress_bar("Reading articles") as progress:
            return indexer.refresh(progress)
    finally:
        indexer.close()
        lock.release()


def lock_after_scan(plan: Plan) -> IndexerLock | None:
    """Wait until the running indexer has finished a scan that began after now.

    Returns:
        None; or, if that indexer ended before it had done so, its lock, for the caller to index.
    """
    state_dir = Path(plan.state_dir)
    begun = datetime.now(UTC)
    begun -= timedelta(microseconds=begun.microsecond % 1000)  # scans are noted in milliseconds
    (state_dir / RESCAN_REQUEST).touch()
    reader = IndexReader(state_dir)
    try:
        while (lock := IndexerLock.acquire(state_dir)) is None:
            if builds.serving_build(state_dir) is not None:
                started = reader.facts().get("scan_started")
                if started and datetime.fromisoformat(started) >= begun:
                    return None
            time.sleep(LOOK_SECONDS)
    finally:
        reader.close()
    return lock
