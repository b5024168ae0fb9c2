"""Offers to start the indexer, from every server process.

A thread of a serving process tries the lock once a second. Whoever gets it starts the indexer as a
child process and hands the lock over; when that child or its starter dies, the lock is free and
another process does the same. Nothing is indexed here (promise 7), and nothing starts before
`start` is called, after the fork.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from feedserver.lock import IndexerLock
from feedserver.plan import Plan

log = logging.getLogger(__name__)

TRY_SECONDS = 0.5

# A child that dies at once will probably do so again.
RETRY_SECONDS = 10.0
QUICK_DEATH_SECONDS = 5.0

# How long a stopping server waits for its child to finish a batch.
STOP_SECONDS = 5.0


class IndexerStarter:
    """The offer of one process. Start it after the fork; stop it before the process ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="indexer-starter", daemon=True)

    def start(self) -> None:
        """Begin to offer. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the child, if this process has it, and wait for its end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            lock = IndexerLock.acquire(Path(self._plan.state_dir))
            pause = TRY_SECONDS if lock is None else self._run_child(lock)
            self._stop.wait(pause)

    def _run_child(self, lock: IndexerLock) -> float:
        """Start the child, hand it the lock, stay until it ends; the seconds to wait then."""
        begun = time.monotonic()
        child = subprocess.Popen(  # noqa: S603  our own module, by the running interpreter
            [sys.executable, "-m", "feedserver.child", str(lock.descriptor)],
            stdin=subprocess.PIPE,
            pass_fds=[lock.descriptor],
        )
        lock.release()
        stdin = child.stdin
        if stdin is None:
            raise AssertionError("a pipe was asked for")
        try:
            stdin.write(msgspec.json.encode(self._plan) + b"\n")
            stdin.flush()
        except BrokenPipeError:
            log.warning("the indexer ended before it was told what to do")
        while child.poll() is None and not self._stop.wait(0.1):
            pass
        stdin.close()
        try:
            status = child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        if status == 0 or self._stop.is_set():
            return 0
        log.warning("the indexer ended with status %d and is started again", status)
        return RETRY_SECONDS if time.monotonic() - begun < QUICK_DEATH_SECONDS else 0
