"""The check: what is wrong with which file, in the order of paths, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

from builders import START, Clock, a_plan, contents, write_article, write_file
from hypothesis import given
from hypothesis import strategies as st

from feedserver.findings import FindingCode, Severity
from feedserver.indexing import checker
from feedserver.indexing.checker import Checked
from feedserver.indexing.indexer import Indexer
from feedserver.model import Finding, Verdict

FINDING = Finding(severity=Severity.ERROR, code=FindingCode.BAD_DATE, message="not a date", line=4, column=7)


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


def test_text_is_what_compilers_write() -> None:
    assert checker.as_text("a/b.md", FINDING) == "a/b.md:4:7: error bad-date not a date"


def test_github_gets_a_workflow_command() -> None:
    hostile = Finding(severity=Severity.INFO, code=FindingCode.FOLDER, message="50% of\nlines::error")
    assert checker.as_github("a,b:c.md", hostile) == (
        "::notice file=a%2Cb%3Ac.md,line=1,col=1,title=folder::50%25 of%0Alines::error"
    )


def test_json_holds_every_finding() -> None:
    rows = json.loads(checker.as_json([Checked("a.md", Verdict.BROKEN, (FINDING, FINDING))]))
    assert rows == [
        {
            "path": "a.md", "line": 4, "column": 7, "severity": "error", "code": "bad-date",
            "message": "not a date",
        }
    ] * 2  # fmt: skip


@given(st.text(), st.text())
def test_whatever_names_and_messages_hold_a_finding_is_one_line(path: str, message: str) -> None:
    finding = Finding(severity=Severity.WARNING, code=FindingCode.FOLDER, message=message)
    for line in (checker.as_text(path, finding), checker.as_github(path, finding)):
        assert "\n" not in line
        assert "\r" not in line
    assert "\x1b" not in checker.as_text(path, finding)
    json.loads(checker.as_json([Checked(path, Verdict.ARTICLE, (finding,))]))
