"""The status of the server: freshness of the index, counts, problems.

Gathers facts. It shows nothing, and does not decide who may see them. Facts about files are separate from the
public facts, because a count of files would reveal hidden ones (promise 6). They are also read separately:
they alone take longer the more files there are. A status that fails when the index fails would be of little
use, so it reports the parts that cannot be read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from feedserver import __version__
from feedserver.errors import IndexNotReadyError
from feedserver.feeds.publisher import Publisher
from feedserver.findings import Severity
from feedserver.index.facts import BuildFacts, ClockJump
from feedserver.index.file_values import FileKey
from feedserver.indexing.deaths import Death, in_words, known_deaths
from feedserver.model import HistoryOrigin, Kind, ListingKey, Verdict
from feedserver.site.pages import Problem

log = logging.getLogger(__name__)

# A page does not show more; `feedserver check` shows all of them.
MOST_PROBLEMS = 500


class LastScan(msgspec.Struct, frozen=True):
    """When the last scan started and finished; None before the first one."""

    started: datetime | None
    finished: datetime | None


class LastChange(msgspec.Struct, frozen=True):
    """When a change of files was published last, and how long after it; None before the first one."""

    published: datetime | None
    lag_seconds: float | None


class HistoryState(msgspec.Struct, frozen=True):
    """How the publication history came to be, since when it is kept, and when it was copied last."""

    state: HistoryOrigin
    since: datetime
    copied: datetime | None


class SiteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The public status. Page and JSON show the fields that have a value, under their names.

    Without a value are: those of the index where it cannot be read, those of a running server in an export,
    and events that did not happen.
    """

    version: str = __version__
    articles: int | UnsetType = UNSET
    newest_change: datetime | UnsetType | None = UNSET
    last_scan: LastScan | UnsetType = UNSET
    last_change: LastChange | UnsetType = UNSET
    listings: dict[Kind, int] | UnsetType = UNSET
    last_jump_of_the_clock: ClockJump | UnsetType = UNSET
    publication_history: HistoryState | UnsetType = UNSET
    index: str | UnsetType = UNSET
    indexer: str | UnsetType = UNSET
    ready_answers_of_this_process: int | UnsetType = UNSET
    stale_answers_of_this_process: int | UnsetType = UNSET
    cache_failures_of_this_process: int | UnsetType = UNSET


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The details for operators only: counts of files, and reasons. Shown as `SiteStatus` is."""

    failure_of_the_index: str | UnsetType = UNSET
    files: dict[Verdict, int] | UnsetType = UNSET
    files_waiting: int | UnsetType = UNSET
    why_there_is_no_article: str | UnsetType = UNSET
    last_reason_of_a_stale_answer: str | UnsetType = UNSET
    deaths_of_the_indexer: list[str] | UnsetType = UNSET


class Inside(NamedTuple):
    """The facts for operators only: the details, and the problems of some files by name."""

    details: Details
    problems: Sequence[Problem]


def public_status(publisher: Publisher, deaths: Sequence[Death], ready_answers: int) -> SiteStatus:
    """The public status: how fresh the index is, and counts of what is published.

    Args:
        publisher: of the site.
        deaths: recent ones of indexers.
        ready_answers: how many requests this process answered on the fast path.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    try:
        status = _status_of_index(publisher)
    except IndexNotReadyError:
        raise
    # Exception: damaged rows, damaged files and the SQLite driver raise errors of any class.
    except Exception as error:
        if publisher.stale.failures.is_new("the status", error):
            log.exception("the status goes without the index")
        status = SiteStatus(index="cannot be read")
    return msgspec.structs.replace(
        status,
        indexer=in_words(deaths) if len(deaths) > 1 else UNSET,
        ready_answers_of_this_process=ready_answers,
        stale_answers_of_this_process=publisher.stale.count,
        cache_failures_of_this_process=publisher.cache.failures,
    )


def recent_deaths(state_dir: Path) -> Sequence[Death]:
    """The indexers of a state folder that died within the last hour."""
    return known_deaths(state_dir, time.time())


def status_of_articles(publisher: Publisher) -> SiteStatus:
    """The part of the status that changes with the articles only, and is not about a running server.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    everything = publisher.state(ListingKey(kind=Kind.ARTICLES))
    return SiteStatus(
        articles=everything.count, newest_change=everything.updated, listings=publisher.reader.counts()
    )


def _status_of_index(publisher: Publisher) -> SiteStatus:
    facts = publisher.reader.facts()
    scan, change = facts.scan, facts.change
    return msgspec.structs.replace(
        status_of_articles(publisher),
        last_scan=LastScan(None, None) if scan is None else LastScan(scan.started, scan.finished),
        last_change=LastChange(None, None) if change is None else LastChange(change.published, change.lag),
        last_jump_of_the_clock=facts.clock_jump or UNSET,
        publication_history=_history(facts),
    )


def _history(facts: BuildFacts) -> HistoryState | UnsetType:
    if facts.beginning is None:
        return UNSET
    since = datetime.fromtimestamp(facts.beginning.since, UTC)
    return HistoryState(state=facts.beginning.origin, since=since, copied=facts.copied)


def inside(publisher: Publisher, deaths: Sequence[Death], root_names: Sequence[str]) -> Inside:
    """The facts for operators.

    Args:
        publisher: of the site.
        deaths: recent ones of indexers.
        root_names: how the roots are called in paths, in their order.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    reader, stale = publisher.reader, publisher.stale
    reasons = Details(
        last_reason_of_a_stale_answer=stale.last_reason if stale.count else UNSET,
        deaths_of_the_indexer=[str(death) for death in deaths] or UNSET,
    )
    try:
        verdicts, facts = reader.verdicts(), reader.facts()
        findings = reader.findings()[:MOST_PROBLEMS]
    except IndexNotReadyError:
        raise
    # Exception: as above. The operator sees this reason, so it is not logged.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return Inside(msgspec.structs.replace(reasons, failure_of_the_index=reason), ())
    details = msgspec.structs.replace(
        reasons,
        files={verdict: verdicts[verdict] for verdict in Verdict if verdict in verdicts},
        files_waiting=facts.pending or 0,
        why_there_is_no_article=facts.advice or UNSET,
    )
    problems = [Problem(path=_path(key, root_names), finding=finding) for key, finding in findings]
    return Inside(details, problems)


def in_short(publisher: Publisher, now: datetime) -> str:
    """The state of the index in one line.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    facts = publisher.reader.facts()
    scan, change = facts.scan, facts.change
    ago = "never" if scan is None else f"{max(0, int((now - scan.finished).total_seconds()))} s ago"
    severities = [finding.severity for _, finding in publisher.reader.findings()]
    parts = [
        f"last scan {ago}, of {_counted(0 if scan is None else scan.files, 'file')}",
        f"{_counted(facts.pending or 0, 'file')} waiting",
        _counted(severities.count(Severity.ERROR), "problem"),
    ]
    if change is not None:
        parts.append(f"the last change was published {change.lag:.3f} s after its file")
    return "; ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_json(status: SiteStatus, found: Inside | None) -> bytes:
    """The status as JSON, with details and problems if they are shown."""
    details = {} if found is None else {**values(found.details), "problems": found.problems}
    return msgspec.json.encode({**values(status), **details})


def values(part: SiteStatus | Details) -> dict[str, object]:
    """The fields that have a value: plain values, datetimes, and lists and mappings of them."""
    found: dict[str, object] = msgspec.to_builtins(part, builtin_types=(datetime,))
    return found


def _path(key: FileKey, root_names: Sequence[str]) -> str:
    root = root_names[key.root] if key.root < len(root_names) else ""
    return f"{root}/{key.path}" if root and key.path else root or key.path
