"""Reports what only a check looks for: keys that look like known ones, values that are dropped, marks.

Indexing does not pay for it. Reads no files: it is given their bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

from feedserver.articles.field_keys import KEYS, keys_of_fields
from feedserver.articles.fields import Fields, parts_of
from feedserver.articles.frontmatter import read_front_matter
from feedserver.articles.nodes import MAX_FINDINGS, FindingNotes, KeyValue, Mapping, Scalar
from feedserver.articles.rules import ReadingRules
from feedserver.articles.split_file import DATA_SUFFIXES, SplitFile
from feedserver.articles.text import quoted
from feedserver.errors import FrontMatterError
from feedserver.findings import FINDINGS, FindingCode
from feedserver.indexing.linting.lookalikes import MoreKnown, look_alike
from feedserver.indexing.linting.source_lines import lines_of
from feedserver.model import Finding, Verdict

# Keys of one file that are compared; each takes 0.1 ms.
_MOST_KEYS = 1_000
_TEXTS = ("title", "excerpt", "topics", "category", "authors", "provider")
# A comment of YAML that was meant as text: `C #4 wins`, `tags: #boats #pier`. Comments begin with a blank.
_CUT = re.compile(r"[ \t]#(?=[^\s#])")
# Field, keys in its parts, the values that are read, and what these are. A size that is no number is found by
# reading.
_PARTS = (
    ("actions", ("type", "mime_type"), re.compile(r"[^\s/;]+/[^\s/;]+"), "a media type, such as audio/mpeg"),
    ("images", ("width", "height"), re.compile(r"(?!\+?0+\Z)[^-].*"), "a size in pixels"),
)


def remarks_on(raw: bytes, path: PurePosixPath, rules: ReadingRules, verdict: Verdict) -> list[Finding]:
    """The findings about one file that reading does not have."""
    if path.name.startswith("_") and not rules.underscored:
        return []
    found = []
    if raw.startswith(codecs.BOM_UTF8):
        found.append(Finding.of(FindingCode.BYTE_ORDER_MARK, "the file begins with a byte order mark"))
    suffix = path.suffix.lower()
    if verdict is Verdict.NOT_ARTICLE and suffix in DATA_SUFFIXES:
        return found  # the settings of some program
    try:
        document = read_front_matter(raw, suffix, FindingNotes(), header=rules.header, bare=rules.bare)
    except FrontMatterError:
        return found
    if document is not None:
        for remarks in (
            _mistyped_keys(document, rules),
            _cut_texts(document, lines_of(raw), rules),
            _unread_content(document, suffix),
            _unread_parts(document, rules),
        ):
            found += islice(remarks, MAX_FINDINGS)
    return found


def _finding(code: FindingCode, message: str, entry: KeyValue) -> Finding:
    severity = FINDINGS[code].severity
    return Finding(severity=severity, code=code, message=message, line=entry.line, column=entry.column)


def _mistyped_keys(document: SplitFile, rules: ReadingRules) -> Iterator[Finding]:
    more = MoreKnown(rules.more_keys, rules.hidden_if)
    entries = document.fields.entries
    present = {entry.key.lower() for entry in entries}
    for entry in entries[:_MOST_KEYS]:
        if meant := look_alike(entry.key, more, present):
            message = f"the key {quoted(entry.key)} is not read; is {quoted(meant)} meant?"
            yield _finding(FindingCode.UNKNOWN_KEY, message, entry)


def _cut_texts(document: SplitFile, lines: Sequence[str], rules: ReadingRules) -> Iterator[Finding]:
    if "#" not in document.front:
        return
    fields = keys_of_fields(rules.more_keys)
    texts = {key for field in _TEXTS for key in fields[field]}
    for entry in document.fields.entries:
        value = entry.value
        if entry.key.lower() not in texts or not isinstance(value, Scalar) or not value.plain:
            continue
        line = lines[entry.line - 1] if entry.line <= len(lines) else ""
        cut = _CUT.search(line)
        # The value ends there: else it is a text of several lines, in which the mark is a part of it.
        if cut and (value.is_empty or line[: cut.start()].rstrip().endswith(value.text)):
            message = f"{entry.key} ends before #, which begins a comment in YAML; put the value in quotes"
            yield _finding(FindingCode.DROPPED_VALUE, message, entry)


def _unread_content(document: SplitFile, suffix: str) -> Iterator[Finding]:
    if suffix in DATA_SUFFIXES:
        return
    for entry in document.fields.entries:
        if entry.key.lower() in KEYS["body"] and not entry.value.is_empty:
            message = f"{entry.key} is read in data files only; here the text after the front matter counts"
            yield _finding(FindingCode.DROPPED_VALUE, message, entry)


def _unread_parts(document: SplitFile, rules: ReadingRules) -> Iterator[Finding]:
    """Media types of actions and sizes of pictures that cannot be meant; reading takes others, or none."""
    fields = Fields(document.fields, rules, FindingNotes())
    for field, names, is_right, demand in _PARTS:
        for inner in _entries_of_parts(fields, field):
            value = inner.value
            if inner.key.lower() not in names or not isinstance(value, Scalar) or value.is_empty:
                continue
            if not is_right.fullmatch(value.text.strip()):
                message = f"{inner.key} is not {demand}: {quoted(value.text)}; it is left out"
                yield _finding(FindingCode.DROPPED_VALUE, message, inner)


def _entries_of_parts(fields: Fields, field: str) -> Iterator[KeyValue]:
    for entry in fields.candidates(field):
        for part in parts_of(entry):
            if isinstance(part.value, Mapping):
                yield from part.value.entries
