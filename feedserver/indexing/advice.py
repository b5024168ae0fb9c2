"""Says why a folder yields no article, and which setting would help.

Made of the verdicts and findings of a check, or of the index: the problem that most files have comes first.
Looks at names in the folders only if there are no article files at all.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Protocol

from feedserver.findings import FindingCode
from feedserver.indexing.plan import Plan
from feedserver.model import Finding, Verdict

# A folder of more files is judged by these.
_MOST_NAMES = 10_000

_ADVICE = {
    FindingCode.NO_FRONT_MATTER: "have no front matter; if another program publishes them, "
    "articles[].preset names it (docs/reference/presets.md)",
    FindingCode.NOT_AN_ARTICLE: "state neither title, date nor URL; fields names the keys that they use",
    FindingCode.UNDATED: "have no date; dates.from_file_name takes it from names, dates.fallback from the "
    "files, and fields.published names another key",
    FindingCode.NO_TITLE: "have no title; articles[].titles takes it from a heading or the name of the file",
    FindingCode.NO_URL: "have no address; set articles[].base_url and the pattern articles[].url",
    FindingCode.BAD_DATE: "have a date that cannot be read",
    FindingCode.SECTION_PAGE: "are pages of sections",
    FindingCode.EMPTY_FILE: "are empty",
}
# The verbs of the reasons, of one file.
_VERBS = {"have": "has", "are": "is", "state": "states"}
_HIDDEN = "are hidden by a key such as draft"
_OTHER = "have an error; see above"


class Judged(Protocol):
    """A file that was read: its verdict and its findings."""

    @property
    def verdict(self) -> Verdict: ...

    @property
    def findings(self) -> tuple[Finding, ...]: ...


def why_nothing(judged: Sequence[Judged], plan: Plan) -> str:
    """The reasons why there is no article, as one line; '' if there is one."""
    if any(one.verdict is Verdict.ARTICLE for one in judged):
        return ""
    if not judged:
        return _why_no_files(plan)
    counts = Counter(map(_reason, judged)).most_common(3)
    reasons = "; ".join(f"{count} {reason if count > 1 else _of_one(reason)}" for reason, count in counts)
    return f"No article in {len(judged)} {'file' if len(judged) == 1 else 'files'}: {reasons}."


def _of_one(reason: str) -> str:
    """A reason whose subject is one file."""
    verb, _, rest = reason.partition(" ")
    return f"{_VERBS[verb]} {rest}"


def _why_no_files(plan: Plan) -> str:
    paths = [root.path for root in plan.roots]
    missing = [path for path in paths if not os.path.isdir(path)]  # noqa: PTH112  as the scanner asks
    if missing:
        return f"There is no folder {', '.join(missing)}; make it, or name another one (articles[].path)."
    extensions = ", ".join(plan.extensions)
    return f"There are no article files ({extensions}) in {', '.join(paths)}{_others(plan)}."


def _reason(one: Judged) -> str:
    if one.verdict is Verdict.HIDDEN:
        return _HIDDEN
    codes = {finding.code for finding in one.findings}
    return next((advice for code, advice in _ADVICE.items() if code in codes), _OTHER)


def _others(plan: Plan) -> str:
    """The extensions that most other files have."""
    names = Counter(PurePath(name).suffix.lower() for name in _names(root.path for root in plan.roots))
    del names[""]
    common = ", ".join(f"{count} {suffix}" for suffix, count in names.most_common(3))
    return f", but {common} files; scan.extensions lists the extensions" if common else ""


def _names(folders: Iterable[str]) -> list[str]:
    names: list[str] = []
    for folder in folders:
        for _, inner, files in os.walk(folder):
            inner[:] = [name for name in inner if not name.startswith(".")]
            names += files
            if len(names) > _MOST_NAMES:
                return names
    return names
