"""Reads every article and tells what is wrong, without index, memory or state.

The same scan and the same reading as the indexer's, so that what `feedserver check` accepts is what
the server shows. Formats its report for people, programs and GitHub's annotations. Changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from feedserver.index.decisions import Candidate, choose_winner, doubled_id
from feedserver.model import FileContent, Finding, Severity, StatedArticle, Verdict
from feedserver.plan import Plan, Root
from feedserver.readings import Wanted, read_wanted
from feedserver.scanner import Found, Scan, ScanRules


class Checked(NamedTuple):
    """A file, its path as people write it, and what was found."""

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]


def check(plan: Plan, names: Sequence[str], now: int) -> list[Checked]:
    """Read all files of all roots, in the order of their paths.

    Args:
        plan: as for the indexer.
        names: how the roots are called in paths, in their order.
        now: in seconds since the epoch, to tell which articles are live.
    """
    rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
    claims: dict[str, list[Candidate]] = {}
    checked: list[Checked] = []
    for root, name in zip(plan.roots, names, strict=True):
        scan = Scan(Path(root.path), rules)
        found = {one.path: one for one in [*scan.walk(), *scan.odd]}
        for path in sorted(found):
            content = _read(root, found[path], plan.max_file_size)
            if content.stated is not None:
                candidate = _candidate(content.stated, len(checked), root, path)
                claims.setdefault(candidate.article_id, []).append(candidate)
            checked.append(Checked(f"{name}/{path}" if path else name, content.verdict, content.findings))
    for number, finding in _doubled(claims, checked, now):
        checked[number] = checked[number]._replace(findings=(*checked[number].findings, finding))
    return checked


def _read(root: Root, found: Found, max_file_size: int) -> FileContent:
    result = read_wanted(root, Wanted.of(0, found), max_file_size)
    if result is not None:
        return result.content
    gone = Finding(severity=Severity.INFO, code="vanished", message="vanished before it could be read")
    return FileContent(verdict=Verdict.NOT_ARTICLE, findings=(gone,))


def _candidate(stated: StatedArticle, number: int, root: Root, path: str) -> Candidate:
    prefix = root.reading.id_prefix
    return Candidate(
        file_id=number,
        article_id=stated.article_id,
        order_path=f"{prefix}/{path}" if prefix else path,
        published=stated.published,
        declared_update=stated.declared_update,
        mtime=0,
        date_is_provisional=stated.date_is_provisional,
    )


def _doubled(
    claims: Mapping[str, list[Candidate]], checked: Sequence[Checked], now: int
) -> Iterator[tuple[int, Finding]]:
    """What is to be said of live files that are not shown, because another one has their id."""
    for candidates in claims.values():
        winner = choose_winner(candidates, now)
        for candidate in candidates:
            if winner is not None and candidate is not winner and candidate.is_live(now):
                yield candidate.file_id, doubled_id(checked[winner.file_id].path)


def as_text(path: str, finding: Finding) -> str:
    """`path:line:column: severity code message`, as compilers write it."""
    place = f"{_one_line(path)}:{finding.line}:{finding.column}"
    return f"{place}: {finding.severity.value} {finding.code} {_one_line(finding.message)}"


def as_github(path: str, finding: Finding) -> str:
    """A workflow command that GitHub shows beside the line."""
    level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}[finding.severity]
    place = f"file={_escaped(path, ',:')},line={finding.line},col={finding.column}"
    return f"::{level} {place},title={finding.code}::{_escaped(finding.message, '')}"


def as_json(checked: Iterable[Checked]) -> str:
    """All findings as a JSON list."""
    rows = [
        {
            "path": _one_line(one.path),
            "line": finding.line,
            "column": finding.column,
            "severity": finding.severity.value,
            "code": finding.code,
            "message": finding.message,
        }
        for one in checked
        for finding in one.findings
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def _one_line(text: str) -> str:
    """Text that can neither end its line nor command a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _escaped(text: str, further: str) -> str:
    for char in "%\r\n" + further:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
