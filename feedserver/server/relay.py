"""A pool of threads for the worker, of which one runs while it keeps up.

An ordinary pool wakes a thread for each request of those that arrive together. If a core is free, these
threads and the one that accepts connections then take the interpreter's lock from each other at every system
call, which is half of the cost of a cached answer (docs/measurements.md). Here one thread answers the
requests that arrive together, and the accepting thread waits for it. A document that must be rendered delays
the requests behind it by a millisecond; then another thread takes over. Knows nothing of gunicorn.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

log = logging.getLogger(__name__)

# Seconds. A cached answer takes 0.2 ms; a thread that takes longer than this renders a document.
LATE = 0.001

# Seconds until the next attempt to start a thread, after the system refused one.
PAUSE = 1.0

_Task = tuple[Future[Any], Callable[[], Any]]


class Relay(Executor):
    """A pool of threads of which one runs, until it is late and another takes over.

    A thread that was late finishes its task and is spare then. One thread alone calls `submit`, `wait` and
    `attend`.

    Args:
        threads: at most. Each is started when it is needed.
    """

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        # Each thread has a baton: a lock that it waits for. It is released to let the thread run.
        self._runner: threading.Lock | None = None
        self._spare: deque[threading.Lock] = deque()
        self._begun = 0.0  # when the last task began
        self._is_done = threading.Event()  # the runner waits for a task
        self._is_shut = False

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a function called by the running thread."""
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")  # as any executor
        future: Future[Any] = Future()
        if self._is_done.is_set():
            self._begun = time.monotonic()  # an idle runner is not late
        self._is_done.clear()
        self._tasks.put((future, partial(call, *args, **kwargs)))
        if self._runner is None:
            self._relieve()
        return future

    def is_behind(self) -> bool:
        """Whether a task waits while another thread could run."""
        return not self._tasks.empty() and (bool(self._spare) or len(self._threads) < self._most)

    def wait(self) -> None:
        """Wait until the submitted tasks are done, or the runner is late."""
        left = self._begun + LATE - time.monotonic()
        if left > 0:
            self._is_done.wait(min(left, LATE))

    def attend(self) -> None:
        """Let another thread take over if the runner is late."""
        if self.is_behind() and time.monotonic() - self._begun >= LATE:
            self._relieve()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when no task waits any more. A signal handler may call this.

        Nothing is cancelled, even with `cancel_futures`: requests that came before the stop are answered.
        """
        self._is_shut = True
        self._tasks.put(None)
        while self._spare:
            self._spare.pop().release()
        if wait:
            for thread in self._threads:
                thread.join()

    def join(self, seconds: float) -> None:
        """After `shutdown`: wait until the threads have ended, but not longer for one that is still busy."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _relieve(self) -> None:
        if self._spare:
            baton = self._spare.pop()
        else:
            baton = threading.Lock()
            baton.acquire()
            # A daemon: a worker that ends does not wait for it.
            thread = threading.Thread(target=self._work, args=(baton,), name="relay", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system refuses one: the runner goes on
                log.warning("a worker cannot start another thread: %s", error)
                self._begun = time.monotonic() + PAUSE
                return
            self._threads.append(thread)
        self._begun = time.monotonic()
        self._runner = baton
        baton.release()

    def _work(self, baton: threading.Lock) -> None:
        """The loop of a thread."""
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
            self._tasks.put(None)  # for the other threads
            return None
        self._begun = time.monotonic()
        future, call = task
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # as in any executor: the future has it
            failure = error
        goes_on = self._runner is baton
        if not goes_on:
            self._spare.append(baton)  # before the result, so that this thread is spare for the next task
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)
        return goes_on
