"""The indexer as a child process of a server process.

Started by `indexing.supervisor` with the lock as an open file and the plan on standard input. It ends when
its standard input is closed, which the kernel does when the parent dies, even by SIGKILL. All other work is
done by `indexing.follower`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import msgspec

from feedserver.errors import FeedserverError, HistoryLostError, ServerBusyError, StoreUnreachableError
from feedserver.indexing.deaths import QUICK_SECONDS, leave_words
from feedserver.indexing.lock import IndexerLock
from feedserver.indexing.plan import Plan
from feedserver.system.processes import freeze_imports

log = logging.getLogger(__name__)

# Between two attempts of an indexer that waits for a database, or for another indexer to end.
WAIT_SECONDS = 0.5

# If the history is lost again and again, this process cannot mend the cause.
MOST_LOSSES = 3


def run(lock: IndexerLock, plan: Plan, stop: threading.Event) -> None:
    """Index until `stop` is set. The lock is held until the process ends.

    If the publication history is lost meanwhile, all files are opened again, which repairs it if possible.

    Raises:
        FeedserverError: if the state folder cannot be used.
    """
    # Imported here, because a child whose parent died first needs none of them.
    from feedserver.indexing.follower import Follower  # noqa: PLC0415
    from feedserver.indexing.indexer import Indexer  # noqa: PLC0415
    from feedserver.indexing.reader_pool import close_process_pool, process_pool  # noqa: PLC0415

    process_pool().warm_up()  # in parallel to the rest, so that the first edit need not wait for it
    lock.sign(plan.fingerprint)
    losses, waits = 0, _Waits(stop)
    try:
        while not losses or not stop.is_set():
            begun = time.monotonic()
            try:
                with closing(Indexer(plan)) as indexer:
                    freeze_imports()
                    waits.end()
                    Follower(indexer, plan, stop).run()
            except HistoryLostError as error:
                losses = losses + 1 if time.monotonic() - begun < QUICK_SECONDS else 1
                if losses > MOST_LOSSES:
                    raise
                log.error("%s; it is opened anew", error)  # noqa: TRY400  one clear sentence
            except (ServerBusyError, StoreUnreachableError) as error:
                waits.wait(error)
                if stop.is_set():
                    return
            else:
                return
    finally:
        close_process_pool()


class _Waits:
    """The pauses of an indexer that cannot index just now: without a database, or while another one does."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._reason = ""

    def wait(self, error: FeedserverError) -> None:
        """Wait a while, and log the reason if it is a new one."""
        if (reason := str(error)) != self._reason:
            log.warning("%s; this indexer waits", reason)
        self._reason = reason
        self._stop.wait(WAIT_SECONDS)

    def end(self) -> None:
        """Log the end of a pause, if there was one."""
        if self._reason:
            log.warning("this indexer goes on")
        self._reason = ""


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT end the work after the current step."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def log_to_stderr(name: str = "indexer") -> None:
    """Log in the format of gunicorn, so that both logs can be read together; `name` names this process."""
    logging.basicConfig(
        level=logging.INFO,
        format=f"[%(asctime)s] [%(process)d] [%(levelname)s] {name}: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S %z",
    )
    # watchfiles announces every batch of events.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)


def _stop_at_end(descriptor: int, stop: threading.Event) -> None:
    # Not through the buffered stream: a thread that waits in it makes the interpreter abort at exit.
    while os.read(descriptor, 4096):
        pass
    stop.set()


def main(descriptor: int) -> int:
    """Entry point of the child: 0 after a requested stop, 1 after a failure."""
    log_to_stderr()
    stop = threading.Event()
    stop_on_signals(stop)
    told = sys.stdin.buffer.readline()
    if not told:
        return 0  # the parent died first
    plan = msgspec.json.decode(told, type=Plan)
    threading.Thread(target=_stop_at_end, args=(sys.stdin.fileno(), stop), daemon=True).start()
    try:
        run(IndexerLock.inherited(descriptor), plan, stop)
    except FeedserverError as error:
        return _failed(plan, str(error))
    except OSError as error:
        return _failed(plan, f"{plan.state_dir}: cannot be written: {error.strerror}")
    except Exception as error:
        leave_words(Path(plan.state_dir), f"{type(error).__name__}: {error}")
        raise
    return 0


def _failed(plan: Plan, sentence: str) -> int:
    """Report the failure in the log and for the status page. Returns the exit status."""
    log.error("%s", sentence)
    leave_words(Path(plan.state_dir), sentence)
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
