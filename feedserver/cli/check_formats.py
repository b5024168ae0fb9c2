"""Reports for programs: JSON, GitHub's annotations, and SARIF 2.1.0 for services that show code scans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from feedserver import __version__
from feedserver.findings import FINDINGS, FindingCode, Severity
from feedserver.indexing.linting.diagnostics import Diagnostic
from feedserver.indexing.linting.source_lines import one_line

_GITHUB = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_json(diagnostics: Iterable[Diagnostic]) -> str:
    """All findings as a JSON list."""
    rows = [
        {
            "path": one_line(one.path),
            "line": one.extent.line,
            "column": one.extent.begin,
            "end_column": one.extent.end,
            "severity": one.severity.value,
            "code": one.code,
            "message": one.message,
            "help": one.help,
        }
        for one in diagnostics
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1)


def as_github(one: Diagnostic) -> str:
    """A workflow command that GitHub shows beside the line."""
    extent = one.extent
    place = f"file={_escaped(one.path, ',:')},line={extent.line},col={extent.begin},endColumn={extent.end}"
    message = one.message if one.severity is Severity.INFO else _with_help(one)
    return f"::{_GITHUB[one.severity]} {place},title={one.code}::{_escaped(message, '')}"


def as_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """A log of one run (SARIF 2.1.0, OASIS standard of 2020). Columns count characters."""
    codes = sorted({one.code for one in diagnostics})
    driver = {"name": "feedserver", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one.code)) for one in diagnostics],
    }
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, ensure_ascii=False, indent=1)


def _rule(code: FindingCode) -> dict[str, object]:
    kind = FINDINGS[code]
    return {
        "id": code.value,
        "shortDescription": {"text": kind.meaning},
        "help": {"text": kind.remedy},
        "defaultConfiguration": {"level": _SARIF[kind.severity]},
    }


def _result(one: Diagnostic, rule: int) -> dict[str, object]:
    location: dict[str, object] = {"artifactLocation": {"uri": quote(one.path, errors="surrogateescape")}}
    if one.extent.is_known:
        region = {
            "startLine": one.extent.line,
            "startColumn": one.extent.begin,
            "endColumn": one.extent.end,
        }
        location["region"] = region
    return {
        "ruleId": one.code.value,
        "ruleIndex": rule,
        "level": _SARIF[one.severity],
        "message": {"text": _with_help(one)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"feedserver/v1": _fingerprint(one)},
    }


def _fingerprint(one: Diagnostic) -> str:
    """The same for the same fault when lines before it come or go."""
    parts = "\0".join((one.path, one.code, one.message, one.source.strip()))
    return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _with_help(one: Diagnostic) -> str:
    end = "" if one.message.endswith(("?", ".")) else "."
    return f"{one_line(one.message)}{end} {one.help}"


def _escaped(text: str, further: str) -> str:
    for char in "%\r\n" + further:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
