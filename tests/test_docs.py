"""The documents say what is so: dependencies, keys, settings and commands."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Context
from click.testing import CliRunner

from feedserver.articles.fields import NAMES
from feedserver.cli.group import SUMMARIES, main
from feedserver.settings import load_settings
from feedserver.web.addresses import GROUPS

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]

JEKYLL_POST = """---
layout: post
title: Hello
categories: [notes, misc]
tags: [web]
---
See [about](/about).
"""
JEKYLL_PERMALINK = """---
title: Elsewhere
permalink: /special/
---
"""
HUGO_POST = """+++
title = "First"
publishDate = 2024-05-01T10:00:00+02:00
+++
Body
"""
HUGO_DRAFT = """---
title: Not yet
date: 2024-05-02
draft: true
---
"""


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table, without the markup of code."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def block_after(mark: str) -> str:
    """The code block of the README that follows a comment."""
    match = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert match is not None, mark
    return match[1]


def requirement_names(requirements: list[str]) -> set[str]:
    names = {re.split(r"[<>=\[ ]", requirement)[0] for requirement in requirements}
    return names - {PROJECT["project"]["name"]}


def items_of(folder: Path, settings: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The items of the feed of everything by title, served with settings of the README."""
    (folder / "feedserver.yaml").write_text(settings, encoding="utf-8")
    monkeypatch.chdir(folder)
    shown = CliRunner().invoke(main, ["render", "/articles.json"])
    assert shown.exit_code == 0, shown.output
    return {item["title"]: item for item in json.loads(shown.stdout)["items"]}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_each_dependency_has_its_reason_and_each_reason_its_dependency() -> None:
    project = PROJECT["project"]
    named = requirement_names(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        named |= requirement_names(extra)
    document = (REPOSITORY / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = {row[0] for row in table_rows(document)} - {"package"}

    assert explained == named


def test_the_readme_names_every_field_with_all_its_keys() -> None:
    rows = {
        row[0].strip("`"): re.findall(r"`([^`]+)`", row[1]) for row in table_rows(README) if len(row) == 3
    }

    for field, keys in NAMES.items():
        assert rows.get(field) == list(keys), field


def test_the_readme_names_every_command() -> None:
    named = set(re.findall(r"^\| `feedserver (\w+)", README, re.MULTILINE))

    assert named == set(SUMMARIES)


def test_the_readme_names_every_option_of_every_command() -> None:
    options = {
        name
        for command in (main.get_command(Context(main), name) for name in SUMMARIES)
        if command is not None
        for parameter in command.params
        for name in parameter.opts
        if name.startswith("--")
    }

    assert {option for option in options if option not in README} == set()


def test_the_readme_names_every_kind_of_listing() -> None:
    for group in GROUPS:
        assert f"`/{group}`" in README


def test_links_between_the_documents_lead_somewhere() -> None:
    broken = [
        (document.name, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]

    assert broken == []


def test_settings_in_the_readme_are_settings(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)

    assert len(blocks) == 3
    for block in blocks:
        file = tmp_path / "feedserver.yaml"
        file.write_text(block, encoding="utf-8")
        assert load_settings(config_file=file, environ={}).model_fields_set == set(yaml.safe_load(block))


def test_a_jekyll_folder_works_with_the_settings_in_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "blog/_posts/2024-02-03-hello.md", JEKYLL_POST)
    write(tmp_path / "blog/_posts/2024-02-05-special.md", JEKYLL_PERMALINK)

    items = items_of(tmp_path, block_after("settings: jekyll"), monkeypatch)

    assert items["Hello"]["url"] == "https://blog.example.org/2024/02/03/hello.html"
    assert items["Hello"]["date_published"] == "2024-02-03T00:00:00Z"
    assert items["Hello"]["tags"] == ["web"]
    assert 'href="https://blog.example.org/about"' in items["Hello"]["content_html"]
    assert items["Elsewhere"]["url"] == "https://blog.example.org/special/"


def test_a_hugo_folder_works_with_the_settings_in_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "blog/content/posts/first.md", HUGO_POST)
    write(tmp_path / "blog/content/posts/not-yet.md", HUGO_DRAFT)
    write(tmp_path / "blog/content/posts/_index.md", "---\ntitle: Posts\n---\n")

    items = items_of(tmp_path, block_after("settings: hugo"), monkeypatch)

    assert set(items) == {"First"}
    assert items["First"]["url"] == "https://blog.example.org/posts/first/"
    assert items["First"]["date_published"] == "2024-05-01T08:00:00Z"


def test_the_sample_articles_have_neither_errors_nor_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    checked = CliRunner().invoke(main, ["check", "samples/articles", "--format", "json"])

    assert checked.exit_code == 0
    assert json.loads(checked.stdout) == []


def test_the_article_in_the_readme_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    match = re.search(r"```markdown\n(.*?)```", README, re.DOTALL)
    assert match is not None
    write(tmp_path / "articles/tide-gauge.md", match[1])

    items = items_of(tmp_path, "articles: [articles]", monkeypatch)

    assert [item["tags"] for item in items.values()] == [["Tides", "Open Data"]]
