"""Explains one kind of finding, as `feedserver check --explain` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from feedserver.findings import FINDINGS, FindingCode
from feedserver.indexing.linting.examples import EXAMPLES
from feedserver.indexing.linting.repairs import REPAIRABLE


def explanation(code: FindingCode) -> Iterator[str]:
    """The lines that explain a code: severity, meaning, remedy, and an example if there is one."""
    kind = FINDINGS[code]
    yield f"{code.value} ({' or '.join(severity.value for severity in kind.severities)})"
    yield ""
    yield kind.meaning
    yield ""
    yield f"To mend it: {kind.remedy}"
    if code in REPAIRABLE:
        yield "feedserver check --fix mends it where that is safe."
    if code in EXAMPLES:
        wrong, right = EXAMPLES[code]
        yield ""
        yield "Wrong:"
        yield from (f"    {line}" for line in wrong.splitlines())
        yield "Right:"
        yield from (f"    {line}" for line in right.splitlines())
