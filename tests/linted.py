"""Lints texts as `feedserver check` does, without a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from builders import START, a_plan

from feedserver.indexing import checker
from feedserver.indexing.linting.diagnostics import Diagnostic, diagnose_file


def diagnostics_of(text: str | bytes, name: str = "_news/tides.md") -> Sequence[Diagnostic]:
    """The diagnostics of a file with this text."""
    raw = text if isinstance(text, bytes) else text.encode()
    folder = Path(tempfile.gettempdir())  # nothing is written there
    plan = a_plan(folder, folder / "no-such-articles")
    checked = checker.check_bytes(raw, plan, 0, name, START)
    return diagnose_file(raw, checked, plan.roots[0].reading)


def described(one: Diagnostic) -> str:
    """`line:column-end severity code: message => help`; `file` if it is about no place in the file."""
    place = f"{one.extent.line}:{one.extent.begin}-{one.extent.end}" if one.extent.is_known else "file"
    return f"{place} {one.severity.value} {one.code}: {one.message} => {one.help}"
