"""The indexer as a child process of a server process.

Started by `feedserver.starter` with the lock as an open file and the plan on standard input. It ends
when standard input does, which the kernel closes when the parent dies, however it dies. Everything
else is `feedserver.follower`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

import msgspec

from feedserver.errors import FeedserverError
from feedserver.lock import IndexerLock
from feedserver.plan import Plan
from feedserver.processes import freeze_imports

log = logging.getLogger(__name__)


def run(lock: IndexerLock, plan: Plan, stop: threading.Event) -> None:
    """Index until `stop` is set. The lock is held until the process ends.

    Raises:
        FeedserverError: if the state folder cannot be used.
    """
    # Not before: the processes that read articles are given this module, and need none of the indexer.
    from feedserver.follower import Follower  # noqa: PLC0415
    from feedserver.indexer import Indexer  # noqa: PLC0415

    lock.sign(plan.fingerprint)
    indexer = Indexer(plan)
    freeze_imports()
    try:
        Follower(indexer, plan, stop).run()
    finally:
        indexer.close()


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT end the work at the next safe moment."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def log_to_stderr(name: str = "indexer") -> None:
    """Log as gunicorn does, so that both can be read together; `name` is what this process does."""
    logging.basicConfig(
        level=logging.INFO,
        format=f"[%(asctime)s] [%(process)d] [%(levelname)s] {name}: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S %z",
    )
    # watchfiles announces every batch of events.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)


def _stop_at_end(descriptor: int, stop: threading.Event) -> None:
    # Not by the buffered stream: a thread that waits in it makes the interpreter abort at its end.
    while os.read(descriptor, 4096):
        pass
    stop.set()


def main(descriptor: int) -> int:
    """Entry point of the child: 0 after a stop that was asked for, 1 after a failure."""
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
        log.error("%s", error)  # noqa: TRY400  one clear sentence, not a traceback
        return 1
    except OSError as error:
        log.error("%s: cannot be written: %s", plan.state_dir, error.strerror)  # noqa: TRY400  as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
