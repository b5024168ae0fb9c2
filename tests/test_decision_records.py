"""Each decision is a complete record, and the index of decisions names each record once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parent.parent / "docs" / "decisions"
PAGES = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
PARTS = ["Context", "Choice", "Alternatives", "Cost", "Date"]


def records_of(page: Path) -> dict[str, str]:
    """The records of a page: heading to text."""
    _, *sections = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(section.split("\n", 1) for section in sections)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_record_has_its_parts_in_order(page: Path) -> None:
    for heading, text in records_of(page).items():
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == PARTS, heading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_record_has_the_day_of_its_decision(page: Path) -> None:
    for heading, text in records_of(page).items():
        assert re.search(r"^\*\*Date\.\*\* \d{4}-\d{2}-\d{2}\.", text, re.MULTILINE), heading


def test_the_index_names_each_record_of_each_page_once() -> None:
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^- \[(.+)\]\((\w+)\.md#", index, re.MULTILINE)

    assert sorted(lines) == sorted((heading, page.stem) for page in PAGES for heading in records_of(page))
