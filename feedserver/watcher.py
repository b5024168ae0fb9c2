"""Waits for changes below the roots: a thread that turns OS events into sets of paths.

Tells only that something happened at a path, never what; the indexer looks. Events can be missed
(network file systems, full queues), which is why the indexer also rescans. Keeps the window in which
events are gathered below 100 ms.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from pathlib import Path

import watchfiles

log = logging.getLogger(__name__)

# watchfiles' default window of 1.6 s delayed the first delivery by as much under steady writes
# (measured). A delivery comes after 20 ms of silence, and after 100 ms at the latest.
WINDOW_MS = 100
SILENCE_MS = 20
HEARTBEAT_MS = 100


class Watcher:
    """Watches folders until it is closed. Use it as a context manager.

    Attributes:
        works: False once the OS has refused to watch (no more watches, say); then only rescans help.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self.works = True
        self._paths: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Watcher:
        """Start; returns when the OS watches (or has refused), so that a scan begun now misses nothing."""
        self._thread.start()
        self._settled.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self, timeout: float) -> set[str]:
        """The absolute paths at which something happened; empty after `timeout` seconds of nothing."""
        try:
            paths = set(self._paths.get(timeout=max(timeout, 0)))
        except queue.Empty:
            return set()
        while not self._paths.empty():
            paths |= self._paths.get()
        return paths

    def _run(self) -> None:
        try:
            if self.folders:
                self._watch()
        except (OSError, RuntimeError) as error:
            self.works = False
            log.warning("files cannot be watched, changes are found by rescans only: %s", error)
        finally:
            self._settled.set()

    def _watch(self) -> None:
        changes = watchfiles.watch(
            *self.folders,
            watch_filter=None,
            debounce=WINDOW_MS,
            step=SILENCE_MS,
            rust_timeout=HEARTBEAT_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            raise_interrupt=False,
        )
        # The first delivery, of nothing, says that the watches are set.
        for batch in changes:
            self._settled.set()
            if batch:
                self._paths.put({path for _, path in batch})
