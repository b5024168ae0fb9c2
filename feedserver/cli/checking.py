"""Finds what a check is to read: folders, single files, or standard input, each with the rules of its folder.

A file is read by the rules of the folder of articles in the settings that contains it. A file outside of all
of them is read as if its own folder were the only one.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from feedserver.cli.options import sources
from feedserver.cli.presets import say_presets
from feedserver.cli.voice import detail
from feedserver.indexing import checker
from feedserver.indexing.checker import Checked
from feedserver.indexing.linting.diagnostics import Diagnostic, diagnose, diagnose_file
from feedserver.indexing.plan import Plan
from feedserver.settings.sources import load_settings
from feedserver.wiring.planning import plan_of

STDIN = "-"


class CheckedBatch(NamedTuple):
    """Files that were checked with one plan, and their diagnostics. `is_whole`: they are whole folders."""

    plan: Plan
    checked: Sequence[Checked]
    diagnostics: Sequence[Diagnostic]
    is_whole: bool


def checked_batches(
    names: Sequence[str], stdin_name: str, options: Mapping[str, Any], now: int
) -> Iterator[CheckedBatch]:
    """Check all that the command line names; without names, the folders of the settings."""
    if STDIN in names:
        if len(names) > 1:
            raise click.UsageError("- (standard input) cannot be combined with files and folders.")
        yield _of_stdin(stdin_name, options, now)
        return
    files = [name for name in names if not Path(name).is_dir()]
    folders = [name for name in names if name not in files]
    if folders or not files:
        yield _of_folders(folders, options, now)
    if files:
        yield from _of_files(files, options, now)


def _of_folders(folders: Sequence[str], options: Mapping[str, Any], now: int) -> CheckedBatch:
    arguments = sources(**options, folders=folders)
    settings = load_settings(**arguments)
    say_presets(**arguments)
    for root in settings.articles:
        detail(f"articles: {root.path}" + (f" ({root.preset})" if root.preset else ""))
    plan = plan_of(settings)
    found = checker.check(plan, [str(root.path) for root in settings.articles], now)
    counts = Counter(one.verdict.value for one in found)
    detail("verdicts: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return CheckedBatch(plan, found, list(diagnose(found, plan)), is_whole=True)


def _of_files(files: Iterable[str], options: Mapping[str, Any], now: int) -> Iterator[CheckedBatch]:
    plan = plan_of(load_settings(**sources(**options)))
    inside: dict[str, list[str]] = {}
    outside: dict[str, list[str]] = {}
    for name in files:
        root = _root_of(name, plan)
        group = outside if root is None else inside
        group.setdefault(root or os.path.dirname(_absolute(name)), []).append(name)  # noqa: PTH120  as below
    if inside:
        yield _named(plan, inside, now)
    for folder, of_folder in outside.items():
        plan = plan_of(load_settings(**sources(**options, folders=[folder])))
        yield _named(plan, {folder: of_folder}, now)


def _named(plan: Plan, names_by_root: Mapping[str, Sequence[str]], now: int) -> CheckedBatch:
    """Check files of some roots of a plan; they keep the names that the operator gave them."""
    given: dict[tuple[int, str], str] = {}
    for position, root in enumerate(plan.roots):
        for name in names_by_root.get(root.path, ()):
            given[position, os.path.relpath(_absolute(name), root.path)] = name
    only = [[path for at, path in given if at == position] for position in range(len(plan.roots))]
    found = checker.check(plan, [root.path for root in plan.roots], now, only)
    found = [one._replace(path=given[one.root, one.relative]) for one in found]
    read = {one.path for one in found}
    for name in given.values():
        if name not in read:
            click.echo(f"{name}: is not read: its name, suffix or folder is not that of an article", err=True)
    return CheckedBatch(plan, found, list(diagnose(found, plan)), is_whole=False)


def _of_stdin(name: str, options: Mapping[str, Any], now: int) -> CheckedBatch:
    plan = plan_of(load_settings(**sources(**options)))
    root = _root_of(name, plan)
    if root is None:
        folder = os.path.dirname(_absolute(name))  # noqa: PTH120  as below
        plan = plan_of(load_settings(**sources(**options, folders=[folder])))
        root = plan.roots[0].path
    position = [one.path for one in plan.roots].index(root)
    raw = sys.stdin.buffer.read(plan.max_file_size + 1)
    path = os.path.relpath(_absolute(name), root)
    checked = checker.check_bytes(raw, plan, position, path, now)._replace(path=name)
    return CheckedBatch(
        plan, [checked], diagnose_file(raw, checked, plan.roots[position].reading), is_whole=False
    )


def _root_of(name: str, plan: Plan) -> str | None:
    """The root that contains a file, the innermost one; None if there is none."""
    path = _absolute(name)
    around = [root.path for root in plan.roots if path.startswith(f"{root.path}/")]
    return max(around, key=len, default=None)


def _absolute(name: str) -> str:
    # Not resolved, as the paths of roots are not: a link such as `current` is a name of its own.
    return os.path.abspath(name)  # noqa: PTH100  see above
