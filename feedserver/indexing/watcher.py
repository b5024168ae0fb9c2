"""Watches the roots: a thread that turns the events of the system into sets of paths.

Reports only the paths of events, not their kinds; the indexer looks at the paths. Events can be missed
(network file systems, full queues), so the indexer also rescans. Collects events for at most 100 ms. Known to
work with watchfiles 1.3, whose first delivery, of nothing, tells that the watches are set; the tests of the
indexer fail if a release tells it in another way.
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

# The pause after a failure of the watcher, so that a lasting cause does not keep the processor busy.
FAILURE_SECONDS = 1.0


class Watcher:
    """Watches folders until it is closed. Use it as a context manager.

    A folder that is removed and created again is no longer watched; `wait` then returns the folder itself.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._paths: queue.SimpleQueue[set[str]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def __enter__(self) -> Watcher:
        """Start. Returns when the system watches, or has refused: a scan that begins now misses no change."""
        self._thread.start()
        self._settled.wait()  # the thread sets it whatever happens (`_run`)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self, timeout: float) -> set[str]:
        """The absolute paths of events; empty after `timeout` seconds without one.

        They include a watched folder itself if it was changed, or if events were lost and it is no longer
        watched.
        """
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
            if self._settled.is_set():
                # One name that is not UTF-8 is enough (watchfiles: "Unable to decode path").
                log.warning("events were lost, all folders are read again: %s", error)
                self._stop.wait(FAILURE_SECONDS)
                self._paths.put({str(folder) for folder in self.folders})
            else:
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
