"""The short ways of reading a file give the same as the long ones that they stand for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles import page_url
from feedserver.articles.fields import Fields
from feedserver.articles.frontmatter import read_front_matter
from feedserver.articles.hiding_lines import hides_at_margin
from feedserver.articles.identity import article_path, is_marked
from feedserver.articles.nodes import FindingNotes, KeyValue, Mapping, Scalar
from feedserver.articles.rules import ReadingRules
from feedserver.errors import FrontMatterError

RULES = ReadingRules(id_authority="example.org", id_year=2020)


def _fields(**texts: str) -> Fields:
    entries = tuple(KeyValue(key, Scalar(text, True, 1, 1), 1, 1) for key, text in texts.items())
    return Fields(Mapping(entries, 1, 1), RULES, FindingNotes())


@given(
    st.one_of(st.from_regex(r"\s*[+-]?\d{0,12}\s*", fullmatch=True), st.text("0123456789 +-.²٣", max_size=12))
)
def test_a_number_is_read_as_its_pattern_says(text: str) -> None:
    digits = re.fullmatch(r"[+-]?(\d{1,9})", text.strip(), re.ASCII)
    fields = _fields(quality=text)
    assert fields.integer("quality") == (int(text.strip()) if digits else None)
    assert bool(fields.notes.findings) == bool(text.strip() and not digits)


@given(st.text(":/.abpsty_1é ", max_size=30))
def test_the_placeholders_of_a_permalink_are_those_not_after_a_word_or_a_colon(text: str) -> None:
    plain = [match.span() for match in re.finditer(r"(?<![:\w]):([a-z_]+)", text)]
    assert [match.span() for match in page_url.NAMED_BY_COLON.finditer(text)] == plain


@given(st.lists(st.sampled_from(["_", "_news", "news", "__x", "a.b", "_archive"]), max_size=6))
def test_of_marked_folders_the_innermost_one_is_kept(folders: list[str]) -> None:
    marked = [at for at, folder in enumerate(folders) if is_marked(folder)]
    kept = [folder for at, folder in enumerate(folders) if at not in marked[:-1]]
    if marked:
        kept[marked[-1] - len(marked) + 1] = folders[marked[-1]].removeprefix("_")
    assert article_path(PurePosixPath(*folders, "pier.md")) == "/".join([*kept, "pier"])


@given(st.lists(st.sampled_from(["---", "...", "+++", "title: a", "--- ", "....", "", "text"]), max_size=8))
def test_the_first_closing_line_ends_the_front_matter(lines: list[str]) -> None:
    end = next((at for at, line in enumerate(lines) if line.rstrip() in ("---", "...")), None)
    text = "\n".join(["---", "a: b", *lines])
    if end is None:
        with pytest.raises(FrontMatterError):
            read_front_matter(text.encode(), ".md", FindingNotes())
        return
    document = read_front_matter(text.encode(), ".md", FindingNotes())
    assert document is not None
    assert document.body == "\n".join(lines[end + 1 :])


def test_front_matter_without_lines_hides_nothing() -> None:
    assert not hides_at_margin("")
    assert not hides_at_margin("\n")
