"""YAML as nearly everybody writes it, read without libyaml: to what libyaml makes of it, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedserver.articles.nodes import Mapping, Node, Notes, Scalar, Sequence
from feedserver.articles.plain_yaml import parse_plain_yaml
from feedserver.articles.yaml_nodes import parse_any_yaml, parse_yaml

USUAL = """\
title: "It's \\"new\\": 5 > 3\\n"
excerpt: 'a: b # c'
published: 2020-06-26T12:46:00Z
webUrl: https://example.com/a#b?c=d:e
# what a person notes

provider:
  name: The Next Web
  images:
    - url: "https://example.com/a.jpg"
      width: 50

    - url: https://example.com/b.jpg
topics:
- C#
- Natural  Language Processing
- 'AI'
otherNames:
empty: ""
quality: 83
"""

# What lines are made of, with all that has a meaning in YAML.
PIECES = st.sampled_from(
    [
        *("a", "b: ", "b:", "k: v", "- ", "-", "- k: v", "  - v", "  k: v", " ", "  ", "    ", "\n", "\n  "),
        *("'x'", '"y"', '"', "'", "#c", " #", ":", "::", "http://x", "1.5", "true", "~", "null", "<<: "),
        *("\\n", '\\"', "\\", "\t", "{", "}", "[", "]", "&a", "*a", "!t", "|", ">", "%", "@", "`", "?", "? "),
        *("---", "...", ",", "é", "\u3000", "\ufeff", "\xa0", "x" * 1100, "+", "(", "/", ".", "<", "=", "😀"),
        *("K-1: v", "\n- "),
    ]
)
LINES = st.lists(PIECES, max_size=5).map("".join)


def by_libyaml(text: str) -> tuple[Node | None, bool, int]:
    notes = Notes()
    return (*parse_any_yaml(text, 2, notes), len(notes.findings))


def test_usual_front_matter_is_read_and_libyaml_says_the_same() -> None:
    node = parse_plain_yaml(USUAL, 2)

    assert isinstance(node, Mapping)
    assert (node, True, 0) == by_libyaml(USUAL)
    found = {entry.key: entry for entry in node.entries}
    assert found["title"].value == Scalar('It\'s "new": 5 > 3\n', False, 2, 8)
    assert isinstance(found["topics"].value, Sequence)
    assert [item.text for item in found["topics"].value.items if isinstance(item, Scalar)] == [
        "C#",
        "Natural  Language Processing",
        "AI",
    ]
    assert found["otherNames"].value.is_empty
    assert found["quality"].line == len(USUAL.splitlines()) + 1


@settings(max_examples=2000)
@given(st.lists(st.one_of(st.sampled_from(USUAL.splitlines()), LINES), max_size=8), st.booleans())
@example(["- k: v"], True)
@example(["  k: v"], True)
@example(["a: b:"], False)
@example(["a: b", "  c"], True)
@example(["a:", "  b: c", "  - d"], True)
@example(["a: b", "", "...", "c: d"], True)
def test_what_is_read_means_the_same_to_libyaml(lines: list[str], ends: bool) -> None:
    text = "\n".join(lines) + "\n" * ends

    node = parse_plain_yaml(text, 2)

    assert node is None or (node, True, 0) == by_libyaml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: b\na: c\n",
        "a: *b\n",
        "a: &b c\n",
        "a: !b c\n",
        "a: [b]\n",
        "a: |\n  b\n",
        "a: b\n  c\n",
        "a: b: c\n",
        "<<: b\n",
        "a: b\n---\nc: d\n",
        '"a": b\n',
        "a: 'it''s'\n",
        'a: "\\x41"\n',
        "\ta: b\n",
        "- a\n",
        "",
        "# nothing\n",
        "".join(f"{' ' * depth}a:\n" for depth in range(12)),
    ],
)
def test_what_needs_more_than_a_look_is_left_to_libyaml(text: str) -> None:
    assert parse_plain_yaml(text, 1) is None
    assert parse_yaml(text, 1, ours := Notes()) == parse_any_yaml(text, 1, theirs := Notes())
    assert ours.findings == theirs.findings
