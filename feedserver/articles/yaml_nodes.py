"""YAML text to nodes, through libyaml's events where `plain_yaml` does not know the way.

Events instead of PyYAML's constructors, because they keep repeated keys, the text of plain scalars and
the position of every key, run no constructor, and cost a quarter of them (measured: 3,400-4,600 against
920-1,900 files/s). Anchors, aliases, tags and merge keys are refused: nobody writes them by hand in an
article, and they are how a small file becomes a large value. Reading goes on past what it refuses, so
that visibility can be judged (promise 6).
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from feedserver.articles.nodes import Entry, Mapping, Node, Notes, Scalar, Sequence
from feedserver.articles.plain_yaml import parse_plain_yaml
from feedserver.errors import FrontMatterError

MAX_DEPTH = 20


def parse_yaml(text: str, first_line: int, notes: Notes) -> tuple[Node | None, bool]:
    """The first document of a YAML text, and whether it could be read to its end.

    `first_line` is the line of the file at which the text begins. What is refused or malformed is noted.
    When the text is malformed, the node is a mapping of what stands before that place, if the document
    is a mapping. None is an empty document.
    """
    plain = parse_plain_yaml(text, first_line)
    return parse_any_yaml(text, first_line, notes) if plain is None else (plain, True)


def parse_any_yaml(text: str, first_line: int, notes: Notes) -> tuple[Node | None, bool]:
    """The same as `parse_yaml` says, by libyaml alone."""
    reader = _Reader(text, first_line, notes)
    try:
        return reader.document(), True
    except FrontMatterError as error:
        notes.error(error.code, error.reason, error.line, error.column)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + first_line, mark.column + 1) if mark else (first_line, 1)
        notes.error("yaml-syntax", f"not valid YAML: {error.problem or error.context}", line, column)
    except yaml.YAMLError:
        # libyaml's reader; what it refuses was replaced before, so this is a second line of defence.
        notes.error("yaml-syntax", "not valid YAML: unreadable characters", first_line)
    return Mapping(tuple(reader.top_level), first_line, 1), False


class _Reader:
    """The events of one text, and the complete entries of its top level so far."""

    def __init__(self, text: str, first_line: int, notes: Notes) -> None:
        self.top_level: list[Entry] = []
        self._next = yaml.CLoader(text).get_event
        self._first_line = first_line
        self._notes = notes
        self._refused: set[str] = set()

    def document(self) -> Node | None:
        self._next()  # the start of the stream
        if not isinstance(self._next(), DocumentStartEvent):
            return None
        node = self._node(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if isinstance(event, DocumentStartEvent):
            self._refuse("yaml-documents", "more than one YAML document", event)
        return node

    # The type stubs give events no attributes, hence Any: it stays inside this class.
    def _node(self, event: Any, depth: int) -> Node:
        mark: Any = event.start_mark
        if type(event) is ScalarEvent and event.tag is None and event.anchor is None:
            return Scalar(event.value, not event.style, mark.line + self._first_line, mark.column + 1)
        return self._other_node(event, depth)

    def _other_node(self, event: Any, depth: int) -> Node:
        mark = event.start_mark
        line, column = mark.line + self._first_line, mark.column + 1
        if event.anchor is not None:
            self._refuse("yaml-alias", "YAML anchors and aliases are not supported", event)
            if isinstance(event, AliasEvent):
                return Scalar("", True, line, column)
        if event.tag is not None:
            self._refuse("yaml-tag", "explicit YAML tags are not supported", event)
        if isinstance(event, ScalarEvent):
            return Scalar(event.value, not event.style, line, column)
        if depth == MAX_DEPTH:
            raise FrontMatterError("yaml-depth", f"nested deeper than {MAX_DEPTH} levels", line, column)
        if isinstance(event, MappingStartEvent):
            return Mapping(self._entries(depth), line, column)
        return Sequence(self._items(depth), line, column)

    def _items(self, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while type(event := self._next()) is not SequenceEndEvent:
            items.append(self._node(event, depth + 1))
        return tuple(items)

    def _entries(self, depth: int) -> tuple[Entry, ...]:
        entries = [] if depth else self.top_level
        lines: dict[str, int] = {}
        following, node = self._next, self._node
        while type(event := following()) is not MappingEndEvent:
            key = node(event, depth + 1)
            value = node(following(), depth + 1)
            if type(key) is not Scalar:
                self._refuse("yaml-key", "a key must be a single value", event)
                continue
            text, line = key.text, key.line
            if text == "<<" and key.plain:
                self._refuse("yaml-merge", "YAML merge keys are not supported", event)
            entries.append(Entry(text, value, line, key.column))
            if text in lines:
                self._notes.duplicate(text, lines[text], line, key.column)
            else:
                lines[text] = line
        return tuple(entries)

    def _refuse(self, code: str, message: str, event: Any) -> None:
        """Note it once per file: a file of a million aliases has one finding."""
        if code not in self._refused:
            self._refused.add(code)
            mark = event.start_mark
            self._notes.error(code, message, mark.line + self._first_line, mark.column + 1)
