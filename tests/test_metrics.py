"""The code stays small and shallow, and its documents plain: limits for the rows of `metrics.py`."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest
from metrics import Metrics, blocks_of, blocks_of_code, longest_chain, measure, prose_of

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return measure(REPOSITORY)


def test_the_top_level_fits_one_screen(metrics: Metrics) -> None:
    assert metrics.top_level_modules <= 6
    assert metrics.top_level_packages <= 14


def test_the_chain_of_imports_at_the_top_level_is_short(metrics: Metrics) -> None:
    assert len(metrics.top_level_chain) <= 11, metrics.top_level_chain


def test_functions_are_short(metrics: Metrics) -> None:
    assert {name for name, length in metrics.functions.items() if length > 58} == set()
    assert median(metrics.functions.values()) <= 6
    assert metrics.long_functions_percent <= 0.5


def test_modules_are_short(metrics: Metrics) -> None:
    assert {name for name, length in metrics.modules.items() if length > 469} == set()
    assert median(metrics.modules.values()) <= 105


def test_sentences_name_the_actor(metrics: Metrics) -> None:
    for prose in (metrics.documents, metrics.comments):
        assert prose.subjects_percent <= 4, prose.subjects
        assert prose.words_percent <= 4, prose.words


def test_the_longest_chain_is_found_whatever_the_order_of_imports() -> None:
    imports = {
        "a": frozenset({"b", "d"}),
        "b": frozenset({"c"}),
        "c": frozenset({"d"}),
        "d": frozenset[str](),
    }

    assert longest_chain(imports) == ("a", "b", "c", "d")


def test_prose_is_paragraphs_and_list_items_without_code_tables_and_headings() -> None:
    lines = (
        "# Who",
        "",
        "A paragraph",
        "on two lines.",
        "- An item - of",
        "  a list.",
        "```",
        "x = 1",
        "```",
        "| who |",
    )

    assert list(blocks_of("\n".join(lines))) == ["A paragraph on two lines.", "An item - of a list."]


def test_prose_of_code_is_docstrings_and_comments() -> None:
    source = '"""A module."""\n# A comment\n# on two lines.\nx = "# no comment"  # beside\n'

    assert list(blocks_of_code(source)) == ["A module.", "A comment on two lines. beside"]


@pytest.mark.parametrize(
    ("sentence", "is_subject"),
    [
        ("Who asks is answered.", True),
        ("It keeps what was asked for, and whatever is new.", True),
        ("The indexer reads files, which is what takes time.", True),
        ("Who asks?", False),
        ("It says what a request costs.", False),
        ("A client that asks is answered.", False),
    ],
)
def test_a_word_counts_where_it_is_the_subject_of_a_statement(sentence: str, is_subject: bool) -> None:
    assert bool(prose_of([sentence]).subjects) is is_subject


def test_no_two_classes_of_different_modules_have_one_name() -> None:
    modules: dict[str, list[str]] = {}
    for path in sorted((REPOSITORY / "feedserver").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, []).append(str(path.relative_to(REPOSITORY)))
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
