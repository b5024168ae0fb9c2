"""YAML as nearly everybody writes it, read without libyaml: to what libyaml makes of it, or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import fuzz_yaml
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feedserver.articles import plain_yaml
from feedserver.articles.frontmatter import parse_yaml
from feedserver.articles.nodes import FindingNotes, Mapping, Node, Scalar, Sequence
from feedserver.articles.plain_yaml import NotPlainError, parse_plain_yaml, read_plain_yaml
from feedserver.articles.yaml_nodes import parse_any_yaml

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

# The fragments of lines, with all characters that have a meaning in YAML.
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
    notes = FindingNotes()
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


QUOTED = st.lists(
    st.sampled_from([*"ab é\t'\"#:\\-[]", '\\"', "\\\\", "\\n", "\\t", "  ", ": ", "\\\t"])
).map("".join)


@settings(max_examples=2000)
@given(QUOTED, st.sampled_from("'\""), st.sampled_from(["a: ", "- ", "a:\n- b: "]))
@example('Say\t\\"hi\\"', '"', "a: ")
def test_a_quoted_value_means_the_same_to_libyaml(inner: str, quote: str, before: str) -> None:
    text = f"{before}{quote}{inner}{quote}\n"

    try:
        node = read_plain_yaml(text, 2)
    except NotPlainError:
        return
    assert (node, True, 0) == by_libyaml(text)


def test_a_tab_stands_in_a_quoted_value_beside_an_escape() -> None:
    node = parse_plain_yaml('title: "Say\t\\"hi\\""\n', 2)

    assert node is not None
    assert node.entries[0].value == Scalar('Say\t"hi"', False, 2, 8)


# One level of nesting: what it adds before what it holds.
LEVELS = st.sampled_from(["k:\n  ", "- ", "- k:\n    ", "k:\n- k:\n    "])


@settings(max_examples=500)
@given(st.lists(LEVELS, min_size=1, max_size=60), st.booleans())
@example(["k:\n  "] + ["- k:\n    "] * 400, False)
def test_whatever_is_nested_is_read_as_libyaml_reads_it_or_left_to_it(levels: list[str], twice: bool) -> None:
    text, indentation = "", 0
    for level in levels:
        first, *rest = level.split("\n")
        text += first + "".join(f"\n{' ' * indentation}{line}" for line in rest)
        indentation += len((rest or [first])[-1])
    text = f"top:\n  {text.replace(chr(10), chr(10) + '  ')}x\n" * (1 + twice)

    try:
        node = read_plain_yaml(text, 2)
    except NotPlainError:
        node = None

    assert node is None or (node, True, 0) == by_libyaml(text)
    parse_yaml(text, 2, FindingNotes())


@pytest.mark.parametrize("seed", range(10))
def test_texts_that_differ_in_single_characters_mean_the_same_to_libyaml(seed: int) -> None:
    """100,000 texts in all; `python tests/fuzz_yaml.py --texts 10000000` compares more."""
    outcome = fuzz_yaml.compared(seed)

    assert outcome.problem == ""
    assert outcome.accepted > outcome.made / 10


@pytest.mark.parametrize(
    "step",
    ["read_plain_yaml", "_Rows", "_Rows.document", "_Rows._go_on", "_Rows._mapping", "_scalar", "_ROW"],
)
@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError(), RecursionError(), UnicodeDecodeError("utf-8", b"", 0, 1, ""), MemoryError()],
)
def test_any_exception_of_any_step_leaves_the_text_to_libyaml(
    step: str, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise error

    if step == "_ROW":
        monkeypatch.setattr(plain_yaml, step, SimpleNamespace(findall=fail))
    else:
        monkeypatch.setattr(f"feedserver.articles.plain_yaml.{step}", fail)
    node, is_whole = parse_yaml("a: b\n", 1, FindingNotes())

    assert is_whole
    assert isinstance(node, Mapping)
    assert node.entries[0].value == Scalar("b", True, 1, 4)
    assert type(error).__name__ in caplog.text


def test_the_guarded_function_is_the_only_way_into_the_fast_reader() -> None:
    """No other module names anything else of it, so no exception of it can reach an article."""
    uses = {
        name
        for path in Path(plain_yaml.__file__).parents[1].rglob("*.py")
        for names in re.findall(r"from feedserver\.articles\.plain_yaml import (.+)", path.read_text("utf-8"))
        for name in names.split(", ")
    }
    assert uses == {"parse_plain_yaml"}


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
    assert parse_yaml(text, 1, ours := FindingNotes()) == parse_any_yaml(text, 1, theirs := FindingNotes())
    assert ours.findings == theirs.findings
