"""Offers to start the indexer, from every server process.

A thread of a serving process tries the lock twice a second. Whoever gets it starts the indexer as a
child process and hands the lock over; when that child or its starter dies, the lock is free and
another process does the same. Nothing is indexed here (promise 7), and nothing starts before
`start` is called, after the fork.
"""

from __future__ import annotations

import logging
import os
import site
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from feedserver.lock import IndexerLock
from feedserver.plan import Plan

log = logging.getLogger(__name__)

TRY_SECONDS = 0.5

# A child that dies at once will probably do so again, so each time the next one waits twice as long.
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
        retry = TRY_SECONDS
        while not self._stop.is_set():
            begun = time.monotonic()
            has_failed = self._try() and time.monotonic() - begun < QUICK_DEATH_SECONDS
            self._stop.wait(retry if has_failed else TRY_SECONDS)
            retry = min(2 * retry, RETRY_SECONDS) if has_failed else TRY_SECONDS

    def _try(self) -> bool:
        """Run the child if no other process does; whether that failed."""
        try:
            lock = IndexerLock.acquire(Path(self._plan.state_dir))
            if lock is None:
                return False
            try:
                child = self._start_child(lock)
            finally:
                lock.release()
            return self._attend(child)
        except OSError as error:
            log.error("the indexer cannot be started: %s", error)  # noqa: TRY400  one clear sentence
            return True

    def _start_child(self, lock: IndexerLock) -> subprocess.Popen[bytes]:
        """Start the child and hand it the lock."""
        return subprocess.Popen(  # noqa: S603  our own module, by the running interpreter
            # -P: the working directory may be a folder of articles, whose files are not to be imported.
            [sys.executable, "-P", "-m", "feedserver.child", str(lock.descriptor)],
            env={**os.environ, **_import_path()},
            stdin=subprocess.PIPE,
            bufsize=0,
            pass_fds=[lock.descriptor],
            # Not in the group of the terminal: Ctrl-C stops the server, and the server stops its child.
            process_group=0,
        )

    def _attend(self, child: subprocess.Popen[bytes]) -> bool:
        """Tell the child what to do and stay until it ends; whether it failed."""
        if child.stdin is None:
            raise AssertionError("a pipe was asked for")
        with child.stdin as stdin:
            _send(stdin, msgspec.json.encode(self._plan) + b"\n")
            while child.poll() is None and not self._stop.wait(0.1):
                pass
        try:
            status = child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
        if status == 0 or self._stop.is_set():
            return False
        log.warning("the indexer ended with status %d and is started again", status)
        return True


def _import_path() -> dict[str, str]:
    """What lets the child find this package where it is not installed."""
    package = str(Path(__file__).resolve().parent.parent)
    if package in site.getsitepackages():
        return {}
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{package}{os.pathsep}{others}" if others else package}


def _send(stream: IO[bytes], content: bytes) -> None:
    rest = memoryview(content)
    try:
        while rest:
            # A pipe without a buffer takes what fits.
            rest = rest[stream.write(rest) :]
    except BrokenPipeError:
        log.warning("the indexer ended before it was told what to do")
