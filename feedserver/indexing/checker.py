"""Reads every article and reports its problems, without index, publication history or state folder.

Uses the same scan and the same reading as the indexer. An article without a finding may still be missing from
a feed: hidden articles, and those of the future or past their expiry, are no problems (`unshown`). Changes
nothing. `linting` adds what only a check looks for, and makes the reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from feedserver.articles.reading import read_article
from feedserver.findings import FindingCode
from feedserver.index.contents import content_of
from feedserver.index.decisions import Candidate, choose_winner, doubled_id
from feedserver.index.file_values import FileContent, StatedArticle
from feedserver.indexing.neighbours import neighbours_of
from feedserver.indexing.plan import Plan, Root
from feedserver.indexing.reader_values import Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.scanner import FoundFile, Scan, ScanRules
from feedserver.indexing.unshown import Unshown, why_unshown
from feedserver.model import Finding, Verdict


class Checked(NamedTuple):
    """A file, its path as the operator writes it, and its findings.

    `shown` is the payload of its article, if a server shows it now; `unshown` tells why it is in no feed
    although nothing is wrong with it. `root` is the position of its root, and `relative` its path below.
    """

    path: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    shown: bytes | None = None
    unshown: Unshown | None = None
    root: int = 0
    relative: str = ""


def check(
    plan: Plan, names: Sequence[str], now: int, only: Sequence[Sequence[str]] | None = None
) -> list[Checked]:
    """Read all files of all roots, in the order of their paths; or those that are named.

    Args:
        plan: as for the indexer.
        names: the names of the roots in paths, in their order.
        now: in seconds since the epoch, to tell which articles are live.
        only: for each root the paths of the files to read; a path that no scan would find is left out.
    """
    candidates_by_id: dict[str, list[Candidate]] = {}
    with closing(ReadingQueue(plan)) as queue:
        all_wanted = [
            Wanted.of(root, one)
            for root in range(len(plan.roots))
            for one in _found(plan, root, None if only is None else only[root])
        ]
        numbers = {wanted: number for number, wanted in enumerate(all_wanted)}
        checked: list[Checked] = [Checked("", Verdict.NOT_ARTICLE, ())] * len(all_wanted)
        for wanted in all_wanted:
            queue.put(wanted)
        for wanted, reading in filter(None, queue.readings()):
            content = _VANISHED if reading is None else reading.content
            number, name, path = numbers[wanted], names[wanted.root], wanted.path
            full = f"{name}/{path}" if path else name
            candidate = _candidate(content.stated, number, plan.roots[wanted.root], path)
            if candidate is not None:
                candidates_by_id.setdefault(candidate.article_id, []).append(candidate)
            checked[number] = _judged(content, candidate, now)._replace(
                path=full, root=wanted.root, relative=path
            )
    for number, finding in _doubled(candidates_by_id, checked, now):
        findings = (*checked[number].findings, finding)
        checked[number] = checked[number]._replace(findings=findings, shown=None)
    return checked


def check_bytes(raw: bytes, plan: Plan, root: int, path: str, now: int) -> Checked:
    """Read the bytes of one file as if they were at a path of a root, such as those of an editor's buffer."""
    place = plan.roots[root]
    if len(raw) > plan.max_file_size:
        message = f"is larger than {plan.max_file_size:,} bytes (scan.max_file_size)"
        finding = Finding.of(FindingCode.TOO_LARGE, message)
        content = FileContent(verdict=Verdict.BROKEN, findings=(finding,))
    else:
        mtime, neighbours = datetime.fromtimestamp(now, UTC), neighbours_of(place, plan, lambda: now)
        reading = read_article(raw, PurePosixPath(path), mtime, place.reading, neighbours)
        content = content_of(reading, plan.listing_rules)
    judged = _judged(content, _candidate(content.stated, 0, place, path), now)
    return judged._replace(path=path, root=root, relative=path)


def _judged(content: FileContent, candidate: Candidate | None, now: int) -> Checked:
    is_shown = content.stated is not None and candidate is not None and candidate.is_live(now)
    shown = content.stated.payload if is_shown and content.stated is not None else None
    return Checked("", content.verdict, content.findings, shown, why_unshown(content.verdict, candidate, now))


_VANISHED = FileContent(
    verdict=Verdict.NOT_ARTICLE,
    findings=(Finding.of(FindingCode.VANISHED, "vanished before it could be read"),),
)


def _found(plan: Plan, position: int, only: Sequence[str] | None) -> list[FoundFile]:
    """The finds in a root, in the order of their paths."""
    scan = Scan(Path(plan.roots[position].path), ScanRules.for_root(plan, plan.roots[position]))
    if only is not None:
        looked_at = map(scan.look, filter(scan.is_below, sorted(set(only))))
        return [one for one in looked_at if one is not None]
    found = {one.path: one for one in [*scan.walk(), *scan.odd]}
    return [found[path] for path in sorted(found)]


def _candidate(stated: StatedArticle | None, number: int, root: Root, path: str) -> Candidate | None:
    if stated is None:
        return None
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
