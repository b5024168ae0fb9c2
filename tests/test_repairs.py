"""Repairs are safe: a readable file reads the same after a repair, and a mended value is the meant one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest
from builders import AUTHORITY, YEAR
from hypothesis import given
from hypothesis import strategies as st
from lint_yaml_cases import REST, article

from feedserver.articles.rules import ReadingRules
from feedserver.findings import FindingCode
from feedserver.indexing.linting.repairs import REPAIRABLE, FileToMend, repair
from feedserver.model import Verdict

FILE = FileToMend(
    PurePosixPath("_news/tides.md"),
    datetime(2025, 3, 4, tzinfo=UTC),
    ReadingRules(id_authority=AUTHORITY, id_year=YEAR),
)


def mended(text: str, *, line_ends: bool = False) -> str | None:
    made = repair(text.encode(), FILE, REPAIRABLE, line_ends=line_ends)
    return None if made is None else made.raw.decode()


def title_of(text: str) -> str:
    found = FILE.read(text.encode()).article
    assert found is not None
    return found.title


@pytest.mark.parametrize(
    "title",
    [
        "Tides: a guide",
        "Tides: boats: and more",
        'The "new" pier: opened',
        "C:\\pier: a path",
        "@harbour is back",
        "`ls` explained",
        "*New* pier",
        "% of the boats",
        "It's here: the ferry",
        ", and so on",
    ],
)
def test_a_title_that_needs_quotes_gets_them_and_stays_what_it_is(title: str) -> None:
    text = mended(article(f"title: {title}\n{REST}"))

    assert text is not None
    assert title_of(text) == title


def test_every_line_of_a_file_is_mended() -> None:
    text = mended(article(f"title: A: b\nexcerpt: C: d\ntags:\n\t- Tides\n\t- Pier\n{REST}"))

    assert text == article(f'title: "A: b"\nexcerpt: "C: d"\ntags:\n  - Tides\n  - Pier\n{REST}')


def test_a_file_with_crlf_keeps_its_line_ends() -> None:
    text = mended(article(f"title: A: b\n{REST}").replace("\n", "\r\n"))

    assert text == article(f'title: "A: b"\n{REST}').replace("\n", "\r\n")


@pytest.mark.parametrize(
    "front",
    [
        f'title: "High water\n{REST}',  # where does it end?
        f"title: A: b # draft\n{REST}",  # is the end a comment?
        f"title: [a, b] c\n{REST}",  # a list, or a text?
        f"title:High water\n{REST}",
        f"title: High water\n date: 2025-03-04\n{REST}",
        f"title: High water\n{REST}",
        f"title: High water\nexcerpt: |\n  a: b: c\n\td\n{REST}",
    ],
)
def test_a_fault_with_more_than_one_remedy_is_left_alone(front: str) -> None:
    assert mended(article(front)) is None


def test_a_hidden_article_stays_hidden() -> None:
    text = mended(article(f"title: A: b\n{REST}\ndraft: true"))

    assert text is not None
    assert FILE.read(text.encode()).verdict is Verdict.HIDDEN


def test_bytes_that_are_not_utf8_are_left_alone() -> None:
    assert repair(b"\xef\xbb\xbf---\ntitle: \xff\n---\n", FILE, REPAIRABLE, line_ends=True) is None


@given(
    st.text(alphabet="ab:'\"[]{}#-|>*&!%@`\\, \t\u00e9", max_size=30),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "\ufeff"]),
)
def test_what_could_be_read_before_reads_the_same_after(
    value: str, has_crlf: bool, line_ends: bool, mark: str
) -> None:
    text = mark + article(f"title: {value}\n{REST}")
    raw = (text.replace("\n", "\r\n") if has_crlf else text).encode()
    made = repair(raw, FILE, REPAIRABLE, line_ends=line_ends)
    if made is None:
        return
    before, after = FILE.read(raw), FILE.read(made.raw)

    if FindingCode.YAML_SYNTAX in {one.code for one in before.findings}:
        if after.article is not None:
            assert after.article.title == " ".join(value.split())
    else:
        assert after.article == before.article
        assert after.verdict is before.verdict
    assert repair(made.raw, FILE, REPAIRABLE, line_ends=line_ends) is None
