"""The check: what is wrong with which file, in the order of paths, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

from builders import START, Clock, a_plan, contents, write_article, write_file
from click import unstyle
from fluidattacks_core.sarif import SarifLog
from hypothesis import given
from hypothesis import strategies as st

from feedserver.cli import check_formats as formats
from feedserver.cli.check_text import as_compact, as_text
from feedserver.findings import FindingCode, Severity
from feedserver.indexing import checker
from feedserver.indexing.indexer import Indexer
from feedserver.indexing.linting.diagnostics import Diagnostic
from feedserver.indexing.linting.source_lines import Extent


def check(tmp_path: Path, *folders: Path) -> dict[str, tuple[str, list[str]]]:
    """The result of a check: the verdict and the codes of findings of each path."""
    plan = a_plan(tmp_path / "state", *folders)
    checked = checker.check(plan, [folder.name for folder in folders], START)
    assert len({one.path for one in checked}) == len(checked)
    return {one.path: (one.verdict.value, [finding.code for finding in one.findings]) for one in checked}


def test_every_file_is_judged_once_in_the_order_of_paths(tmp_path: Path) -> None:
    articles, more = tmp_path / "articles", tmp_path / "more"
    write_article(articles, "b.md")
    write_article(articles, "_news/hidden.md", published=False)
    write_article(articles, "undated.md", publishedDateTime=None)
    write_file(articles, "broken.md", "---\ntitle: [\n---\n")
    write_file(articles, "notes.md", "notes\n")
    write_article(more, "a.md")
    found = check(tmp_path, articles, more)
    assert list(found) == [
        "articles/_news/hidden.md", "articles/b.md", "articles/broken.md", "articles/notes.md",
        "articles/undated.md", "more/a.md",
    ]  # fmt: skip
    assert {path: verdict for path, (verdict, _) in found.items()} == {
        "articles/_news/hidden.md": "hidden",
        "articles/b.md": "article",
        "articles/broken.md": "broken",
        "articles/notes.md": "not-article",
        "articles/undated.md": "undated",
        "more/a.md": "article",
    }
    assert found["articles/b.md"][1] == []


def test_a_doubled_id_is_told_of_the_file_that_is_not_shown(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    write_article(articles, "a.md", id="one", publishedDateTime="2024-01-01")
    write_article(articles, "b.md", id="one", publishedDateTime="2024-02-01")
    write_article(articles, "c.md", id="one", publishedDateTime="2099-01-01")
    found = check(tmp_path, articles)
    assert {path: codes for path, (_, codes) in found.items()} == {
        "articles/a.md": ["doubled-id"], "articles/b.md": [], "articles/c.md": [],
    }  # fmt: skip


def test_a_missing_folder_is_one_error(tmp_path: Path) -> None:
    assert check(tmp_path, tmp_path / "nowhere") == {"nowhere": ("broken", ["unreadable"])}


def test_the_check_and_the_indexer_agree(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    write_article(articles, "good.md", topics=["AI"])
    write_article(articles, "future.md", publishedDateTime="2099-01-01")
    write_file(articles, "broken.md", "---\ntitle: [\n---\n")
    write_file(articles, "topic.md", "---\ntaxonomy: topic\nname: AI\n---\n")
    (articles / "loop.md").symlink_to("loop.md")
    (articles / "dir.md").mkdir()
    plan = a_plan(tmp_path / "state", articles)
    indexer = Indexer(plan, Clock())
    indexer.refresh()
    indexer.close()
    indexed = {path: verdict for (_, path), (verdict, _) in contents(tmp_path / "state").findings.items()}
    checked = {one.path: one.verdict.value for one in checker.check(plan, ["x"], START)}
    assert checked == {f"x/{path}": verdict for path, verdict in indexed.items()}


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    write_article(tmp_path / "articles")
    check(tmp_path, tmp_path / "articles")
    assert list((tmp_path / "state").iterdir()) == []


# --- Formats


def a_diagnostic(path: str = "a/b.md", message: str = "not a date") -> Diagnostic:
    return Diagnostic(
        path=path,
        severity=Severity.ERROR,
        code=FindingCode.BAD_DATE,
        message=message,
        extent=Extent(4, 7, 11, is_known=True),
        source="date: soon",
        help="Write one.",
    )


def test_compact_is_what_compilers_write() -> None:
    assert as_compact(a_diagnostic()) == "a/b.md:4:7: error bad-date not a date"


def test_github_gets_a_workflow_command() -> None:
    hostile = a_diagnostic("a,b:c.md", "50% of\nlines::error")
    assert formats.as_github(hostile) == (
        "::error file=a%2Cb%3Ac.md,line=4,col=7,endColumn=11,title=bad-date::"
        "50%25 of\\nlines::error. Write one."
    )


def test_json_holds_every_finding() -> None:
    rows = json.loads(formats.as_json([a_diagnostic(), a_diagnostic()]))
    assert rows == [
        {
            "path": "a/b.md", "line": 4, "column": 7, "end_column": 11, "severity": "error",
            "code": "bad-date", "message": "not a date", "help": "Write one.",
        }
    ] * 2  # fmt: skip


@given(st.text(), st.text(), st.text())
def test_whatever_names_and_messages_hold_no_line_or_control_character_comes_of_it(
    path: str, message: str, source: str
) -> None:
    one = a_diagnostic(path, message)._replace(source=source)
    for line in (as_compact(one), formats.as_github(one)):
        assert "\n" not in line
        assert "\r" not in line
    for line in as_text([one]):
        assert "\n" not in line
        assert unstyle(line).isprintable()
    json.loads(formats.as_json([one]))
    SarifLog.model_validate_json(formats.as_sarif([one]))
