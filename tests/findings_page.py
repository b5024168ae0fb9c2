"""Writes `docs/reference/findings.md` from the table in `feedserver.findings`.

python tests/findings_page.py
"""

from __future__ import annotations

from pathlib import Path

from feedserver.findings import FINDINGS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "findings.md"

HEAD = """\
# Findings

<!-- Generated from feedserver/findings.py by `python tests/findings_page.py`; edit that module instead. -->

A finding is a problem with one file. `feedserver check FOLDER` prints all of them, `/status` shows the first
ones, and the message of each names the value or the key that it is about.

An **error** costs the article: it is not published, or stays published as it was when its file was last good.
A **warning** costs a field, or nothing. An **info** tells why a file is not an article. Where two severities
are given, the second one is that of a place that only decorates an article, such as a related article.

| code | severity | meaning | what to do |
|---|---|---|---|
"""


def findings_page() -> str:
    """The text of the page: a row for each code, in alphabetical order."""
    rows = [
        f"| `{code}` | {' or '.join(kind.severities)} | {kind.meaning} | {kind.remedy} |"
        for code, kind in sorted(FINDINGS.items())
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(findings_page(), encoding="utf-8")
