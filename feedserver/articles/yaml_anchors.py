"""Anchors, aliases and merge keys of YAML, within the bounds on the size of a file.

An alias is the same node once more, which takes no memory. But every later step walks through it again, so
its values count as often as it is named (promise 5): a bomb of aliases has too many values, before any of it
is expanded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from feedserver.articles.nodes import KeyValue, Mapping, Node, Scalar, Sequence
from feedserver.articles.visibility_keys import decides_visibility


class Anchored(NamedTuple):
    """A value with an anchor.

    Attributes:
        node: the value.
        size: the keys, texts and collections in it, aliases expanded.
        height: the levels of collections in it.
    """

    node: Node
    size: int
    height: int


class MergeError(ValueError):
    """The value of a merge key is neither a mapping nor a list of mappings."""


def merged_mappings(value: Node) -> Iterator[Mapping]:
    """The mappings that a merge key names, the first of which counts most.

    Raises:
        MergeError: the value has another form.
    """
    for node in value.items if isinstance(value, Sequence) else (value,):
        if not isinstance(node, Mapping):
            raise MergeError("a merge key must name a mapping or a list of mappings")
        yield node


def entries_with(entries: Iterable[KeyValue], merged: Iterable[Mapping]) -> tuple[KeyValue, ...]:
    """Entries of a mapping, with those of merged mappings whose keys it does not have.

    A merged key that may hide the article counts even if the mapping has it with another value, because
    either may be the meant one (promise 6).
    """
    result = list(entries)
    values = {entry.key.lower(): entry.value for entry in result}
    for mapping in merged:
        for entry in mapping.entries:
            key = entry.key.lower()
            if key not in values:
                values[key] = entry.value
            elif not decides_visibility(key) or _same(values[key], entry.value):
                continue
            result.append(entry)
    return tuple(result)


def _same(one: Node, other: Node) -> bool:
    return isinstance(one, Scalar) and isinstance(other, Scalar) and one.text == other.text
