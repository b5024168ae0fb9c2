"""Reads the bytes of one file to a `Reading`: the entry point of this package.

Never raises for any bytes (promise 5): a broken file is a reading with findings. The order of the checks is
that of importance: files that are not articles are left alone; an article that its author hides is hidden,
even if the file has errors (promise 6); then come taxonomy, errors, missing date, article. No I/O and no
clock: the caller decides whether a publication lies in the future.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from feedserver.articles.article import build_article, date_article, note_removed_tags
from feedserver.articles.fields import Fields
from feedserver.articles.file_names import date_of_file_name
from feedserver.articles.frontmatter import read_front_matter
from feedserver.articles.hiding_lines import hides_at_margin, hides_broken_file
from feedserver.articles.nodes import MAX_FINDINGS, FindingNotes
from feedserver.articles.other_data import may_be_article
from feedserver.articles.rules import ReadingRules
from feedserver.articles.source_file import Neighbours, SourceFile
from feedserver.articles.split_file import DATA_SUFFIXES, SplitFile
from feedserver.articles.taxonomy import is_taxonomy, read_taxonomy
from feedserver.articles.template_fields import fields_of
from feedserver.articles.visibility import Visibility, visibility_of
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode, Severity
from feedserver.model import Finding, Reading, Verdict

__all__ = ["PARSER_VERSION", "ReadingRules", "read_article"]

# Raised whenever the same file gives other values than before; the index is then built anew.
PARSER_VERSION = 8

_SEVERITIES = list(Severity)  # worst first


def read_article(
    raw: bytes,
    path: PurePosixPath,
    mtime: datetime,
    rules: ReadingRules,
    neighbours: Neighbours | None = None,
) -> Reading:
    """The reading of a file: its kind, its content, and its findings.

    Args:
        raw: the bytes of the file.
        path: its path below the root.
        mtime: its modification time, with a time zone; used only if the rules date articles by it.
        rules: of its root.
        neighbours: asked for the addresses of other files that the file links to; without it such links are
            broken.
    """
    notes = FindingNotes()
    if not raw.removeprefix(b"\xef\xbb\xbf").strip():
        return _not_article(FindingCode.EMPTY_FILE, "the file is empty")
    if _is_underscored(path, rules):
        return _underscored(path)
    try:
        document = read_front_matter(raw, path.suffix.lower(), notes, header=rules.header, bare=rules.bare)
    except FrontMatterError as error:
        notes.add(error.code, error.reason, error.line, error.column)
        return _unreadable(raw, path, rules, notes)
    if document is None:
        return _not_article(FindingCode.NO_FRONT_MATTER, "the file has no front matter")
    reading = _judge(document, SourceFile(path, neighbours), mtime, rules, notes)
    if document.is_whole or reading.verdict is Verdict.HIDDEN:
        return reading
    return _unreadable(raw, path, rules, notes)


class Address(NamedTuple):
    """The address of an article, and when it is visible: from `since` on, and no longer at `until`."""

    url: str
    since: datetime
    until: datetime | None


def read_address(raw: bytes, path: PurePosixPath, mtime: datetime, rules: ReadingRules) -> Address | None:
    """The address of the article in a file, as `read_article` finds it; None if there is no article.

    The body is not read, unless it has the title.
    """
    if _is_underscored(path, rules):
        return None
    notes = FindingNotes()
    try:
        document = read_front_matter(raw, path.suffix.lower(), notes, header=rules.header, bare=rules.bare)
    except FrontMatterError:
        return None
    if document is None:
        return None
    if "heading" not in rules.titles:
        document = msgspec.structs.replace(document, body="")
    reading = _judge(document, SourceFile(path), mtime, rules, notes)
    article = reading.article
    if article is None:
        return None
    since = max(article.published, reading.visible_from or article.published)
    return Address(article.url, since, reading.visible_until)


def _judge(
    document: SplitFile, source: SourceFile, mtime: datetime, rules: ReadingRules, notes: FindingNotes
) -> Reading:
    fields, path = fields_of(document, source, rules, notes), source.path
    if document.is_whole and not _states_article(fields, path):
        return _not_article(FindingCode.NOT_AN_ARTICLE, "the file states neither title, date nor URL")
    visibility = visibility_of(fields)
    if visibility.is_hidden:
        return _reading(Verdict.HIDDEN, notes)
    if not document.is_whole:
        return _reading(Verdict.BROKEN, notes)
    if hides_at_margin(document.front, rules.hidden_if):
        notes.add(
            FindingCode.HIDDEN_BY_LINE, "a line inside a text would hide the article; is a quote not closed?"
        )
        return _reading(Verdict.HIDDEN, notes)
    is_article = not is_taxonomy(fields)
    return (
        _read_article(fields, document, source, mtime, visibility)
        if is_article
        else _read_taxonomy(fields, source)
    )


def _unreadable(raw: bytes, path: PurePosixPath, rules: ReadingRules, notes: FindingNotes) -> Reading:
    """The reading of a file whose front matter could not be read whole."""
    is_data = path.suffix.lower() in DATA_SUFFIXES
    if hides_broken_file(raw, is_data=is_data, hidden_if=rules.hidden_if):
        return _reading(Verdict.HIDDEN, notes)
    if is_data and not may_be_article(raw, path, rules):
        message = "the file cannot be read, and nothing in it is a date or the name of one"
        return _not_article(FindingCode.NOT_AN_ARTICLE, message)
    return _reading(Verdict.BROKEN, notes)


def _is_underscored(path: PurePosixPath, rules: ReadingRules) -> bool:
    return path.name.startswith("_") and not rules.underscored


def _underscored(path: PurePosixPath) -> Reading:
    if path.stem == "_index":
        return _not_article(FindingCode.SECTION_PAGE, "the file is the page of a section, as Hugo has them")
    return _not_article(FindingCode.NOT_AN_ARTICLE, "the name of the file begins with _, as templates do")


def _read_taxonomy(fields: Fields, source: SourceFile) -> Reading:
    taxonomy = read_taxonomy(fields)
    note_removed_tags(source, fields.notes)
    if fields.notes.has_errors:
        return _reading(Verdict.BROKEN, fields.notes)
    return Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy, findings=_findings(fields.notes))


def _read_article(
    fields: Fields, document: SplitFile, source: SourceFile, mtime: datetime, visibility: Visibility
) -> Reading:
    notes = fields.notes
    dating = date_article(fields, source.path, mtime)
    article = build_article(fields, document, source, dating.published)
    note_removed_tags(source, notes)
    quality, heat = fields.integer("quality") or 0, fields.integer("heat") or 0
    if dating.is_unreadable:
        return _reading(Verdict.HIDDEN, notes)
    if notes.has_errors:
        return _reading(Verdict.BROKEN, notes)
    if article is None:
        notes.add(FindingCode.UNDATED, "nothing says when the article was published; it is in no feed")
        return _reading(Verdict.UNDATED, notes)
    return Reading(
        verdict=Verdict.ARTICLE,
        article=article,
        quality=quality,
        heat=heat,
        date_is_provisional=dating.is_provisional,
        visible_from=visibility.since,
        visible_until=visibility.until,
        links=tuple(source.links.items()),
        findings=_findings(notes),
    )


def _states_article(fields: Fields, path: PurePosixPath) -> bool:
    """Whether a file states anything of an article; a data file, more than settings of programs do."""
    if fields.rules.titles and fields.rules.date_from_mtime:
        return True
    if is_taxonomy(fields) or fields.date_entry("published") or date_of_file_name(path, fields.rules):
        return True
    title, url = fields.find("title"), fields.find("url")
    if path.suffix.lower() not in DATA_SUFFIXES:
        return bool(title or url)
    return bool(title and (url or fields.find("body")))


def _not_article(code: FindingCode, message: str) -> Reading:
    return Reading(verdict=Verdict.NOT_ARTICLE, findings=(Finding.of(code, message),))


def _reading(verdict: Verdict, notes: FindingNotes) -> Reading:
    return Reading(verdict=verdict, findings=_findings(notes))


def _findings(notes: FindingNotes) -> tuple[Finding, ...]:
    """The findings in the order of the file; if there are too many, the worst."""
    worst = sorted(notes.findings, key=lambda finding: _SEVERITIES.index(finding.severity))
    return tuple(sorted(worst[:MAX_FINDINGS], key=lambda finding: (finding.line, finding.column)))
