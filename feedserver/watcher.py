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

# How long a watcher that failed stays away, so that what makes it fail cannot keep everybody busy.
FAILURE_SECONDS = 1.0


class Watcher:
    """Watches folders until it is closed. Use it as a context manager.

    It does not look again whether its folders are still the ones it was given: a folder that is removed
    and made anew is watched no more. `wait` then returns the folder itself.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
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
        """The absolute paths at which something happened; empty after `timeout` seconds of nothing.

        A watched folder itself is among them if something happened to it, or if events were lost and
        it will be watched no more.
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
