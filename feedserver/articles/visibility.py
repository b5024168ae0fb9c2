"""Whether a file's author wants the article to be seen.

Promise 6: it fails closed. Every occurrence of every key of visibility counts, also the repeated ones, and
a value that makes no sense hides. A publication in the future is not judged here: that takes a clock.
"""

from __future__ import annotations

from feedserver.articles.fields import Fields, truth
from feedserver.articles.nodes import Scalar, kind_of
from feedserver.articles.text import quoted
from feedserver.model import Severity

_VISIBLE_WHEN = {"published": True, "removed": False, "deleted": False, "draft": False}


def is_hidden(fields: Fields, severity: Severity = Severity.ERROR) -> bool:
    """Whether any key hides the article; a value that is neither true nor false is noted, and hides."""
    hidden = False
    for entry in fields.entries:
        # Every spelling of a key counts: in any case, with blanks around it.
        visible = _VISIBLE_WHEN.get(entry.key.strip().casefold())
        if visible is None:
            continue
        value = truth(entry.value)
        hidden = hidden or value is not visible
        if value is None:
            shown = quoted(entry.value.text) if isinstance(entry.value, Scalar) else kind_of(entry.value)
            problem = f"must be true or false, not {shown}; the article is hidden"
            fields.report(severity, "bad-visibility", entry, problem)
    return hidden
