"""How the server does: freshness of the index, counts, problems.

Gathers facts; shows nothing and decides nobody's right to see them. What tells of files and not of
articles is kept apart from the public facts: a count of files would tell of hidden ones (promise 6).
It is asked for apart, too, because it is the only thing here that takes longer the more files there are.
A status that fails when the index does would be of little use: what it cannot read, it says so of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from feedserver import __version__
from feedserver.errors import IndexNotReadyError
from feedserver.model import FileKey, Kind, ListingKey, Severity, Verdict
from feedserver.publisher import Publisher
from feedserver.web.pages import Problem

log = logging.getLogger(__name__)

# A page of more would help nobody; `feedserver check` shows them all.
MOST_PROBLEMS = 500


class Inside(NamedTuple):
    """What only operators may see: counts of files, and the problems of some of them by name."""

    details: Mapping[str, object]
    problems: Sequence[Problem]


def public_facts(publisher: Publisher, ready_answers: int) -> dict[str, object]:
    """What everybody may know: how fresh the index is, and counts of what is published.

    Args:
        publisher: of the site.
        ready_answers: how many requests this process answered from what was ready.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    try:
        facts = index_facts(publisher)
    except IndexNotReadyError:
        raise
    # Exception: a damaged row, a damaged file and the driver raise what they like.
    except Exception:
        log.exception("the status goes without the index")
        facts = {"index": "cannot be read"}
    return {
        "version": __version__,
        **facts,
        "ready answers of this process": ready_answers,
        "stale answers of this process": publisher.stale.count,
        "cache failures of this process": publisher.cache.failures,
    }


def index_facts(publisher: Publisher) -> dict[str, object]:
    """What the index says of what is published, and of itself.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    reader = publisher.reader
    noted = reader.facts()
    everything = publisher.state(ListingKey(kind=Kind.ARTICLES))
    return {
        "articles": everything.count,
        "newest change": everything.updated,
        "last scan": {
            "started": _moment(noted.get("scan_started")),
            "finished": _moment(noted.get("scan_finished")),
        },
        "last change": {
            "published": _moment(noted.get("change_published")),
            "lag_seconds": _number(noted.get("change_lag")),
        },
        "listings": reader.counts(),
    }


def inside(publisher: Publisher, root_names: Sequence[str]) -> Inside:
    """What operators may see besides.

    Args:
        publisher: of the site.
        root_names: how the roots are called in paths, in their order.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    reader, stale = publisher.reader, publisher.stale
    reason = {"last reason of a stale answer": stale.last_reason} if stale.count else {}
    try:
        verdicts, facts = reader.verdicts(), reader.facts()
        findings = reader.findings()[:MOST_PROBLEMS]
    except IndexNotReadyError:
        raise
    # Exception: as above. Who may see reasons is told this one, and needs no log.
    except Exception as error:
        return Inside({"failure of the index": f"{type(error).__name__}: {error}", **reason}, ())
    details: dict[str, object] = {
        "files": {verdict.value: verdicts[verdict] for verdict in Verdict if verdict in verdicts},
        "files waiting": int(facts.get("pending", 0)),
        **reason,
    }
    problems = [Problem(path=_path(key, root_names), finding=finding) for key, finding in findings]
    return Inside(details, problems)


def in_short(publisher: Publisher, now: datetime) -> str:
    """How the index does, in one line.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    noted = publisher.reader.facts()
    finished = _moment(noted.get("scan_finished"))
    ago = "never" if finished is None else f"{max(0, int((now - finished).total_seconds()))} s ago"
    severities = [finding.severity for _, finding in publisher.reader.findings()]
    parts = [
        f"last scan {ago}, of {noted.get('scan_files', 0)} files",
        f"{noted.get('pending', 0)} files waiting",
        f"{severities.count(Severity.ERROR)} problems",
    ]
    if "change_lag" in noted:
        parts.append(f"the last change was published {noted['change_lag']} s after its file")
    return "; ".join(parts)


def as_json(facts: Mapping[str, object], found: Inside | None) -> bytes:
    """The status as JSON, with details and problems where there are any to show."""
    details = {} if found is None else {**found.details, "problems": found.problems}
    return msgspec.json.encode(
        {name.replace(" ", "_"): value for name, value in {**facts, **details}.items()}
    )


def _path(key: FileKey, root_names: Sequence[str]) -> str:
    root = root_names[key.root] if key.root < len(root_names) else ""
    return f"{root}/{key.path}" if root and key.path else root or key.path


def _number(noted: str | None) -> float | None:
    return None if noted is None else float(noted)


def _moment(noted: str | None) -> datetime | None:
    return None if noted is None else datetime.fromisoformat(noted).astimezone(UTC)
