"""The table of findings: complete, documented, and readable across versions."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from findings_page import PAGE, findings_page

from feedserver.findings import FINDINGS, FindingCode, Severity
from feedserver.model import Finding

PACKAGE = Path(__file__).resolve().parent.parent / "feedserver"


def test_every_code_has_a_row() -> None:
    assert list(FINDINGS) == list(FindingCode)


@pytest.mark.parametrize("code", FindingCode)
def test_a_row_tells_severity_meaning_and_remedy_in_one_cell_each(code: FindingCode) -> None:
    kind = FINDINGS[code]
    assert list(kind.severities) == sorted(set(kind.severities), key=list(Severity).index)
    assert kind.severity is kind.severities[0]
    for text in (kind.meaning, kind.remedy):
        assert re.fullmatch(r"[A-Z`][^|\n]*\.", text)


def test_every_code_is_reported_by_some_module() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "findings.py"
    )
    unused = {code for code in FindingCode if not re.search(rf"FindingCode\.{code.name}\b", source)}
    assert unused == {FindingCode.UNKNOWN}


def test_the_page_is_generated_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == findings_page(), "run `python tests/findings_page.py`"


def test_a_finding_is_stored_under_its_code() -> None:
    finding = Finding.of(FindingCode.NO_TITLE, "an article with a date must have a title")
    stored = msgspec.json.encode(finding)
    assert b'"severity":"error","code":"no-title"' in stored
    assert msgspec.json.decode(stored, type=Finding) == finding


def test_a_finding_of_another_version_can_be_read() -> None:
    stored = b'{"severity":"warning","code":"of-tomorrow","message":"is new"}'
    finding = msgspec.json.decode(stored, type=Finding)
    assert finding == Finding(severity=Severity.WARNING, code=FindingCode.UNKNOWN, message="is new")
