"""Gives each finding of a check its line, extent and remedy, and adds those that only a check looks for.

Reads each file once more than the reading processes did. A file that has changed or gone meanwhile keeps the
findings that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from feedserver.articles.frontmatter import read_front_matter
from feedserver.articles.nodes import FindingNotes
from feedserver.articles.rules import ReadingRules
from feedserver.articles.split_file import SplitFile
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode, Severity
from feedserver.indexing.checker import Checked
from feedserver.indexing.linting.helps import help_on
from feedserver.indexing.linting.remarks import remarks_on
from feedserver.indexing.linting.source_lines import Extent, extent_of, lines_of
from feedserver.indexing.plan import Plan
from feedserver.indexing.scanner import Unreadable, read_bytes
from feedserver.model import Finding

_LONGEST_SOURCE = 2_000  # characters of a line that are kept


class Diagnostic(NamedTuple):
    """A finding with all that a report shows of it.

    Attributes:
        path: of the file, as the operator writes it.
        severity, code, message: those of the finding.
        extent: its place.
        source: the line there; '' if there is none.
        help: how to mend it.
    """

    path: str
    severity: Severity
    code: FindingCode
    message: str
    extent: Extent
    source: str
    help: str


def diagnose(checked: Iterable[Checked], plan: Plan) -> Iterator[Diagnostic]:
    """All diagnostics of a check, in the order of files and lines."""
    for one in checked:
        root = plan.roots[one.root]
        result = read_bytes(root.path, one.relative, plan.max_file_size) if one.relative else None
        raw = b"" if result is None or isinstance(result, Unreadable) else result[0]
        yield from diagnose_file(raw, one, root.reading)


def diagnose_file(raw: bytes, checked: Checked, rules: ReadingRules) -> Sequence[Diagnostic]:
    """The diagnostics of one file with these bytes, in the order of its lines."""
    path = PurePosixPath(checked.relative or checked.path)
    remarks = remarks_on(raw, path, rules, checked.verdict) if raw else []
    findings = (*checked.findings, *remarks)
    if not findings:
        return ()
    lines, document = lines_of(raw), _document(raw, path, rules)
    made = [_diagnostic(one, checked.path, lines, document, rules) for one in findings]
    return sorted(made, key=lambda one: (one.extent.line, one.extent.begin))


def _document(raw: bytes, path: PurePosixPath, rules: ReadingRules) -> SplitFile | None:
    try:
        return read_front_matter(
            raw, path.suffix.lower(), FindingNotes(), header=rules.header, bare=rules.bare
        )
    except FrontMatterError:
        return None


def _diagnostic(
    finding: Finding, path: str, lines: Sequence[str], document: SplitFile | None, rules: ReadingRules
) -> Diagnostic:
    extent = extent_of(finding, lines, document, rules)
    source = lines[extent.line - 1][:_LONGEST_SOURCE] if extent.is_known else ""
    return Diagnostic(
        path=path,
        severity=finding.severity,
        code=finding.code,
        message=finding.message,
        extent=extent,
        source=source,
        help=help_on(finding, lines, extent.line if extent.is_known else 0),
    )
