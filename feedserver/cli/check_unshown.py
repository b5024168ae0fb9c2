"""Lists the articles that are in no feed although nothing is wrong with them, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from feedserver.indexing.checker import Checked
from feedserver.indexing.linting.source_lines import one_line


def unshown_as_text(checked: Iterable[Checked]) -> Iterator[str]:
    """A line for each article that is in no feed: `path: is hidden`."""
    for one in checked:
        if one.unshown is not None:
            yield f"{one_line(one.path)}: {one.unshown}"


def unshown_as_json(checked: Iterable[Checked]) -> str:
    """The articles that are in no feed as a JSON list."""
    rows = [
        {
            "path": one_line(one.path),
            "reason": one.unshown.reason.name.lower(),
            "date": one.unshown.date or None,
        }
        for one in checked
        if one.unshown is not None
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)
