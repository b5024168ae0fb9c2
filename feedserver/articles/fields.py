"""The one table of which key means what, and typed access to the keys of a mapping.

Knows what a text, number, date, URL or list of names looks like; not what an article is made of. What
cannot be understood is noted with the line of its key and counts as absent. A message quotes values of
known keys only (promise 6: a file may hold secrets).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from feedserver.articles.dates import parse_date, parse_duration, zone_named
from feedserver.articles.nodes import Entry, Mapping, Node, Notes, Scalar, Sequence, kind_of
from feedserver.articles.rules import ReadingRules
from feedserver.articles.slugs import slugify
from feedserver.articles.text import one_line, quoted, several_lines
from feedserver.articles.urls import absolute_url
from feedserver.model import Severity, Term

# Field -> keys, tried in this order; the settings add further keys per field (`ReadingRules.aliases`).
# What hides an article is not among them: it is fixed (promise 6, `visibility`).
NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "guid"),
    "title": ("title", "name"),
    "published": ("publishedDateTime", "publishDate", "date", "published_at"),
    "updated": ("updatedDateTime", "lastmod", "updated", "last_modified_at"),
    "url": ("webUrl", "originalUrl", "link", "url", "external_url"),
    "amp_urls": ("ampWebUrl", "cdnAmpWebUrl"),
    "excerpt": ("excerpt", "summary", "description"),
    "body": ("content",),
    "featured": ("featuredContent",),
    "category": ("category", "collection", "categories"),
    "kind": ("type",),
    "topics": ("topics", "tags"),
    "provider": ("provider",),
    "authors": ("author", "authors"),
    "images": ("images", "image"),
    "length": ("length",),
    "actions": ("actions",),
    "related": ("related",),
    "quality": ("quality",),
    "heat": ("heat",),
    "language": ("language", "lang", "locale"),
}

_INTEGER = re.compile(r"[+-]?\d{1,9}", re.ASCII)  # more digits are no rank and no pixels
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LANGUAGE = re.compile("[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # RFC 5646, well-formed enough


def truth(node: Node) -> bool | None:
    """The truth value that YAML 1.1 sees in a text, quoted or not; None if it sees none."""
    return _TRUTH.get(node.text.strip().lower()) if isinstance(node, Scalar) else None


def _names_for(rules: ReadingRules) -> dict[str, tuple[str, ...]]:
    """The table with what the settings add to it."""
    if not rules.aliases:
        return NAMES
    return NAMES | {field: NAMES[field] + names for field, names in rules.aliases.items() if field in NAMES}


class Fields:
    """The keys of one mapping by what they mean; of a repeated key the first one counts.

    `severity` is the weight of what cannot be understood: an error where a field decides what the article
    is, a warning where it only decorates it. `entries` is all that the mapping holds, empty and repeated
    keys included.
    """

    def __init__(
        self, mapping: Mapping, rules: ReadingRules, notes: Notes, *, is_article: bool = True
    ) -> None:
        self.entries = mapping.entries
        self.rules = rules
        self.notes = notes
        # The first occurrence of each key that holds something there; from the last one to the first.
        self._filled: dict[str, Entry] = {}
        for entry in reversed(mapping.entries):
            if entry.value.is_empty:
                self._filled.pop(entry.key, None)
            else:
                self._filled[entry.key] = entry
        # Which keys may hold a field; what is not in the table is held by the key of its name.
        self._names = _names_for(rules) if is_article else {}

    def article(self, mapping: Mapping) -> Fields:
        """The fields of an article inside this one."""
        return Fields(mapping, self.rules, self.notes)

    def part(self, mapping: Mapping) -> Fields:
        """The fields of a part of this one, an image say: each has one key, its name."""
        return Fields(mapping, self.rules, self.notes, is_article=False)

    def candidates(self, field: str) -> list[Entry]:
        """What the keys of a field hold, best first; empty values count as absent."""
        names = self._names.get(field, (field,))
        return [self._filled[name] for name in names if name in self._filled]

    def find(self, field: str) -> Entry | None:
        """The entry that counts for a field."""
        names = self._names.get(field)
        if names is None:
            return self._filled.get(field)
        for name in names:
            if name in self._filled:
                return self._filled[name]
        return None

    def report(self, severity: Severity, code: str, entry: Entry, problem: str) -> None:
        """Note a problem of an entry, at the place of its key."""
        self.notes.add(severity, code, f"{entry.key} {problem}", entry.line, entry.column)

    def text(self, field: str, severity: Severity = Severity.WARNING) -> str:
        """A field of one line of text; '' if absent."""
        return one_line(self.raw_text(field, severity))

    def long_text(self, field: str) -> str:
        """A field of text that may have several lines; '' if absent."""
        return several_lines(self.raw_text(field))

    def raw_text(self, field: str, severity: Severity = Severity.WARNING) -> str:
        """A field's text as written; '' if absent or no single value."""
        entry = self.find(field)
        return "" if entry is None else self.scalar_text(entry, severity)

    def scalar_text(self, entry: Entry, severity: Severity) -> str:
        """The text of an entry as written; '' if it is no single value."""
        if isinstance(entry.value, Scalar):
            return entry.value.text
        self.report(severity, "wrong-type", entry, f"must be a single value, not {kind_of(entry.value)}")
        return ""

    def integer(self, field: str) -> int | None:
        """A field of a whole number of at most nine digits; None if absent."""
        entry = self.find(field)
        text = "" if entry is None else self.scalar_text(entry, Severity.WARNING).strip()
        if _INTEGER.fullmatch(text):
            return int(text)
        if entry is not None and text:
            self.report(Severity.WARNING, "bad-number", entry, f"is not a whole number: {quoted(text)}")
        return None

    def date(self, field: str, severity: Severity = Severity.ERROR) -> datetime | None:
        """A field of a date, in UTC; None if absent."""
        entry = self.find(field)
        text = "" if entry is None else self.scalar_text(entry, severity)
        if entry is None or not text:
            return None
        try:
            return parse_date(text, zone_named(self.rules.time_zone))
        except ValueError:
            self.report(severity, "bad-date", entry, f"is not a date: {quoted(text)}")
            return None

    def duration(self, field: str) -> int | None:
        """A field of an ISO 8601 duration, in seconds; None if absent."""
        entry = self.find(field)
        text = "" if entry is None else self.scalar_text(entry, Severity.WARNING)
        if entry is None or not text:
            return None
        try:
            return parse_duration(text)
        except ValueError:
            self.report(Severity.WARNING, "bad-duration", entry, f"is not a duration: {quoted(text)}")
            return None

    def url(self, field: str) -> str:
        """The first usable URL of a field; '' if there is none."""
        return next(self.urls(field), "")

    def urls(self, field: str) -> Iterator[str]:
        """The URLs of the web that the keys of a field hold, without those relative to no base."""
        for entry in self.candidates(field):
            text = self.scalar_text(entry, Severity.WARNING)
            try:
                url = absolute_url(text, self.rules.base_url)
            except ValueError:
                self.report(Severity.WARNING, "bad-url", entry, f"is not a URL of the web: {quoted(text)}")
            else:
                if url:
                    yield url

    def language(self, field: str) -> str:
        """A field of a language tag (BCP 47); '' if absent."""
        entry = self.find(field)
        tag = self.text(field).replace("_", "-")
        if entry is None or not tag or _LANGUAGE.fullmatch(tag):
            return tag
        self.report(Severity.WARNING, "bad-language", entry, f"is not a language tag: {quoted(tag)}")
        return ""

    def terms(self, field: str) -> tuple[Term, ...]:
        """A field of names: a list or one text with commas, each slug once, in the order of the file."""
        entry = self.find(field)
        terms: dict[str, Term] = {}
        for name in () if entry is None else self._names_in(entry):
            slug = slugify(name)
            terms.setdefault(slug, Term(name=name, slug=slug))
        return tuple(terms.values())

    def _names_in(self, entry: Entry) -> Iterator[str]:
        if isinstance(entry.value, Scalar):
            texts = entry.value.text.split(",")
        elif isinstance(entry.value, Sequence) and all(
            isinstance(item, Scalar) for item in entry.value.items
        ):
            texts = [
                item.text for item in entry.value.items if isinstance(item, Scalar) and not item.is_empty
            ]
        else:
            self.report(
                Severity.ERROR, "wrong-type", entry, "must be a list of names or one text with commas"
            )
            return
        yield from filter(None, map(one_line, texts))


def parts_of(entry: Entry) -> Iterator[Entry]:
    """The values of an entry that holds one or a list of them, each as an entry of its own."""
    if not isinstance(entry.value, Sequence):
        yield entry
        return
    for item in entry.value.items:
        if not item.is_empty:
            yield Entry(entry.key, item, item.line, item.column)
