"""Keeps the target of an export up to date while articles change.

Looks at the index as the threads of a server do (`index.store.Serving`), and exports after each commit that
changed something, one export at a time: the next one includes commits that happen meanwhile. The target stays
locked between exports. It is opened anew after an error, and if another one is in its place. A failure is
logged once and tried again at growing intervals; the watch ends only when it is stopped. Does not index, and
does not depend on the process that does.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import FeedserverError, IndexNotReadyError
from feedserver.export.run import Failure, bring_up_to_date, death
from feedserver.export.site import ExportPlan, ExportSite
from feedserver.export.target import Target
from feedserver.export.targets import open_target

log = logging.getLogger(__name__)

# How often the index is looked at: a comparison of 48 bytes (measured: less than a percent of a core).
LOOK_SECONDS = 0.01

# The wait after a failure: a second, then twice as long each time.
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0


class ExportWatch:
    """The watch over one target. A context manager; for one thread.

    Args:
        plan: the site, and the parts of it to export.
        address: as for `run.export`.
        is_stopped: asked all the time; ends an export between two documents, too.

    Raises:
        ExportError: on construction, if the target is no export or another export has it.
        OSError: on construction, if it cannot be made or written.
        StorageError: on construction, if object storage cannot be used.
    """

    def __init__(self, plan: ExportPlan, address: Path | str, is_stopped: Callable[[], bool]) -> None:
        self._plan = plan
        self._address = str(address)
        self._is_stopped = is_stopped
        self._target: Target | None = open_target(self._address, self._plan)
        self._site: ExportSite | None = None
        self._exported = ""  # the revision that the target is of
        self._told: frozenset[str] = frozenset()
        self._patience = FIRST_RETRY_SECONDS
        self._not_before = 0.0
        self._again_at = math.inf

    def __enter__(self) -> ExportWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the target and the index; the next look opens both anew."""
        target, self._target = self._target, None
        if target is not None:
            target.close()
        site, self._site = self._site, None
        if site is not None:
            site.close()

    def run(self) -> None:
        """Export whenever something changed, until stopped."""
        while not self._is_stopped():
            if time.monotonic() >= self._not_before:
                self._look()
            # Not by waiting for an event: a signal that sets it in that moment would wait for ever.
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        """Export if something changed, or if it is time to try again."""
        is_retry = time.monotonic() >= self._again_at
        try:
            if self._site is None:
                self._site = ExportSite(self._plan)
            revision = self._site.revision()
            if revision != self._exported or is_retry:
                failures = self._export(self._site)
                self._exported = revision
                self._tell({str(failure): failure.trace for failure in failures}, is_retry=is_retry)
        except IndexNotReadyError:
            pass  # the first index is being built
        # Exception, because a damaged row may raise any. It is logged and tried again, as every failure.
        except Exception as error:
            self._start_over()
            self._tell(dict([self._told_as(error)]), is_retry=is_retry)
            self._not_before = self._again_at

    def _export(self, site: ExportSite) -> Sequence[Failure]:
        begun = time.perf_counter()
        try:
            summary = bring_up_to_date(self._open_target(), site, is_stopped=self._is_stopped)
        except IndexNotReadyError:
            self._start_over()
            raise
        log.info(
            "%d documents in %.2f s: %d written, %d removed",
            summary.documents,
            time.perf_counter() - begun,
            summary.written,
            summary.removed,
        )
        return summary.failures

    def _open_target(self) -> Target:
        """The target that is at the address now: it is written by address, whichever is locked."""
        if self._target is not None and not self._target.is_in_place():
            self._target.close()
            self._target = None
        if self._target is None:
            self._target = open_target(self._address, self._plan)
        return self._target

    def _start_over(self) -> None:
        """Open all anew at the next look, which reads the records of the target again."""
        self._exported = ""
        self.close()

    def _tell(self, problems: Mapping[str, str], *, is_retry: bool) -> None:
        """Log the problems that the export before this did not have, and note when to try again.

        Later than before only if this was a retry: a commit is no attempt to mend the failure.
        """
        for sentence in problems.keys() - self._told:
            log.error("%s", "\n".join(filter(None, (sentence, problems[sentence]))))
        self._told = frozenset(problems)
        if not problems:
            self._again_at, self._patience = math.inf, FIRST_RETRY_SECONDS
            return
        if is_retry:
            self._patience = min(2 * self._patience, LONGEST_RETRY_SECONDS)
        self._again_at = time.monotonic() + self._patience

    def _told_as(self, error: Exception) -> tuple[str, str]:
        """The sentence of an error; and where the program failed, if it is none that can be expected."""
        if isinstance(error, OSError):
            return f"{error.filename2 or error.filename or self._address}: {error.strerror}", ""
        if isinstance(error, BrokenProcessPool):
            return f"{self._address}: {death(error)}", ""
        if isinstance(error, SQLAlchemyError):
            return f"the index or the publication history cannot be used: {error.__cause__ or error}", ""
        if isinstance(error, FeedserverError):
            return str(error), ""
        return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
