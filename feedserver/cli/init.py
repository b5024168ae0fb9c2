"""`feedserver init`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from feedserver.cli.counting import counted
from feedserver.cli.first_settings import FolderFacts, settings_text
from feedserver.cli.voice import say, voice_options
from feedserver.errors import SettingsError
from feedserver.indexing import checker
from feedserver.indexing.advice import why_nothing
from feedserver.indexing.reader_pool import close_process_pool
from feedserver.model import Verdict
from feedserver.settings.sources import load_settings, presets_used
from feedserver.wiring.planning import plan_of

EPILOG = """\b
Examples:
  feedserver init
  feedserver init ~/blog --output site.yaml
"""

# Names that folders of articles have; the first one that exists is taken.
_USUAL = ("articles", "content", "posts", "_posts", "blog", "docs")
_SUFFIXES = (".md", ".markdown", ".mdx")
_MOST_NAMES = 10_000  # that are looked at, for the folder with most articles


@click.command("init", epilog=EPILOG)
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("feedserver.yaml"),
    show_default=True,
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@voice_options
def command(folder: Path | None, output: Path, force: bool) -> None:
    """Write a settings file for the folder of articles that is here, or for FOLDER.

    It holds the settings that sites change, each with a comment. Articles are read, and nothing is indexed.
    """
    if output.exists() and not force:
        raise SettingsError([f"{output}: exists already; --force replaces it, --output names another file"])
    chosen = folder or _folder_here()
    if chosen is None:
        raise SettingsError(["there is no folder of articles here; name one: feedserver init FOLDER"])
    facts = _facts(chosen)
    output.write_text(settings_text(facts), encoding="utf-8")
    say(f"Wrote {output} for {chosen}: {counted(facts.files, 'file')}, {counted(facts.articles, 'article')}.")
    if facts.advice:
        say(facts.advice)
    option = "" if output == Path("feedserver.yaml") else f" --config {output}"
    say(f"Next: feedserver check{option}, then feedserver serve{option} --open")


def _facts(folder: Path) -> FolderFacts:
    """The facts of a folder, by a check of its articles without the settings of the working directory."""
    nothing, alone = Path(os.devnull), {"articles": [str(folder)]}
    settings = load_settings(config_file=nothing, environ={}, overrides=alone)
    plan = plan_of(settings)
    try:
        checked = checker.check(plan, [str(folder)], int(time.time()))
    finally:
        close_process_pool()
    uses = presets_used(config_file=nothing, environ={}, overrides=alone)
    return FolderFacts(
        path=str(folder),
        program=uses[0].program if uses else "",
        follows=(*uses[0].site, *uses[0].articles) if uses else (),
        files=len(checked),
        articles=sum(one.verdict is Verdict.ARTICLE for one in checked),
        advice=why_nothing(checked, plan),
        codes=tuple(finding.code for one in checked for finding in one.findings),
    )


def _folder_here() -> Path | None:
    """The folder of articles in the working directory."""
    here: dict[str, object] = {"articles": ["."]}
    if presets_used(config_file=Path(os.devnull), environ={}, overrides=here):
        return Path()
    usual = next((Path(name) for name in _USUAL if any(_articles_below(Path(name)))), None)
    if usual is not None:
        return usual
    folders = sorted(path for path in Path().iterdir() if path.is_dir() and not path.name.startswith("."))
    counts = {path: sum(1 for _ in _articles_below(path)) for path in folders}
    best = max(counts, key=lambda path: counts[path], default=None)
    if best is not None and counts[best]:
        return best
    return Path() if any(path.suffix in _SUFFIXES for path in Path().iterdir()) else None


def _articles_below(folder: Path) -> Iterator[str]:
    seen = 0
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "node_modules"))]
        yield from (name for name in names if name.endswith(_SUFFIXES))
        seen += len(names)
        if seen > _MOST_NAMES:
            return
