"""An editor who misses an article learns why it is in no feed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import write_file
from click.testing import CliRunner, Result

from feedserver.cli.group import main

LINK = "link: https://e.example/"
FILES = {
    "draft.md": f"title: Draft\ndate: 2024-05-01\n{LINK}\ndraft: true",
    "unread.md": f"title: Unread\ndate: tomorrow\n{LINK}",
    "later.md": f"title: Later\ndate: 2024-05-01\npubdate: 2999-01-02T03:04:05Z\n{LINK}later",
    "over.md": f"title: Over\ndate: 2024-05-01\nexpires: 2024-06-01\n{LINK}over",
    "undated.md": f"title: Undated\n{LINK}",
    "shown.md": f"title: Shown\ndate: 2024-05-01\n{LINK}shown",
    "broken.md": "title: [",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, front in FILES.items():
        write_file(tmp_path / "site", name, f"---\n{front}\n---\nText.\n")
    write_file(tmp_path / "site", "notes.md", "Text.\n")
    return tmp_path / "site"


def check(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["check", str(folder), *options])


def test_the_last_line_counts_the_articles_in_no_feed(folder: Path) -> None:
    *_, last = check(folder).stderr.splitlines()

    assert last == (
        "8 files, 3 articles without a finding: 2 errors, 1 warning; "
        "in no feed: 2 hidden, 1 later, 1 expired, 1 without a date (--unshown lists them)"
    )


def test_no_name_of_a_hidden_file_is_told_unasked(folder: Path) -> None:
    told = check(folder)

    assert "draft.md" not in told.output
    assert "later.md" not in told.output


def test_a_folder_whose_articles_are_all_shown_says_no_more_than_before(folder: Path) -> None:
    for name in FILES.keys() - {"shown.md"}:
        (folder / name).unlink()
    *_, last = check(folder).stderr.splitlines()

    assert last == "2 files, 1 article without a finding: 0 errors, 0 warnings"


def test_they_are_listed_with_the_reason_on_demand(folder: Path) -> None:
    told = check(folder, "--unshown")

    assert told.stdout.splitlines() == [
        f"{folder}/draft.md: is hidden",
        f"{folder}/later.md: comes at 2999-01-02T03:04:05Z",
        f"{folder}/over.md: expired at 2024-06-01T00:00:00Z",
        f"{folder}/undated.md: has no date",
        f"{folder}/unread.md: is hidden",
    ]
    assert told.exit_code == 1  # as without the option, for the two errors


def test_programs_get_the_list_as_json(folder: Path) -> None:
    rows = json.loads(check(folder, "--unshown", "--format", "json").stdout)

    assert [(Path(row["path"]).name, row["reason"], row["date"]) for row in rows] == [
        ("draft.md", "hidden", None),
        ("later.md", "later", "2999-01-02T03:04:05Z"),
        ("over.md", "expired", "2024-06-01T00:00:00Z"),
        ("undated.md", "undated", None),
        ("unread.md", "hidden", None),
    ]
