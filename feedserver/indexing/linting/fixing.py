"""Writes mended files in place of broken ones, and shows the differences.

The new file takes the place of the old one in one step, so that a server never reads half of it. It has the
old one's rights, and the modification time of the moment: the file has changed, and a server must read it
again. An article whose only date is that time is left alone, because it would move in every feed.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from feedserver.findings import FindingCode
from feedserver.indexing.checker import Checked
from feedserver.indexing.linting.repairs import FileToMend, repair
from feedserver.indexing.linting.source_lines import one_line
from feedserver.indexing.plan import Plan
from feedserver.indexing.scanner import Unreadable, read_bytes


class Fix(NamedTuple):
    """A file that can be mended: its path as the operator writes it, its place, and its bytes.

    `is_refused`: its article has no other date than the modification time.
    """

    path: str
    place: Path
    before: bytes
    after: bytes
    is_refused: bool


def fixes(
    checked: Iterable[Checked], plan: Plan, codes: Collection[FindingCode], *, line_ends: bool
) -> Iterator[Fix]:
    """The repairs of files that a check has read."""
    for one in checked:
        if not one.relative:
            continue
        root = plan.roots[one.root]
        result = read_bytes(root.path, one.relative, plan.max_file_size)
        if result is None or isinstance(result, Unreadable):
            continue
        raw, stamp = result
        if not _may_be_mended(raw, one, line_ends=line_ends):
            continue
        mtime = datetime.fromtimestamp(stamp.mtime_ns // 1_000_000_000, UTC)
        source = FileToMend(PurePosixPath(one.relative), mtime, root.reading)
        mended = repair(raw, source, codes, line_ends=line_ends)
        if mended is not None:
            place = Path(root.path, one.relative)
            yield Fix(one.path, place, raw, mended.raw, mended.is_dated_by_file)


def _may_be_mended(raw: bytes, one: Checked, *, line_ends: bool) -> bool:
    is_faulty = any(finding.code is FindingCode.YAML_SYNTAX for finding in one.findings)
    return is_faulty or raw.startswith(b"\xef\xbb\xbf") or (line_ends and b"\r" in raw)


def write(fix: Fix) -> None:
    """Put the mended file in place of the old one.

    Raises:
        OSError: it cannot be written; the old file is as it was.
    """
    place = fix.place.resolve()
    mode = place.stat().st_mode & 0o7777
    handle, name = tempfile.mkstemp(prefix=".feedserver-", dir=place.parent)  # hidden: no scan reads it
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(fix.after)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def difference(fix: Fix) -> Iterator[str]:
    """The lines of a unified diff; characters that an editor does not show are written as escapes."""
    before, after = (_lines(raw) for raw in (fix.before, fix.after))
    path = one_line(fix.path)
    yield from map(one_line, difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm=""))


def _lines(raw: bytes) -> list[str]:
    return raw.decode("utf-8").split("\n")
