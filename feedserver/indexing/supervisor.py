"""Starts the indexer as a child process, and starts it again when it dies.

Every server process has a supervisor: a thread that tries the lock twice a second. The process that gets it
starts the child, and both hold the lock. When the child dies, its supervisor notes the death (`deaths`) and
releases the lock. When the supervisor dies, the child ends. In both cases the lock is free, and another
process takes it after a pause that grows with the number of deaths. This module indexes nothing itself
(promise 7), and starts nothing before `start` is called, after the fork.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from feedserver.indexing.deaths import Death, delay_after, in_words, known_deaths, note_death
from feedserver.indexing.lock import IndexerLock
from feedserver.indexing.plan import Plan
from feedserver.system.processes import ended_by, module_command, module_environment

log = logging.getLogger(__name__)

TRY_SECONDS = 0.5

# If the indexer cannot even be started, because the state folder is missing for example, the supervisor tries
# again at growing intervals, up to this one.
RETRY_SECONDS = 10.0

# How long a stopping server waits for its child to finish a batch.
STOP_SECONDS = 5.0


class IndexerSupervisor:
    """The supervisor of one process. Start it after the fork; stop it before the process ends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state_dir = Path(plan.state_dir)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="indexer-supervisor", daemon=True)

    def start(self) -> None:
        """Start the thread. Returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the child, if this process started it, and wait until it has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        retry = TRY_SECONDS
        while not self._stop.is_set():
            could_try = self._try()
            self._stop.wait(TRY_SECONDS if could_try else retry)
            retry = TRY_SECONDS if could_try else min(2 * retry, RETRY_SECONDS)

    def _try(self) -> bool:
        """Run the child, unless another process runs it or it died a moment ago.

        Returns:
            Whether that could be tried: not if the lock or the child gave an error.
        """
        try:
            lock = IndexerLock.acquire(self._state_dir)
            if lock is None:
                return True
            try:
                self._run_child(lock)
            finally:
                # Only after the child's death is noted, so that the next holder knows of it.
                lock.release()
        except OSError as error:
            log.error("the indexer cannot be started: %s", error)  # noqa: TRY400  one clear sentence
            return False
        return True

    def _run_child(self, lock: IndexerLock) -> None:
        if self._is_too_soon(time.time()):
            return
        begun = time.monotonic()
        status = self._attend(self._start_child(lock))
        if status != 0 and not self._stop.is_set():
            self._note_death(status, time.monotonic() - begun)

    def _is_too_soon(self, now: float) -> bool:
        deaths = known_deaths(self._state_dir, now)
        return bool(deaths) and 0 <= now - deaths[-1].at < delay_after(deaths)

    def _note_death(self, status: int, lived: float) -> None:
        """Record and log the death of the child."""
        death = Death(at=time.time(), lived=round(lived, 1), reason=ended_by(status))
        deaths = note_death(self._state_dir, death)
        story = in_words(deaths) if len(deaths) > 1 else f"the indexer died by {death.reason}"
        wait = max(TRY_SECONDS, delay_after(deaths))
        log.warning("%s, %.1f s after its start; it is started again in %g s", story, lived, wait)

    def _start_child(self, lock: IndexerLock) -> subprocess.Popen[bytes]:
        """Start the child and hand it the lock."""
        return subprocess.Popen(  # noqa: S603  our own module, by the running interpreter
            module_command("feedserver.indexing.child", str(lock.descriptor)),
            env=module_environment(),
            stdin=subprocess.PIPE,
            bufsize=0,
            pass_fds=[lock.descriptor],
            # Not in the group of the terminal: Ctrl-C stops the server, and the server stops its child.
            process_group=0,
        )

    def _attend(self, child: subprocess.Popen[bytes]) -> int:
        """Send the plan to the child and wait until it ends. Returns its exit status."""
        if child.stdin is None:
            raise AssertionError("a pipe was asked for")
        with child.stdin as stdin:
            _send(stdin, msgspec.json.encode(self._plan) + b"\n")
            while child.poll() is None and not self._stop.wait(0.1):
                pass
        try:
            return child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _send(stream: IO[bytes], content: bytes) -> None:
    rest = memoryview(content)
    try:
        while rest:
            # An unbuffered pipe may take only a part.
            rest = rest[stream.write(rest) :]
    except BrokenPipeError:
        log.warning("the indexer ended before it was told what to do")
