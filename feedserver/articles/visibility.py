"""Decides whether the author of a file hides the article, and from when until when it is visible.

Promise 6: it fails closed. Every occurrence of every visibility key counts, also of repeated keys, and a
value that cannot be understood hides. Of several dates of publication the latest counts, of several dates of
expiry the earliest. Whether a moment has come is not decided here, because that takes a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import msgspec

from feedserver.articles.dates import parse_date, zone_named
from feedserver.articles.fields import Fields, states_zero
from feedserver.articles.nodes import KeyValue, Mapping, Node, Scalar, Sequence, kind_of
from feedserver.articles.text import quoted
from feedserver.articles.truth import truth
from feedserver.articles.visibility_keys import Role, Roles, plain_value, roles_of, visibility_key
from feedserver.findings import FindingCode, Severity


class Visibility(msgspec.Struct, frozen=True):
    """Whether and when an article is visible.

    Attributes:
        is_hidden: it is visible at no time.
        since: the latest of several dates of publication; None if there is one at most.
        until: the earliest date of expiry, if there is one.
    """

    is_hidden: bool
    since: datetime | None = None
    until: datetime | None = None


_HIDDEN = Visibility(is_hidden=True)
_VISIBLE = Visibility(is_hidden=False)


def visibility_of(fields: Fields, severity: Severity = Severity.ERROR) -> Visibility:
    """The visibility that the keys of a mapping state.

    A value that is none of those that its key may have is noted with `severity`, and hides. A single date of
    publication is left to the reader of dates.
    """
    is_hidden = False
    begins: list[KeyValue] = []
    ends: list[KeyValue] = []
    roles = roles_of(fields.rules.hidden_if, fields.rules.more_keys)
    for entry, role in _deciding(fields.entries, roles):
        if role.hides and _hides(entry, role, fields, severity):
            is_hidden = True
        elif role.begins and fields.states_date(entry) and not _holds_dates(entry, role):
            begins.append(entry)
        elif role.ends and fields.states_date(entry) and not states_zero(entry):
            ends.append(entry)
    if is_hidden:
        return _HIDDEN
    if len(begins) < 2 and not ends:
        return _VISIBLE
    try:
        since = _moment(begins, max, fields, severity) if len(begins) > 1 else None
        return Visibility(is_hidden=False, since=since, until=_moment(ends, min, fields, severity))
    except ValueError:
        return _HIDDEN


def _deciding(entries: Iterable[KeyValue], roles: Roles) -> Iterator[tuple[KeyValue, Role]]:
    """The entries that have a role, and those in their mappings, whose keys are then `outer.inner`."""
    for entry in entries:
        key = entry.key
        role = roles.get(key.strip().casefold() if key.isascii() else visibility_key(key))
        if role is None:
            continue
        yield entry, role
        if role.inner and isinstance(entry.value, Mapping):
            for inner, inner_role in _deciding(entry.value.entries, role.inner):
                yield KeyValue(f"{key}.{inner.key}", inner.value, inner.line, inner.column), inner_role


def _holds_dates(entry: KeyValue, role: Role) -> bool:
    """Whether the dates are in the mapping of an entry, as in `date: {created: 2024-05-01}`."""
    return bool(role.inner) and isinstance(entry.value, Mapping)


def _hides(entry: KeyValue, role: Role, fields: Fields, severity: Severity) -> bool:
    if role.hiding is not None and any(map(role.is_hiding, _values_in(entry.value))):
        return True
    if role.visible_when is None:
        return False
    value = truth(entry.value)
    if value is None:
        if role.visible_when and _is_date(entry.value):
            return False  # `published: 2024-05-01` says when
        shown = quoted(entry.value.text) if isinstance(entry.value, Scalar) else kind_of(entry.value)
        problem = f"must be true or false, not {shown}; the article is hidden"
        fields.report(FindingCode.BAD_VISIBILITY, entry, problem, severity)
    return value is not role.visible_when


def _values_in(node: Node) -> Iterator[str]:
    """The texts of a value, or in its lists, as they are compared."""
    if isinstance(node, Scalar):
        yield plain_value(node.text)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _values_in(item)
    elif not node.is_empty:
        yield kind_of(node)


def _is_date(node: Node) -> bool:
    try:
        return isinstance(node, Scalar) and bool(parse_date(node.text, UTC))
    except ValueError:
        return False


def _moment(
    entries: Iterable[KeyValue],
    choose: Callable[[list[datetime]], datetime],
    fields: Fields,
    severity: Severity,
) -> datetime | None:
    """The date that counts of those that entries state; None without entries.

    Raises:
        ValueError: one of them cannot be read. All that cannot are noted.
    """
    moments: list[datetime] = []
    unreadable = False
    zone = zone_named(fields.rules.time_zone)
    for entry in entries:
        text = fields.scalar_text(entry, severity)
        try:
            moments.append(parse_date(text, zone))
        except ValueError as error:
            unreadable = True
            if text:
                problem = f"is {error}: {quoted(text)}; the article is hidden"
                fields.report(FindingCode.BAD_DATE, entry, problem, severity)
    if unreadable:
        raise ValueError("a date cannot be read")
    return choose(moments) if moments else None
