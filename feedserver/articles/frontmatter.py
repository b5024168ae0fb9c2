"""Splits the bytes of a file into its fields and its body.

Knows how front matter is delimited and which language it is in, but not the meaning of keys. Serves promises
5 and 6: every problem has a line, and all that could be read in spite of it is returned, so that an article
that its author hides is never shown because of a mistake elsewhere in the file.
"""

from __future__ import annotations

import codecs
import re

from feedserver.articles.data_nodes import parse_json, parse_toml
from feedserver.articles.front_matter_forms import (
    FrontMatter,
    find_front_matter,
    is_header,
    may_have_front_matter,
)
from feedserver.articles.header_nodes import parse_header
from feedserver.articles.nodes import FindingNotes, Mapping, Node, Scalar, kind_of
from feedserver.articles.plain_yaml import parse_plain_yaml
from feedserver.articles.split_file import DATA_SUFFIXES, SplitFile
from feedserver.articles.text import ASCII_CONTROLS
from feedserver.articles.yaml_nodes import parse_any_yaml
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode

_BOM = "\ufeff"
_CLOSING = {
    "---": re.compile(r"\n(?:---|\.\.\.)[ \t]*(?=\n|\Z)"),
    "+++": re.compile(r"\n\+\+\+[ \t]*(?=\n|\Z)"),
}
_MARKS = {"---": ("\n---", "\n..."), "+++": ("\n+++",)}
# Characters that YAML 1.1 section 5.1 does not allow in a document. NEL and the Unicode separators are line
# breaks for libyaml, but invisible in an editor: they become blanks here.
_LINE_SEPARATORS = re.compile("[\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


def read_front_matter(
    raw: bytes, suffix: str, notes: FindingNotes, *, header: bool = False, bare: bool = False
) -> SplitFile | None:
    """A file's fields and body; None if it has no front matter.

    `suffix` is the file name's extension in lower case, with its dot; `header` and `bare` are the rules. Line
    ends and a BOM do not change the result. Problems that do not stop the reading are noted.

    Raises:
        FrontMatterError: nothing of the front matter can be read.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FrontMatterError(FindingCode.NOT_UTF8, "the file is UTF-16, not UTF-8")
    is_data = suffix in DATA_SUFFIXES
    if not is_data and not raw.startswith((b"---", b"+++")) and not may_have_front_matter(raw):
        return _bare(_decode(raw, notes)) if bare else None
    text = _decode(raw, notes)
    if suffix == ".json":
        return _document((parse_json(text, notes), True), "", "", is_data=is_data, notes=notes)
    if is_data:
        yaml = parse_yaml(_without_controls(text, 1, notes), 1, notes)
        return _document(yaml, text, "", is_data=is_data, notes=notes)
    found = _between_plain_fences(text) or find_front_matter(text, header=header)
    if found is None:
        return _bare(text) if bare else None
    return _parsed(found, header, notes)


def _bare(text: str) -> SplitFile:
    """A file without front matter. Its first paragraph is looked at as if it were, for keys that hide it."""
    return SplitFile(Mapping((), 1, 1), text, is_whole=True, front=text.lstrip("\n").partition("\n\n")[0])


def _between_plain_fences(text: str) -> FrontMatter | None:
    """Front matter between `---` or `+++` lines from the first line on, as nearly every article has it."""
    fence = text.partition("\n")[0]
    closing = _CLOSING.get(fence.rstrip(" \t"))
    if closing is None:
        return None
    # Where a search for the first mark begins: the pattern alone takes three times as long.
    begin = -1
    for mark in _MARKS[fence[:3]]:  # a further one counts before the first one only, so no body is searched
        at = text.find(mark, len(fence), begin if begin >= 0 else len(text))
        begin = at if at >= 0 else begin
    end = closing.search(text, begin) if begin >= 0 else None
    if end is None:
        raise FrontMatterError(
            FindingCode.FRONT_MATTER_UNCLOSED, f"the front matter has no closing {fence.strip()} line"
        )
    language = "toml" if fence.startswith("+") else "yaml"
    return FrontMatter(language, text[len(fence) + 1 : end.start() + 1], text[end.end() + 1 :], 2)


def _parsed(found: FrontMatter, header: bool, notes: FindingNotes) -> SplitFile:
    """The fields and the body of front matter that was found."""
    language, front, body, first_line = found
    parsed: tuple[Node | None, bool]
    if language == "toml":
        parsed = parse_toml(front, first_line, notes)
    elif language in ("json", "pairs"):
        # The line breaks keep the lines of the file. A brace moves the first column by one.
        text = "\n" * (first_line - 1) + (front if language == "json" else f"{{{front}}}")
        parsed, front = (parse_json(text, notes), True), ""
    else:
        text = _without_controls(front, first_line, notes)
        if language == "header":
            parsed = parse_header(text, first_line), True
        elif header and is_header(text):
            parsed = _yaml_or_header(text, first_line, notes)
        elif (plain := parse_plain_yaml(text, first_line)) is None:
            parsed = parse_any_yaml(text, first_line, notes)
        else:
            parsed = plain, True
            if text == front:  # each line was read, so no text has a second one
                front = ""
    return _document(parsed, front, body, is_data=False, notes=notes)


def _yaml_or_header(text: str, first_line: int, notes: FindingNotes) -> tuple[Node | None, bool]:
    """The value of lines that are YAML or a header: between fences, Pelican reads `Title: a: b` too."""
    yaml_notes = FindingNotes()
    parsed = parse_yaml(text, first_line, yaml_notes)
    if not parsed[1] or yaml_notes.has_errors:
        return parse_header(text, first_line), True
    for finding in yaml_notes.findings:
        notes.add(finding.code, finding.message, finding.line, finding.column, finding.severity)
    return parsed


def _decode(raw: bytes, notes: FindingNotes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(_LINE_BREAK.findall(raw, 0, error.start)) + 1
        notes.add(FindingCode.NOT_UTF8, "the file is not UTF-8 from this line on", line)
        text = raw.decode("utf-8", "replace")
    text = text.removeprefix(_BOM)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _without_controls(text: str, first_line: int, notes: FindingNotes) -> str:
    """The text with control characters replaced, which libyaml does not accept; they are noted."""
    # Several times as fast as the patterns, and sufficient for nearly every file.
    if text.isascii():
        if len(text.encode().translate(None, ASCII_CONTROLS)) == len(text):
            return text
    elif text.replace("\n", " ").replace("\t", " ").isprintable():
        return text
    text = _LINE_SEPARATORS.sub(" ", text)
    match = _CONTROLS.search(text)
    if match is None:
        return text
    line = text.count("\n", 0, match.start()) + first_line
    column = match.start() - text.rfind("\n", 0, match.start())
    notes.add(
        FindingCode.CONTROL_CHARACTER,
        f"control character U+{ord(match[0]):04X} in the front matter",
        line,
        column,
    )
    return _CONTROLS.sub(" ", text)


def _document(
    parsed: tuple[Node | None, bool], front: str, body: str, *, is_data: bool, notes: FindingNotes
) -> SplitFile:
    node, is_whole = parsed
    if isinstance(node, Mapping):
        return SplitFile(node, body, is_whole, front)
    is_empty = node is None or (isinstance(node, Scalar) and node.plain and node.is_empty)
    if node is not None and not is_empty and not is_data:
        message = f"the front matter is {kind_of(node)}, not a mapping of keys to values"
        notes.add(FindingCode.NOT_A_MAPPING, message, node.line, node.column)
        is_whole = False
    # A data file may be of any kind, such as a list of menu entries: then it has no fields.
    return SplitFile(Mapping((), 1, 1), body, is_whole, front)


def parse_yaml(text: str, first_line: int, notes: FindingNotes) -> tuple[Node | None, bool]:
    """The same as `parse_any_yaml`, and for plain text in a third of the time."""
    plain = parse_plain_yaml(text, first_line)
    return parse_any_yaml(text, first_line, notes) if plain is None else (plain, True)
