"""Gives a command the publisher of an index, of whichever folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feedserver.feeds.publisher import Publisher
from feedserver.index.stores import open_store
from feedserver.indexing.lock import IndexerLock
from feedserver.settings.sources import Settings
from feedserver.wiring.indexing import make_plan, prepare_state, take_over
from feedserver.wiring.publishing import make_publisher


@contextmanager
def indexed(settings: Settings, *, is_fresh: bool = False) -> Iterator[Publisher]:
    """A publisher over the index that is there, whichever folders it is of; made now, if there is none.

    `is_fresh`: the index must be that of the folders, and is brought up to date.
    """
    plan = make_plan(settings)
    if is_fresh:
        from feedserver.cli.indexing import bring_up_to_date  # noqa: PLC0415  as below

        prepare_state(settings)
        bring_up_to_date(plan)
    elif not open_store(plan.store).is_indexed():
        # Imported here, because they are not needed if there is an index.
        from feedserver.cli.indexing import index_once, lock_after_scan  # noqa: PLC0415  see above

        prepare_state(settings)
        lock = IndexerLock.acquire(Path(plan.state_dir)) or lock_after_scan(plan)
        if lock is not None:
            index_once(lock, plan)
    if not plan.store.url:
        take_over(Path(plan.state_dir))
    publisher = make_publisher(settings)
    try:
        yield publisher
    finally:
        publisher.close()
