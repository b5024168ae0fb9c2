"""Parses YAML of any kind to nodes, with libyaml's events.

Events are used instead of PyYAML's constructors, because they keep repeated keys, the text of plain scalars
and the position of every key, run no constructor, and take a quarter of the time (measured: 3,400-4,600
against 920-1,900 files/s). The values of aliases and merge keys count as often as they are named. Reading
continues after a refusal, so that the visibility of the article can be decided (promise 6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
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

from feedserver.articles.nodes import (
    MAX_VALUES,
    FindingNotes,
    KeyValue,
    Mapping,
    Node,
    Scalar,
    Sequence,
    too_many_values,
)
from feedserver.articles.visibility_keys import VISIBLE_WHEN, visibility_key
from feedserver.articles.yaml_anchors import Anchored, MergeError, entries_with, merged_mappings
from feedserver.articles.yaml_errors import explain
from feedserver.articles.yaml_tags import NotTextError, is_clear, tagged_scalar
from feedserver.errors import FrontMatterError
from feedserver.findings import FindingCode, Severity

MAX_DEPTH = 20

# libyaml compares each of them with all before it: 80,000 in a file of 1 MB took minutes. Articles have none.
_TAG_DIRECTIVE = re.compile("^%TAG", re.MULTILINE)

# Every anchor is one; `Salt & pepper` is none.
_ANCHOR = re.compile(r"&[\w-]")


def parse_any_yaml(text: str, first_line: int, notes: FindingNotes) -> tuple[Node | None, bool]:
    """The first document of a YAML text, and whether it could be read to its end.

    `first_line` is the line of the file at which the text begins. Refused and malformed parts are noted. If
    the text is malformed and its document is a mapping, the node has the keys before that place. None is an
    empty document.
    """
    reader = _Reader(text, first_line, notes)
    try:
        return reader.document(), True
    except FrontMatterError as error:
        notes.add(error.code, error.reason, error.line, error.column)
    except yaml.MarkedYAMLError as error:
        fault = explain(error, text)
        place = fault.line + first_line, fault.column + 1
        notes.add(FindingCode.YAML_SYNTAX, f"not valid YAML: {fault.reason}", *place)
    except yaml.YAMLError:
        # From libyaml's reader. Characters that it refuses were replaced before, so this is a second
        # safeguard.
        notes.add(FindingCode.YAML_SYNTAX, "not valid YAML: unreadable characters", first_line)
    return Mapping(reader.top_entries(), first_line, 1), False


class _Counted:
    """The next event of a text at each call; raises at too many, of which each takes a character."""

    def __init__(self, following: Callable[[], Any], first_line: int) -> None:
        self.count = 0
        self._following = following
        self._first_line = first_line

    def __call__(self) -> Any:
        event = self._following()
        self.add(1, event)
        return event

    def add(self, number: int, event: Any) -> None:
        """Count values at an event."""
        self.count += number
        if self.count > MAX_VALUES:
            raise too_many_values(event.start_mark.line + self._first_line)


class _Reader:
    """Makes nodes from the events of one text; keeps the complete entries of its top level."""

    def __init__(self, text: str, first_line: int, notes: FindingNotes) -> None:
        self.top_level: list[KeyValue] = []
        self._top_merged: list[Mapping] = []
        self._text = text
        following: Callable[[], Any] = yaml.CLoader(text).get_event
        self._counted = _Counted(following, first_line)
        has_aliases = "*" in text and "&" in text and bool(_ANCHOR.search(text))
        self._next = self._counted if has_aliases or len(text) > MAX_VALUES else following
        self._has_marks = has_aliases or "!" in text
        self._anchors: dict[str, Anchored] = {}
        self._deepest = 0
        self._first_line = first_line
        self._notes = notes
        self._refused: set[FindingCode] = set()

    def top_entries(self) -> tuple[KeyValue, ...]:
        """The entries of the top level that were read so far, merged ones included."""
        return entries_with(self.top_level, self._top_merged)

    def document(self) -> Node | None:
        directive = _TAG_DIRECTIVE.search(self._text) if "%TAG" in self._text else None
        if directive is not None:
            line = self._text.count("\n", 0, directive.start()) + self._first_line
            raise FrontMatterError(FindingCode.YAML_TAG, "%TAG directives of YAML are not supported", line)
        self._next()  # the start of the stream
        if not isinstance(self._next(), DocumentStartEvent):
            return None
        node = self._node(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if isinstance(event, DocumentStartEvent):
            self._refuse(FindingCode.YAML_DOCUMENTS, "more than one YAML document", event)
        return node

    # The type stubs give events no attributes, hence Any, inside of this class only.
    def _node(self, event: Any, depth: int) -> Node:
        mark: Any = event.start_mark
        if type(event) is ScalarEvent and event.tag is None and event.anchor is None:
            return Scalar(event.value, not event.style, mark.line + self._first_line, mark.column + 1)
        return self._other_node(event, depth)

    def _other_node(self, event: Any, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._aliased(event, depth)
        if event.anchor is None:
            return self._own_node(event, depth)
        # Until its end the value has no name, so that none can contain itself.
        self._anchors.pop(event.anchor, None)
        before, deepest, self._deepest = self._counted.count, self._deepest, depth
        node = self._own_node(event, depth)
        size, height = self._counted.count - before + 1, self._deepest - depth
        self._anchors[event.anchor] = Anchored(node, size, height)
        self._deepest = max(deepest, self._deepest)
        return node

    def _aliased(self, event: Any, depth: int) -> Node:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._refuse(FindingCode.YAML_ALIAS, "an alias names no value before it", event)
            return Scalar(f"*{event.anchor}", True, *self._place(event))
        self._counted.add(anchored.size - 1, event)
        self._go_down(depth + anchored.height, event)
        return anchored.node

    def _own_node(self, event: Any, depth: int) -> Node:
        line, column = self._place(event)
        if isinstance(event, ScalarEvent):
            scalar = Scalar(event.value, not event.style, line, column)
            try:
                return scalar if event.tag is None else tagged_scalar(event.tag, scalar)
            except NotTextError as error:
                self._refuse(
                    FindingCode.YAML_TAG, f"a value is {error}; it is left out", event, Severity.WARNING
                )
                return Scalar("", True, line, column)
        self._go_down(depth + 1, event)
        if isinstance(event, MappingStartEvent):
            return Mapping(self._entries(depth), line, column)
        return Sequence(self._items(depth), line, column)

    def _go_down(self, depth: int, event: Any) -> None:
        """Note how deep the values are nested.

        Raises:
            FrontMatterError: deeper than `MAX_DEPTH`.
        """
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise FrontMatterError(FindingCode.YAML_DEPTH, message, *self._place(event))
        self._deepest = max(depth, self._deepest)

    def _place(self, event: Any) -> tuple[int, int]:
        mark = event.start_mark
        return mark.line + self._first_line, mark.column + 1

    def _items(self, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while type(event := self._next()) is not SequenceEndEvent:
            items.append(self._node(event, depth + 1))
        return tuple(items)

    def _entries(self, depth: int) -> tuple[KeyValue, ...]:
        entries, merged = ([], []) if depth else (self.top_level, self._top_merged)
        following, node = self._next, self._node
        while type(event := following()) is not MappingEndEvent:
            key = node(event, depth + 1)
            value_event = following()
            value = node(value_event, depth + 1)
            if type(key) is not Scalar:
                self._refuse(FindingCode.YAML_KEY, "a key must be a single value", event)
                continue
            text, line = key.text, key.line
            if text == "<<" and key.plain:
                self._merge(value, merged, event)
                continue
            if self._has_marks and _is_marked(value_event) and visibility_key(text) in VISIBLE_WHEN:
                value = self._as_written(value, value_event)
            entries.append(KeyValue(text, value, line, key.column))
        return entries_with(entries, merged) if merged else tuple(entries)

    def _merge(self, value: Node, merged: list[Mapping], event: Any) -> None:
        try:
            merged.extend(merged_mappings(value))
        except MergeError as error:
            self._refuse(FindingCode.YAML_MERGE, str(error), event)

    def _as_written(self, value: Node, event: Any) -> Node:
        """The value of a key that must be true or false: as it is written if its mark decides what it is.

        A value that is neither hides. Keys of which some values hide need the value below the mark.
        """
        if isinstance(event, AliasEvent):
            return Scalar(f"*{event.anchor}", False, *self._place(event))
        if isinstance(value, Scalar) and not is_clear(event.tag):
            return Scalar(f"{event.tag} {value.text}", False, value.line, value.column)
        return value

    def _refuse(self, code: FindingCode, message: str, event: Any, severity: Severity | None = None) -> None:
        """Note a refusal once per file: a file of a million aliases has one finding."""
        if code not in self._refused:
            self._refused.add(code)
            self._notes.add(code, message, *self._place(event), severity)


def _is_marked(event: Any) -> bool:
    return isinstance(event, AliasEvent) or event.tag is not None
