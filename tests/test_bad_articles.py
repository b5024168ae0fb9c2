"""One bad article costs one article: `check` names each kind, and a server over them serves the rest."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from bad_articles import write_bad_articles
from servers import feedserver, serve, write_story


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, str]:
    """The code that names each bad file, by its path in the folder `articles`."""
    return write_bad_articles(tmp_path / "articles")


def test_check_names_every_bad_file_with_its_place_and_reason_and_exits_1(
    tmp_path: Path, expected: dict[str, str]
) -> None:
    result = feedserver(tmp_path, "check", "articles", "--format", "json")
    findings = json.loads(result.stdout)
    codes: dict[str, set[str]] = {}
    for finding in findings:
        codes.setdefault(finding["path"].removeprefix("articles/"), set()).add(finding["code"])

    assert result.returncode == 1
    assert {path: code for path, code in expected.items() if code not in codes.get(path, set())} == {}
    assert "good.md" not in codes
    assert all(finding["line"] >= 1 and finding["column"] >= 1 for finding in findings)
    assert all(finding["message"] for finding in findings)


def test_a_server_over_them_serves_everything_else_and_names_them_on_its_status(
    tmp_path: Path, expected: dict[str, str]
) -> None:
    with serve(tmp_path) as server:
        for fmt in ("rss", "atom", "json"):
            feed = server.ask(f"/articles.{fmt}")
            assert feed.status == 200
            assert b"A good article" in feed.body
            assert b"An outsider" not in feed.body
        assert server.ask("/articles.json").body.count(b'"content_html"') == 1
        status = json.loads(server.ask("/status.json").body)
        named = {Path(one["path"]).name for one in status["problems"]}
        assert named == set(expected)
        write_story(tmp_path / "articles", "another", title="Another good one")
        server.wait_for(lambda: b"Another good one" in server.ask("/articles.rss").body)


def test_what_was_good_stays_up_in_its_last_good_version_while_it_is_broken(
    tmp_path: Path, expected: dict[str, str]
) -> None:
    good = tmp_path / "articles" / "good.md"
    with serve(tmp_path) as server:
        before = server.ask("/articles.atom")
        assert b"A good article" in before.body
        for content in (b"---\ntitle: [\n---\n", b"", b"---\ntitle: A good art"):
            good.write_bytes(content)
            time.sleep(0.4)
            assert server.ask("/articles.atom").body == before.body
        good.unlink()
        server.wait_for(lambda: b"A good article" not in server.ask("/articles.atom").body)
