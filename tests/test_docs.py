"""The documents are true: dependencies, keys, settings, commands, modules and links."""

from __future__ import annotations

import importlib
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

from feedserver.articles.field_keys import KEYS as FIELD_KEYS
from feedserver.cli.group import SUMMARIES, main
from feedserver.settings.sources import load_settings
from feedserver.site.addresses import GROUPS

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
ARTICLE_FILES = (REPOSITORY / "docs/reference/article-files.md").read_text(encoding="utf-8")
GETTING_STARTED = (REPOSITORY / "docs/guides/getting-started.md").read_text(encoding="utf-8")
SETTINGS = (REPOSITORY / "docs/reference/settings.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
ARCHITECTURE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
EXPLANATIONS = "\n".join(
    page.read_text(encoding="utf-8") for page in sorted((REPOSITORY / "docs/explanation").glob("*.md"))
)
PACKAGE = REPOSITORY / "feedserver"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
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
    """The code block of the guide for beginners that follows a comment."""
    match = re.search(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", GETTING_STARTED, re.DOTALL)
    assert match is not None, mark
    return match[1]


def anchors_of(document: Path) -> set[str]:
    """The anchors that a heading gets where the document is shown: its words, without punctuation."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading)).lower().replace(" ", "-")
        for heading in headings
    }


def requirement_names(requirements: list[str]) -> set[str]:
    names = {re.split(r"[<>=\[ ]", requirement)[0] for requirement in requirements}
    return names - {PROJECT["project"]["name"]}


def items_of(folder: Path, settings: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """The items of the feed of everything by title, served with settings of the documents."""
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
    document = (REPOSITORY / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
    explained = {row[0] for row in table_rows(document)} - {"package"}

    assert explained == named


def test_the_reference_names_every_field_with_all_its_keys() -> None:
    rows = {
        row[0].strip("`"): re.findall(r"`([^`]+)`", row[1])
        for row in table_rows(ARTICLE_FILES)
        if len(row) == 3
    }

    for field, keys in FIELD_KEYS.items():
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


def test_the_architecture_has_a_row_for_every_package_and_module_at_the_top() -> None:
    named = {name for row in table_rows(ARCHITECTURE) for name in re.findall(r"`(\w+)`", row[0])}
    found = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert named == {name for name in found if not name.startswith("__")}


def test_the_explanations_have_a_row_for_every_module_of_their_packages() -> None:
    named = {name for row in table_rows(EXPLANATIONS) for name in re.findall(r"`([\w.]+)`", row[0])}
    missing = [
        f"{package}.{module.stem}"
        for package in ("export", "feeds", "index", "indexing", "server", "site", "web")
        for module in sorted((PACKAGE / package).glob("[!_]*.py"))
        if named.isdisjoint({module.stem, f"{package}.{module.stem}"})
    ]

    assert missing == []


def exists(name: str) -> bool:
    """Whether a dotted name is of a module of the package, or of something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["feedserver", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_modules_and_their_contents_that_the_documents_name_exist() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} | {"model", "private"}
    settings = {row[0].strip("`") for row in table_rows(SETTINGS)}
    names = set(re.findall(r"`([a-z_]+(?:\.\w+)+)`", "\n".join([ARCHITECTURE, CONTRIBUTING, EXPLANATIONS])))
    wanted = {name for name in names - settings if name.partition(".")[0] in packages}

    assert wanted
    assert [name for name in sorted(wanted) if not exists(name)] == []


def test_pages_that_code_and_configuration_name_exist() -> None:
    files = [
        REPOSITORY / "pyproject.toml",
        REPOSITORY / ".ci/run",
        *(REPOSITORY / "config").iterdir(),
        *PACKAGE.rglob("*.py"),
        *(REPOSITORY / "tests").glob("*.py"),
    ]
    pages = {page for file in files for page in re.findall(r"\bdocs/[\w/-]+\.md\b", file.read_text("utf-8"))}

    assert pages
    assert [page for page in sorted(pages) if not (REPOSITORY / page).exists()] == []


def test_links_between_the_documents_lead_somewhere() -> None:
    broken = [
        (document.name, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]

    assert broken == []


def test_links_to_a_heading_lead_to_one() -> None:
    broken = [
        (document.name, f"{target}#{anchor}")
        for document in DOCUMENTS
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text(encoding="utf-8"))
        if anchor not in anchors_of(document.parent / target if target else document)
    ]

    assert broken == []


@pytest.mark.parametrize(
    ("document", "count"), [(README, 1), (GETTING_STARTED, 5)], ids=["readme", "getting-started"]
)
def test_settings_in_the_documents_are_settings(document: str, count: int, tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)

    assert len(blocks) == count
    for block in blocks:
        file = tmp_path / "feedserver.yaml"
        file.write_text(block, encoding="utf-8")
        assert load_settings(config_file=file, environ={}).model_fields_set == set(yaml.safe_load(block))


def test_a_jekyll_folder_works_with_the_settings_in_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "blog/_posts/2024-02-03-hello.md", JEKYLL_POST)
    write(tmp_path / "blog/_posts/2024-02-05-special.md", JEKYLL_PERMALINK)

    items = items_of(tmp_path, block_after("settings: jekyll"), monkeypatch)

    assert items["Hello"]["url"] == "https://blog.example.org/2024/02/03/hello.html"
    assert items["Hello"]["date_published"] == "2024-02-03T00:00:00Z"
    assert items["Hello"]["tags"] == ["web", "misc"]
    assert 'href="https://blog.example.org/about"' in items["Hello"]["content_html"]
    assert items["Elsewhere"]["url"] == "https://blog.example.org/special/"


def test_a_hugo_folder_works_with_the_settings_in_the_guide(
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


@pytest.mark.parametrize("document", [README, ARTICLE_FILES], ids=["readme", "article-files"])
def test_the_article_in_the_documents_is_one(
    document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = re.search(r"```markdown\n(.*?)```", document, re.DOTALL)
    assert match is not None
    write(tmp_path / "articles/tide-gauge.md", match[1])

    items = items_of(tmp_path, "articles: [articles]", monkeypatch)

    assert [item["tags"] for item in items.values()] == [["Tides", "Open Data"]]


def test_the_lock_file_has_every_dependency_with_its_hash_and_names_no_host() -> None:
    text = (REPOSITORY / "requirements" / "dev.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==\S+ \\\n {4}--hash=sha256:", text, re.MULTILINE))
    project = PROJECT["project"]
    wanted = requirement_names(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted |= requirement_names(extra)
    assert {name.lower() for name in wanted} <= {name.lower() for name in locked}
    assert "://" not in text


def test_the_test_files_that_contributing_names_exist() -> None:
    named = set(re.findall(r"`(tests/test_[a-z_0-9]+\.py)`", CONTRIBUTING))
    assert named
    assert not [name for name in sorted(named) if not (REPOSITORY / name).is_file()]
