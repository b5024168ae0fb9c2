"""YAML as programs write it: tags, binary texts, anchors, aliases and merge keys."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.nodes import MAX_VALUES, FindingNotes, Mapping, Node, Scalar
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.yaml_nodes import MAX_DEPTH, parse_any_yaml
from feedserver.model import Reading, Verdict

RULES = ReadingRules(id_authority="example.org", id_year=2025)
MTIME = datetime(2024, 5, 6, tzinfo=UTC)
DATED = "date: 2020-01-02\nlink: https://example.com/a\n"


def read(front: str) -> Reading:
    text = f"---\n{DATED}{front}\n---\n"
    return read_article(text.encode(), PurePosixPath("news/a.md"), MTIME, RULES)


def plain(node: Node | None) -> object:
    """A node as Python's own values."""
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Mapping):
        return {entry.key: plain(entry.value) for entry in node.entries}
    return [] if node is None else [plain(item) for item in node.items]


def parsed(text: str) -> object:
    notes = FindingNotes()
    node, is_whole = parse_any_yaml(text, 1, notes)
    assert is_whole
    assert not notes.findings
    return plain(node)


# --- Tags


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("! 'Weekly: the harbour'", "Weekly: the harbour"),
        ('! "Weekly"', "Weekly"),
        ("!!str 2012", "2012"),
        ("!!str ~", "~"),
        ("! null", "null"),
        ("!str 1.10", "1.10"),
        ("!!int 7", "7"),
        ("!!timestamp 2012-05-01", "2012-05-01"),
        ("!ruby/object:Title Harbour", "Harbour"),
        ("!<tag:example.org,2002:x> Harbour", "Harbour"),
        ("!binary |-\n  5rWL6K+V", "测试"),
        ("!!binary 5rWL6K+V", "测试"),
        ("!!binary |\n  5rWL\n  6K+V\n", "测试"),
    ],
)
def test_a_value_with_a_tag_is_its_text(written: str, title: str) -> None:
    reading = read(f"title: {written}")
    assert reading.article is not None
    assert reading.article.title == title
    assert not reading.findings


@pytest.mark.parametrize(
    "line",
    [
        *("meta: !ruby/hash:Old\n  a: b", "meta: !ruby/object:Gem::Version\n  version: 1", "!!str meta: x"),
        *("meta: !!python/tuple [1, 2]", "meta: !!python/object/apply:os.system [ls]", "meta: !!set {a, b}"),
        *("meta: &id001\n  name: Ada\nmore:\n- *id001", "meta: &a b", "meta: !!null ''", "meta: !x"),
    ],
)
def test_a_tag_or_an_anchor_in_a_key_that_nobody_reads_costs_nothing(line: str) -> None:
    reading = read(f"title: A\n{line}")
    assert reading.verdict is Verdict.ARTICLE
    assert not reading.findings


def test_an_empty_title_stays_empty_with_a_tag() -> None:
    assert [finding.code for finding in read("title: !!null x").findings] == ["no-title"]


@pytest.mark.parametrize("data", ["/9j/4AAQ", "a", "?", "5rWL6K+V\n  5rWL=x"])
def test_binary_data_that_is_no_text_is_left_out_with_a_warning(data: str) -> None:
    reading = read(f"title: A\nimage: !binary |\n  {data}")
    assert reading.article is not None
    assert reading.article.images == ()
    assert [(finding.severity, finding.code) for finding in reading.findings] == [("warning", "yaml-tag")]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_each_text_that_is_written_as_binary_reads_back(text: str) -> None:
    encoded = base64.encodebytes(text.encode()).decode().replace("\n", "\n  ").strip()
    assert parsed(f"x: !binary |\n  {encoded}\n") == {"x": text}


# --- Anchors, aliases and merge keys


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x b\nc: *x", {"a": "b", "c": "b"}),
        ("a: &x [b, c]\nd: {e: *x}", {"a": ["b", "c"], "d": {"e": ["b", "c"]}}),
        ("a: &x b\nc: &x d\ne: *x", {"a": "b", "c": "d", "e": "d"}),
        ("a: &k b\n*k : c", {"a": "b", "b": "c"}),
        ("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3", {"a": {"b": "1", "c": "2"}, "d": {"b": "1", "c": "3"}}),
        ("<<: {a: 1}\nb: 2", {"a": "1", "b": "2"}),
        ("<<: [{a: 1}, {a: 2, b: 3}]", {"a": "1", "b": "3"}),
        ("'<<': a", {"<<": "a"}),
        ("a: &x {b: 1}\nc: &y {<<: *x, d: 2}\n<<: *y", {"a": {"b": "1"}, "c": {"b": "1", "d": "2"},
                                                         "b": "1", "d": "2"}),
    ],
)  # fmt: skip
def test_aliases_and_merge_keys_have_the_values_that_they_name(text: str, value: object) -> None:
    assert parsed(text) == value


def test_a_merged_key_is_read_and_an_own_key_counts_before_it() -> None:
    reading = read("defaults: &d {title: Merged, tags: [a]}\n<<: *d\nTitle: Own")
    assert reading.article is not None
    assert reading.article.title == "Own"
    assert [topic.name for topic in reading.article.topics] == ["a"]
    assert not reading.findings


VALUES = st.recursive(
    st.sampled_from(["a", "b", "*x", "*y", "&x a", "&y b"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(st.sampled_from("klm"), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=5), st.sampled_from(["", "&x ", "&y "]))
def test_what_is_read_is_what_pyyaml_constructs(values: list[str], anchor: str) -> None:
    text = f"{anchor}[{', '.join(values)}]"
    try:
        expected = yaml.safe_load(text)
        str(expected)
    except yaml.YAMLError:
        return
    notes = FindingNotes()
    node, _ = parse_any_yaml(text, 1, notes)
    if "[...]" in str(expected) or "{...}" in str(expected):
        assert [finding.code for finding in notes.findings] == ["yaml-alias"]
    else:
        assert not notes.findings
        assert plain(node) == expected


@pytest.mark.parametrize("count", [9, 90, 900])
def test_a_bomb_of_aliases_is_refused_before_it_is_expanded(count: int) -> None:
    layers = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * count)}]\n" for i in range(1, 9))
    begun = time.process_time()
    reading = read(f"title: A\nl0: &l0 lol\n{layers}")
    assert reading.verdict is Verdict.BROKEN
    assert [finding.code for finding in reading.findings] == ["too-many-values"]
    assert time.process_time() - begun < 1


def test_values_count_as_often_as_they_are_named() -> None:
    def codes(times: int) -> list[str]:
        notes = FindingNotes()
        parse_any_yaml(f"x: &x [{'a,' * 97}]\ny: [{'*x,' * times}]\n", 1, notes)
        return [finding.code for finding in notes.findings]

    assert codes(MAX_VALUES // 100 - 10) == []
    assert codes(MAX_VALUES // 90) == ["too-many-values"]


def test_aliases_are_as_deep_as_what_they_name() -> None:
    def codes(depth: int) -> list[str]:
        notes = FindingNotes()
        lines = "".join(f"l{n}: &l{n} [*l{n - 1}]\n" for n in range(1, depth))
        parse_any_yaml(f"l0: &l0 []\n{lines}", 1, notes)
        return [finding.code for finding in notes.findings]

    assert codes(MAX_DEPTH - 1) == []
    assert codes(MAX_DEPTH) == ["yaml-depth"]


# --- Visibility (promise 6)


@pytest.mark.parametrize(
    "front",
    [
        *("x: &d true\ndraft: *d", "x: &d false\ndraft: *d", "draft: !not false", "draft: *undefined"),
        *("draft: !!bool 'true'", "x: &d {draft: true}\n<<: *d", "x: &d {draft: true}\n<<: *d\ndraft: false"),
        *("<<: {draft: true}", "? !!str draft\n: true", "x: &k draft\n*k : true", "!binary ZHJhZnQ= : true"),
        *("draft: &x true", "draft: !binary dHJ1ZQ==", "<<: [{a: b}, {Draft: yes}]", "draft: !!binary //8="),
        "x: &d {draft: true}\n<<: *d\ny: [",
        # Keys of which some values hide:
        *("x: &s draft\nstatus: *s", "status: !word draft", "visibility: ! 'private'", "status: !!str draft"),
        *("x: &b {list: never}\nbuild: *b", "x: &l never\nbuild: {list: *l}", "build: !map {list: !x never}"),
        *("x: &d {status: draft}\n<<: *d\nstatus: publish", "status: !binary ZHJhZnQ=", "password: !x y"),
    ],
)
def test_a_tag_an_alias_or_a_merge_unhides_nothing(front: str) -> None:
    assert read(f"title: A\n{front}").verdict is Verdict.HIDDEN
    flow = f"{{title: A, date: 2020-01-02, {front.replace(chr(10), ', ')} }}"
    if "?" not in front and "[" not in front:
        reading = read_article(f"---\n{flow}\n---\n".encode(), PurePosixPath("a.md"), MTIME, RULES)
        assert reading.verdict is Verdict.HIDDEN


def test_merged_keys_that_hide_nothing_are_shown() -> None:
    assert read("title: A\nx: &d {draft: false}\n<<: *d\ndraft: false").verdict is Verdict.ARTICLE
