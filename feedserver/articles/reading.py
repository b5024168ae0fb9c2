"""One file's bytes to a `Reading`: the composition of this package, and its door.

Never raises for any bytes (promise 5): a broken file is a reading that says why. The order of judgement is
the order of what must not go wrong: what is no article is left alone; what its author hides is hidden,
whatever else is wrong with it (promise 6); then taxonomy, errors, missing date, article. No I/O and no
clock: whether a publication lies in the future is for the caller to judge.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath

from feedserver.articles.article import build_article, date_article, date_of_file_name
from feedserver.articles.fields import Fields
from feedserver.articles.frontmatter import Document, read_front_matter
from feedserver.articles.nodes import Notes
from feedserver.articles.rules import ReadingRules
from feedserver.articles.taxonomy import is_taxonomy, read_taxonomy
from feedserver.articles.visibility import is_hidden
from feedserver.errors import FrontMatterError
from feedserver.model import Finding, Reading, Severity, Verdict

__all__ = ["PARSER_VERSION", "ReadingRules", "read_article"]

# Raised whenever the same file is read to other values than before; the index is then built anew.
PARSER_VERSION = 3

_MAX_FINDINGS = 20  # per file: a file of repeated keys must not flood the report
_SEVERITIES = list(Severity)  # worst first


def read_article(raw: bytes, path: PurePosixPath, mtime: datetime, rules: ReadingRules) -> Reading:
    """What a file is and holds.

    Args:
        raw: the bytes of the file.
        path: its path below the root.
        mtime: its modification time, with a time zone; used only where the rules date articles by it.
        rules: what the settings say about the root.
    """
    notes = Notes()
    if not raw.removeprefix(b"\xef\xbb\xbf").strip():
        return _not_article("empty-file", "the file is empty")
    try:
        document = read_front_matter(raw, path.suffix.lower(), notes)
    except FrontMatterError as error:
        notes.error(error.code, error.reason, error.line, error.column)
        return _reading(Verdict.BROKEN, notes)
    if document is None:
        return _not_article("no-front-matter", "the file has no front matter")
    return _judge(document, path, mtime, rules, notes)


def _judge(
    document: Document, path: PurePosixPath, mtime: datetime, rules: ReadingRules, notes: Notes
) -> Reading:
    fields = Fields(document.fields, rules, notes)
    if document.is_whole and path.stem == "_index":
        return _not_article("section-page", "the file is the page of a section, as Hugo has them")
    if document.is_whole and not _may_be_article(fields, path):
        return _not_article("not-an-article", "the file states neither title, date nor URL")
    if is_hidden(fields):
        return _reading(Verdict.HIDDEN, notes)
    if not document.is_whole:
        return _reading(Verdict.BROKEN, notes)
    return _read_taxonomy(fields) if is_taxonomy(fields) else _read_article(fields, document, path, mtime)


def _read_taxonomy(fields: Fields) -> Reading:
    taxonomy = read_taxonomy(fields)
    if fields.notes.has_errors:
        return _reading(Verdict.BROKEN, fields.notes)
    return Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy, findings=_findings(fields.notes))


def _read_article(fields: Fields, document: Document, path: PurePosixPath, mtime: datetime) -> Reading:
    notes = fields.notes
    dating = date_article(fields, path, mtime)
    article = build_article(fields, document, path, dating.published)
    quality, heat = fields.integer("quality") or 0, fields.integer("heat") or 0
    if notes.has_errors:
        return _reading(Verdict.BROKEN, notes)
    if article is None:
        notes.warning("undated", "nothing says when the article was published; it is in no feed")
        return _reading(Verdict.UNDATED, notes)
    return Reading(
        verdict=Verdict.ARTICLE,
        article=article,
        quality=quality,
        heat=heat,
        date_is_provisional=dating.is_provisional,
        findings=_findings(notes),
    )


def _may_be_article(fields: Fields, path: PurePosixPath) -> bool:
    stated = any(fields.find(field) is not None for field in ("title", "published", "url"))
    return stated or is_taxonomy(fields) or date_of_file_name(path, fields.rules) is not None


def _not_article(code: str, message: str) -> Reading:
    finding = Finding(severity=Severity.INFO, code=code, message=message)
    return Reading(verdict=Verdict.NOT_ARTICLE, findings=(finding,))


def _reading(verdict: Verdict, notes: Notes) -> Reading:
    return Reading(verdict=verdict, findings=_findings(notes))


def _findings(notes: Notes) -> tuple[Finding, ...]:
    """The findings in the order of the file; of too many the worst."""
    worst = sorted(notes.findings, key=lambda finding: _SEVERITIES.index(finding.severity))
    return tuple(sorted(worst[:_MAX_FINDINGS], key=lambda finding: (finding.line, finding.column)))
