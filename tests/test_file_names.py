"""Dates and slugs from the names of files and folders; ids do not depend on them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from feedserver.articles.file_names import split_dated_path
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.model import Article, Verdict

MTIME = datetime(2024, 5, 6, tzinfo=UTC)
RULES = ReadingRules(
    id_authority="example.org",
    id_year=2025,
    url_pattern="https://blog.example.org/{year}/{month}/{day}/{slug}/",
    date_from_file_name=True,
)
DATED_PATHS = {
    "2024-05-01-pier.md": "pier",
    "2024-5-1-pier.md": "pier",
    "2024_05_01_pier.md": "pier",
    "2024_05_01-pier.md": "pier",
    "2024-05-01 pier.md": "pier",
    "2024-05-01.md": "2024-05-01",
    "_posts/2024-05-01-pier.md": "pier",
    "2024-05-01-pier/index.md": "pier",
    "news/2024-05-01-pier/index.md": "pier",
    "2024-05-01/pier.md": "pier",
    "2024-05-01/index.md": "2024-05-01",
    "2024/05/01-pier.md": "pier",
    "2024/05/01.md": "01",
    "2024/05/01/pier.md": "pier",
    "2024/05/01/pier/index.md": "pier",
    "2024/05/01/index.md": "01",
    "2024/05-01-pier.md": "pier",
    "2023/12/31/2024-05-01-pier.md": "pier",
}


def article(path: str, rules: ReadingRules = RULES, front: str = "") -> Article | None:
    text = f"---\ntitle: A\n{front}---\n"
    return read_article(text.encode(), PurePosixPath(path), MTIME, rules).article


@pytest.mark.parametrize("path", DATED_PATHS)
def test_a_date_in_the_names_dates_the_article_and_leaves_the_slug(path: str) -> None:
    got = article(path)
    assert got is not None
    assert got.published == datetime(2024, 5, 1, tzinfo=UTC)
    assert got.url == f"https://blog.example.org/2024/05/01/{DATED_PATHS[path]}/"


@pytest.mark.parametrize("path", DATED_PATHS)
def test_ids_do_not_depend_on_how_dates_in_names_are_read(path: str) -> None:
    with_rule, without = (
        article(path, ReadingRules(id_authority="e.org", id_year=2025, url_pattern="https://e.org/{slug}",
                                   date_from_file_name=rule), "date: 2020-01-02\n")
        for rule in (True, False)
    )  # fmt: skip
    assert with_rule is not None
    assert without is not None
    assert with_rule.id == without.id


@pytest.mark.parametrize(
    "path",
    [
        *("pier.md", "2024.5.1.md", "2024-13-01-pier.md", "2024-02-30.md", "24-05-01-pier.md", "20240501.md"),
        *("2024/05/7-tips.md", "2024/5/pier.md", "2024/pier.md", "2024-05-pier.md", "12024-05-01-x.md"),
        *("2024-05-011-x.md", "notes/index.md", "index.md", "2024/99/01/pier.md", "\u0662024-05-01.md"),
    ],
)
def test_other_names_are_no_dates_and_the_whole_slug(path: str) -> None:
    day, name, folders, *_ = split_dated_path(PurePosixPath(path))
    where = PurePosixPath(path)
    assert day is None
    assert name == (where.parent.name if path == "notes/index.md" else where.stem)
    assert folders == where.parts[:-1]


@pytest.mark.parametrize(
    ("path", "hour"),
    [
        ("2024-05-01T10:00:00Z-pier.md", 10),
        ("2024-05-01T10:00:00+02:00_pier.md", 8),
        ("2024-05-01T10:00-pier/index.md", 8),
    ],
)
def test_a_time_after_the_date_in_a_name_is_that_of_the_article(path: str, hour: int) -> None:
    got = article(path, structs.replace(RULES, time_zone="Europe/Paris"))
    assert got is not None
    assert got.published == datetime(2024, 5, 1, hour, tzinfo=UTC)
    assert got.url.endswith("/pier/")


def test_a_time_that_does_not_exist_is_no_part_of_a_date() -> None:
    assert split_dated_path(PurePosixPath("2024-05-01T24:61-pier.md")).day is None


def test_a_date_in_the_keys_counts_before_that_of_the_name() -> None:
    got = article("2024/05/01-pier.md", front="date: 2024-06-02\n")
    assert got is not None
    assert got.url == "https://blog.example.org/2024/06/02/pier/"


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("2024/05/01-pier.md", None),
        ("2024-05-01-pier/index.md", None),
        ("news/2024/05/01/pier.md", "news"),
        ("_harbour/2024/05/01/pier.md", "harbour"),
    ],
)
def test_folders_of_a_date_are_no_category(path: str, category: str | None) -> None:
    got = article(path)
    assert got is not None
    assert (got.category and got.category.name) == category


def test_without_the_rule_names_are_no_dates() -> None:
    rules = ReadingRules(id_authority="example.org", id_year=2025, url_pattern="https://e.org/{slug}")
    text = b"---\ntitle: A\n---\n"
    for path in DATED_PATHS:
        assert read_article(text, PurePosixPath(path), MTIME, rules).verdict is Verdict.UNDATED


@given(
    st.dates(),
    st.sampled_from(["{:%Y-%m-%d}-x.md", "{:%Y/%m/%d}/x.md", "{:%Y/%m/%d}-x.md", "a/{:%Y_%m_%d}_x.md"]),
)
def test_each_day_reads_back(day: date, form: str) -> None:
    path = form.format(day).replace(f"{day:%Y}", f"{day.year:04d}", 1)
    found = split_dated_path(PurePosixPath(path))
    assert (found.day, found.name) == (day, "x")


@given(
    st.lists(
        st.sampled_from(["2024", "05", "1", "-", "_", "/", ".", "x", "index", ".md", "\n", " "]), min_size=1
    )
)
def test_any_path_is_split(pieces: list[str]) -> None:
    path = PurePosixPath("".join(pieces).strip("/") or "a")
    if path.name:
        assert split_dated_path(path).name
