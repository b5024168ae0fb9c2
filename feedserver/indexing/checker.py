"""Reads every article and reports its problems, without index, publication history or state folder.

Uses the same scan and the same reading as the indexer. An article without a finding may still be missing from
a feed: hidden articles, and those of the future or past their expiry, are no problems (`unshown`). The report
is for people, programs or GitHub's annotations. Changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from feedserver.findings import FindingCode, Severity
from feedserver.index.decisions import Candidate, choose_winner, doubled_id
from feedserver.index.file_values import FileContent, StatedArticle
from feedserver.indexing.plan import Plan, Root
from feedserver.indexing.reader_values import Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.scanner import FoundFile, Scan, ScanRules
from feedserver.indexing.unshown import Unshown, why_unshown
from feedserver.model import Finding, Verdict


class Checked(NamedTuple):
    """A file, its path as the operator writes it, and its findings.

    `shown` is the payload of its article, if a server shows it now; `unshown` tells why it is in no feed
    although nothing is wrong with it.
    """

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    shown: bytes | None = None
    unshown: Unshown | None = None


def check(plan: Plan, names: Sequence[str], now: int) -> list[Checked]:
    """Read all files of all roots, in the order of their paths.

    Args:
        plan: as for the indexer.
        names: the names of the roots in paths, in their order.
        now: in seconds since the epoch, to tell which articles are live.
    """
    candidates_by_id: dict[str, list[Candidate]] = {}
    with closing(ReadingQueue(plan)) as queue:
        all_wanted = [Wanted.of(root, one) for root in range(len(plan.roots)) for one in _found(plan, root)]
        numbers = {wanted: number for number, wanted in enumerate(all_wanted)}
        checked: list[Checked] = [Checked("", Verdict.NOT_ARTICLE, ())] * len(all_wanted)
        for wanted in all_wanted:
            queue.put(wanted)
        for wanted, reading in filter(None, queue.readings()):
            content = _VANISHED if reading is None else reading.content
            number, name, path = numbers[wanted], names[wanted.root], wanted.path
            shown = candidate = None
            if content.stated is not None:
                candidate = _candidate(content.stated, number, plan.roots[wanted.root], path)
                candidates_by_id.setdefault(candidate.article_id, []).append(candidate)
                shown = content.stated.payload if candidate.is_live(now) else None
            full = f"{name}/{path}" if path else name
            unshown = why_unshown(content.verdict, candidate, now)
            checked[number] = Checked(full, content.verdict, content.findings, shown, unshown)
    for number, finding in _doubled(candidates_by_id, checked, now):
        findings = (*checked[number].findings, finding)
        checked[number] = checked[number]._replace(findings=findings, shown=None)
    return checked


_VANISHED = FileContent(
    verdict=Verdict.NOT_ARTICLE,
    findings=(Finding.of(FindingCode.VANISHED, "vanished before it could be read"),),
)


def _found(plan: Plan, position: int) -> list[FoundFile]:
    """The finds in a root, in the order of their paths."""
    scan = Scan(Path(plan.roots[position].path), ScanRules.for_root(plan, plan.roots[position]))
    found = {one.path: one for one in [*scan.walk(), *scan.odd]}
    return [found[path] for path in sorted(found)]


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
        visible_from=stated.visible_from,
        visible_until=stated.visible_until,
    )


def _doubled(
    candidates_by_id: Mapping[str, list[Candidate]], checked: Sequence[Checked], now: int
) -> Iterator[tuple[int, Finding]]:
    """The findings about live files that are not shown because another one has their id."""
    for candidates in candidates_by_id.values():
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


def unshown_as_text(checked: Iterable[Checked]) -> Iterator[str]:
    """A line for each article that is in no feed: `path: is hidden`."""
    for one in checked:
        if one.unshown is not None:
            yield f"{_one_line(one.path)}: {one.unshown}"


def unshown_as_json(checked: Iterable[Checked]) -> str:
    """The articles that are in no feed as a JSON list."""
    rows = [
        {
            "path": _one_line(one.path),
            "reason": one.unshown.reason.name.lower(),
            "date": one.unshown.date or None,
        }
        for one in checked
        if one.unshown is not None
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def _one_line(text: str) -> str:
    """Text in one line, without control characters that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _escaped(text: str, further: str) -> str:
    for char in "%\r\n" + further:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
