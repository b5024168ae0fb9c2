"""gunicorn's worker with threads, of which one answers while it keeps up.

Only who answers changes: connections, parsing, limits, reload and stop stay gunicorn's. Its own pool wakes a
thread for each of the requests that came together. Where a core is free, these and the thread that waits for
connections then take the interpreter's lock from each other at every call of the system, which is half of
what a ready answer costs (docs/measurements.md). Here one thread answers the requests that came together,
and the thread that waits for more waits for that as well. A client that reads slowly, or a document that has
to be made, costs those behind it a millisecond; then another thread goes on. Knows nothing of what is served.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

log = logging.getLogger(__name__)

# Seconds. An answer that is ready takes 0.2 ms; who is not done by then works, or waits for a client.
LATE = 0.001

# Seconds that a thread which computes keeps the interpreter from others, instead of Python's 5 ms. What is
# ready waits for that at each call of the system while documents are made: half of these answers took 5.9 ms,
# and take 0.9, for 2 to 4 % more time of the documents (docs/measurements.md).
SWITCH = 0.0002

# Seconds until another thread is tried for where the system has none to give.
PAUSE = 1.0

_Task = tuple[Future[Any], Callable[[], Any]]


class Relay(Executor):
    """A pool of threads of which one runs, until it is late and another takes over.

    Who was late ends what it does, and is spare then. One thread submits, and attends.

    Args:
        threads: at most; each is started when it is needed.
    """

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        # Each thread has a baton: a lock that it waits for, released when the thread is to run.
        self._runner: threading.Lock | None = None
        self._spare: deque[threading.Lock] = deque()
        self._begun = 0.0  # when the last task was
        self._is_done = threading.Event()  # the runner waits for a task
        self._is_shut = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have something called by whoever runs."""
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")  # as any executor
        future: Future[Any] = Future()
        if self._is_done.is_set():
            self._begun = time.monotonic()  # so that a runner who had nothing to do is not late
        self._is_done.clear()
        self._tasks.put((future, partial(call, *args, **kwargs)))
        if self._runner is None:
            self._relieve()
        return future

    def is_behind(self) -> bool:
        """Whether something waits that a thread without work could do."""
        return not self._tasks.empty() and (bool(self._spare) or len(self._threads) < self._most)

    def wait(self) -> None:
        """Wait for what was submitted, but not for long."""
        left = self._begun + LATE - time.monotonic()
        if left > 0:
            self._is_done.wait(min(left, LATE))

    def attend(self) -> None:
        """Relieve a runner who is late."""
        if self.is_behind() and time.monotonic() - self._begun >= LATE:
            self._relieve()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when nothing waits any more. A handler of signals may call this.

        Nothing is cancelled, whatever is asked: who sent a request before the stop is answered.
        """
        self._is_shut = True
        self._tasks.put(None)
        while self._spare:
            self._spare.pop().release()
        if wait:
            for thread in self._threads:
                thread.join()

    def _relieve(self) -> None:
        if self._spare:
            baton = self._spare.pop()
        else:
            baton = threading.Lock()
            baton.acquire()
            # A daemon: a worker that ends, for whatever reason, waits for no client that does not read.
            thread = threading.Thread(target=self._work, args=(baton,), name="relay", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has none to give: who runs goes on
                log.warning("a worker cannot start another thread: %s", error)
                self._begun = time.monotonic() + PAUSE
                return
            self._threads.append(thread)
        self._begun = time.monotonic()
        self._runner = baton
        baton.release()

    def _work(self, baton: threading.Lock) -> None:
        """What a thread does."""
        baton.acquire()
        while (goes_on := self._run(baton)) is not None:
            if not goes_on and not self._is_shut:
                baton.acquire()

    def _run(self, baton: threading.Lock) -> bool | None:
        """Run the next task; whether this thread takes the one after it too, None for the end."""
        if self._tasks.empty():
            self._is_done.set()
        task = self._tasks.get()
        if task is None:
            self._tasks.put(None)  # the others shall end as well
            return None
        self._begun = time.monotonic()
        future, call = task
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # as any executor: it is for who asks the future
            failure = error
        goes_on = self._runner is baton
        if not goes_on:
            self._spare.append(baton)  # first, so that who asks the future finds this thread if it is needed
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)
        return goes_on


class Worker(ThreadWorker):
    """gunicorn's worker with threads, with a `Relay` for its pool."""

    tpool: Relay  # type: ignore[assignment]  # gunicorn asks for nothing that only its own pool has

    def init_process(self) -> None:
        """Called by gunicorn after the fork; returns when the worker ends."""
        sys.setswitchinterval(SWITCH)
        super().init_process()

    def get_thread_pool(self) -> Relay:  # type: ignore[override]  # likewise
        """Called by gunicorn, once."""
        return Relay(self.cfg.threads)

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Called by gunicorn over and over: look who connected, who asks, and who was answered."""
        connections = self.nr_conns
        super().wait_for_and_dispatch_events(LATE if self.tpool.is_behind() else timeout)
        # One connection is accepted at a time; the next of many shall not wait for the first one's answer.
        if self.nr_conns <= connections:
            self.tpool.wait()
        self.tpool.attend()
