"""From a found path to a reading: reads the bytes of one file and parses them.

The step between `scanner` and `articles`, shared by the indexer and by `feedserver check`. Does not decide
about publication, and starts no process: `reading_queue` has many files read, by the processes of
`reader_pool`. Keeps promise 5: an exception that a parser raises becomes a finding of that file.
"""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import PurePosixPath

from feedserver.articles.hiding_lines import hides_broken_file
from feedserver.articles.reading import read_article
from feedserver.articles.split_file import DATA_SUFFIXES
from feedserver.findings import FindingCode, Severity
from feedserver.index.contents import content_of
from feedserver.index.file_values import FileContent, Stamp
from feedserver.indexing.neighbours import neighbours_of
from feedserver.indexing.plan import Plan, Root
from feedserver.indexing.reader_values import FileReading, Wanted
from feedserver.indexing.scanner import Unreadable, read_bytes
from feedserver.model import Finding, Verdict

# The end of a traceback names the failure; more than this would flood the log.
_TRACE_CHARACTERS = 8000


def read_wanted(plan: Plan, wanted: Wanted) -> FileReading | None:
    """The reading of a path now; None if the file is gone.

    Raises:
        MemoryError: if the process has no memory left; the caller decides how to go on.
    """
    found, root = wanted.found, plan.roots[wanted.root]
    if found is not None and found.finding is not None:
        broken = found.finding.severity is Severity.ERROR
        verdict = Verdict.BROKEN if broken else Verdict.NOT_ARTICLE
        content = FileContent(verdict=verdict, findings=(found.finding,))
        return FileReading(stamp=found.stamp, content=content, is_found=True)
    result = read_bytes(root.path, wanted.path, plan.max_file_size)
    if result is None:
        return None
    if isinstance(result, Unreadable):
        return FileReading(stamp=result.stamp, content=_broken(result.finding))
    raw, stamp = result
    try:
        return FileReading(stamp=stamp, content=_content(raw, stamp, wanted.path, root, plan))
    except (MemoryError, KeyboardInterrupt):
        raise
    # BaseException, because a panic of a Rust extension is not an Exception.
    except BaseException as error:
        return internal_error(stamp, error, is_hidden=_hides(raw, wanted.path))


def _content(raw: bytes, stamp: Stamp, path: str, root: Root, plan: Plan) -> FileContent:
    mtime = datetime.fromtimestamp(stamp.mtime_ns // 1_000_000_000, UTC)
    neighbours = neighbours_of(root, plan, time.time)
    reading = read_article(raw, PurePosixPath(path), mtime, root.reading, neighbours)
    return content_of(reading, plan.listing_rules)


def internal_error(stamp: Stamp, error: BaseException, *, is_hidden: bool) -> FileReading:
    """The reading of a file at which the program failed.

    `is_hidden`: a line of the file hides its article, as in any other broken file (promise 6). The text of
    the exception goes to the log only, because it may quote the file, and a hidden file has secrets.
    """
    kind = type(error).__name__
    message = f"cannot be read because of a defect of feedserver ({kind}); the log has the traceback"
    finding = Finding.of(FindingCode.INTERNAL_ERROR, message)
    trace = "".join(traceback.format_exception(error))[-_TRACE_CHARACTERS:]
    return FileReading(stamp=stamp, content=_broken(finding, is_hidden=is_hidden), trace=trace)


def set_aside(plan: Plan, wanted: Wanted, stamp: Stamp, reason: str) -> FileReading:
    """The reading of a file that ended its reading process twice; valid until the stamp changes."""
    result = read_bytes(plan.roots[wanted.root].path, wanted.path, plan.max_file_size)
    is_hidden = (
        isinstance(result, tuple) and not isinstance(result, Unreadable) and _hides(result[0], wanted.path)
    )
    message = f"ended the process that read it, twice ({reason}); it is set aside until it changes"
    finding = Finding.of(FindingCode.SET_ASIDE, message)
    return FileReading(stamp=stamp, content=_broken(finding, is_hidden=is_hidden), is_found=True)


def _hides(raw: bytes, path: str) -> bool:
    return hides_broken_file(raw, is_data=PurePosixPath(path).suffix.lower() in DATA_SUFFIXES)


def _broken(finding: Finding, *, is_hidden: bool = False) -> FileContent:
    return FileContent(verdict=Verdict.HIDDEN if is_hidden else Verdict.BROKEN, findings=(finding,))
