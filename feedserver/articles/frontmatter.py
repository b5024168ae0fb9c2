"""The bytes of a file to its fields and its body.

Knows how front matter is set off and in which language it is written; not what any key means. Serves
promises 5 and 6: every problem has a line, and whatever could be read in spite of it is handed on, so
that an article that its author hides is never shown because something else in the file is wrong.
"""

from __future__ import annotations

import codecs
import re

import msgspec

from feedserver.articles.data_nodes import parse_json, parse_toml
from feedserver.articles.nodes import Mapping, Node, Notes, Scalar, kind_of
from feedserver.articles.text import ASCII_CONTROLS
from feedserver.articles.yaml_nodes import parse_yaml
from feedserver.errors import FrontMatterError

DATA_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
HTML_SUFFIXES = frozenset({".html", ".htm"})

_BOM = "\ufeff"
_CLOSING = {
    "---": re.compile(r"\n(?:---|\.\.\.)[ \t]*(?=\n|\Z)"),
    "+++": re.compile(r"\n\+\+\+[ \t]*(?=\n|\Z)"),
}
# What YAML 1.1 section 5.1 does not let into a document. NEL and the Unicode separators are line
# breaks to libyaml, which nobody sees in an editor: they are blanks here.
_LINE_SEPARATORS = re.compile("[\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


class Document(msgspec.Struct, frozen=True):
    """A file taken apart.

    Attributes:
        fields: the keys and values, as far as they could be read.
        body: what follows the front matter, line ends as LF; '' for a data file.
        is_whole: whether the fields were read to their end.
    """

    fields: Mapping
    body: str
    is_whole: bool


def read_front_matter(raw: bytes, suffix: str, notes: Notes) -> Document | None:
    """A file's fields and body; None if it has no front matter.

    `suffix` is the file name's extension in lower case, with its dot. Line ends and a BOM make no
    difference to the result. Problems past which reading could go on are noted.

    Raises:
        FrontMatterError: nothing of the front matter can be known.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FrontMatterError("not-utf8", "the file is UTF-16, not UTF-8")
    is_data = suffix in DATA_SUFFIXES
    if not is_data and not raw.removeprefix(codecs.BOM_UTF8).startswith((b"---", b"+++")):
        return None
    text = _decode(raw, notes)
    if suffix == ".json":
        return _document(parse_json(text, notes), "", True, is_data, notes)
    if is_data:
        node, is_whole = parse_yaml(_without_controls(text, 1, notes), 1, notes)
        return _document(node, "", is_whole, is_data, notes)
    fence = text.partition("\n")[0]
    closing = _CLOSING.get(fence.rstrip(" \t"))
    if closing is None:
        return None
    end = closing.search(text, len(fence))
    if end is None:
        raise FrontMatterError(
            "front-matter-unclosed", f"the front matter has no closing {fence.strip()} line"
        )
    front, body = text[len(fence) + 1 : end.start() + 1], text[end.end() + 1 :]
    if fence.startswith("+"):
        node, is_whole = parse_toml(front, 2, notes)
    else:
        node, is_whole = parse_yaml(_without_controls(front, 2, notes), 2, notes)
    return _document(node, body, is_whole, is_data, notes)


def _decode(raw: bytes, notes: Notes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(_LINE_BREAK.findall(raw, 0, error.start)) + 1
        notes.error("not-utf8", "the file is not UTF-8 from this line on", line)
        text = raw.decode("utf-8", "replace")
    return text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n")


def _without_controls(text: str, first_line: int, notes: Notes) -> str:
    """YAML text that libyaml's reader accepts; control characters, which it is not to have, are noted."""
    # Several times as fast as the patterns, and true of nearly every file.
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
    notes.error(
        "control-character", f"control character U+{ord(match[0]):04X} in the front matter", line, column
    )
    return _CONTROLS.sub(" ", text)


def _document(node: Node | None, body: str, is_whole: bool, is_data: bool, notes: Notes) -> Document:
    if isinstance(node, Mapping):
        return Document(node, body, is_whole)
    is_empty = node is None or (isinstance(node, Scalar) and node.plain and node.is_empty)
    if node is not None and not is_empty and not is_data:
        message = f"the front matter is {kind_of(node)}, not a mapping of keys to values"
        notes.error("not-a-mapping", message, node.line, node.column)
        is_whole = False
    # A data file may hold anything, a list of menu entries for instance: it states nothing of an article.
    return Document(Mapping((), 1, 1), body, is_whole)
