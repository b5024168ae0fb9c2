"""Which diagnostics count: those of chosen codes, and those of a severity."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from feedserver.findings import FindingCode, Severity
from feedserver.indexing.linting.diagnostics import Diagnostic


class Choice(NamedTuple):
    """The codes that an operator chose.

    Attributes:
        only: codes that count; empty: all.
        without: codes that do not count.
        is_strict: warnings fail a check as errors do.
        errors_alone: diagnostics of other severities are not shown.
    """

    only: Collection[FindingCode] = ()
    without: Collection[FindingCode] = ()
    is_strict: bool = False
    errors_alone: bool = False

    def counts(self, one: Diagnostic) -> bool:
        """Whether a diagnostic counts."""
        return (not self.only or one.code in self.only) and one.code not in self.without

    def is_shown(self, one: Diagnostic) -> bool:
        """Whether a diagnostic that counts is shown."""
        return not self.errors_alone or one.severity is Severity.ERROR or self._fails(one.severity)

    def is_failure(self, diagnostics: Iterable[Diagnostic]) -> bool:
        """Whether a check with these diagnostics fails."""
        return any(self._fails(one.severity) for one in diagnostics)

    def _fails(self, severity: Severity) -> bool:
        return severity is Severity.ERROR or (self.is_strict and severity is Severity.WARNING)
