"""Typed access to the keys of a mapping.

Knows the form of texts, numbers, dates, URLs and lists of names, but not the parts of an article. A value
that cannot be understood is noted with the line of its key and counts as absent. Messages quote values of
known keys only (promise 6: a file may hold secrets).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as ReadOnly
from datetime import datetime
from functools import lru_cache

from feedserver.articles.dates import is_zero_date, parse_date, parse_duration, zone_named
from feedserver.articles.field_keys import NAMED, OWN_NAMES, Keys, keys_of_fields
from feedserver.articles.nodes import FindingNotes, KeyValue, Mapping, Node, Scalar, Sequence, kind_of
from feedserver.articles.references import Place, place_of_site
from feedserver.articles.rules import ReadingRules
from feedserver.articles.slugs import cached_slug
from feedserver.articles.text import one_line, quoted, several_lines
from feedserver.articles.truth import truth
from feedserver.articles.visibility_keys import VISIBLE_WHEN, decides_visibility, visibility_key
from feedserver.findings import FindingCode, Severity
from feedserver.model import Term

# Longer names are left out, so that making a slug of a name takes a bounded time.
_MAX_NAME = 500

_HASHTAGS = re.compile(r"\s*+#\S++(?:\s++#\S++)+\s*+")
_INTEGER = re.compile(r"[+-]?(\d+)", re.ASCII)
_LANGUAGE = re.compile("[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # RFC 5646, roughly well-formed


class Fields:
    """The fields in one mapping. Keys match in any letter case; of a repeated key the last occurrence counts.

    `severity` is that of a value that cannot be understood: an error if the field decides what the article
    is, a warning if it only decorates it. `entries` is the whole mapping, empty and repeated keys included.
    `place` is that of its references; `article` sets it once the address of the article is known.
    """

    def __init__(
        self,
        mapping: Mapping,
        rules: ReadingRules,
        notes: FindingNotes,
        keys: Keys | None = None,
        place: Place | None = None,
    ) -> None:
        self.entries = mapping.entries
        self.rules = rules
        self.notes = notes
        self.place = place or place_of_site(rules.base_url, rules.root_urls)
        self._dates: dict[str, KeyValue | None] = {}
        self._last = {entry.key.lower(): entry for entry in mapping.entries}
        if len(self._last) < len(mapping.entries):
            _note_repeated(mapping.entries, rules, notes)
        # A field that is not in the table has the key of its name.
        self._keys = keys_of_fields(rules.more_keys) if keys is None else keys

    def article(self, mapping: Mapping) -> Fields:
        """The fields of an article inside this one."""
        return Fields(mapping, self.rules, self.notes, place=self.place)

    def part(self, mapping: Mapping, keys: Keys = OWN_NAMES) -> Fields:
        """The fields of a part, such as an image: with these keys, or else those of their own name."""
        return Fields(mapping, self.rules, self.notes, keys, self.place)

    def candidates(self, field: str) -> list[KeyValue]:
        """The entries of a field's keys, best first; empty values count as absent."""
        last, found = self._last, []
        for key in self._keys.get(field) or (field,):
            entry = last.get(key)
            if entry is None:
                if "." not in key:
                    continue
                entry = _inside(last, key)
            if entry is not None and not entry.value.is_empty:
                found.append(entry)
        return found

    def find(self, field: str) -> KeyValue | None:
        """The first of the candidates, which counts for a field."""
        # Called some forty times for an article, and most keys are absent: a generator takes twice as long.
        last = self._last
        for key in self._keys.get(field) or (field,):
            entry = last.get(key)
            if entry is None:
                if "." not in key:
                    continue
                entry = _inside(last, key)
            if entry is not None and not entry.value.is_empty:
                return entry
        return None

    def report(
        self, code: FindingCode, entry: KeyValue, problem: str, severity: Severity | None = None
    ) -> None:
        """Note a problem of an entry, at the place of its key; `severity` as for `FindingNotes.add`."""
        self.notes.add(code, f"{entry.key} {problem}", entry.line, entry.column, severity)

    def text(self, field: str, severity: Severity = Severity.WARNING) -> str:
        """A field of one line of text; '' if absent."""
        entry = self.find(field)  # nearly half of these fields are absent
        return "" if entry is None else one_line(self.scalar_text(entry, severity))

    def name(self, field: str, severity: Severity = Severity.WARNING) -> str:
        """A field of one name, of which a slug can be made; '' if absent or too long."""
        entry = self.find(field)
        name = "" if entry is None else one_line(self.scalar_text(entry, severity))
        return "" if entry is not None and self._is_too_long(name, entry, severity) else name

    def long_text(self, field: str) -> str:
        """A field of text that may have several lines; '' if absent."""
        entry = self.find(field)
        return "" if entry is None else several_lines(self.scalar_text(entry))

    def raw_text(self, field: str, severity: Severity = Severity.WARNING) -> str:
        """A field's text as written; '' if absent or no single value."""
        entry = self.find(field)
        return "" if entry is None else self.scalar_text(entry, severity)

    def scalar_text(self, entry: KeyValue, severity: Severity = Severity.WARNING) -> str:
        """The text of an entry as written; '' if it is no single value."""
        if isinstance(entry.value, Scalar):
            return entry.value.text
        self.report(
            FindingCode.WRONG_TYPE, entry, f"must be a single value, not {kind_of(entry.value)}", severity
        )
        return ""

    def integer(self, field: str, most_digits: int = 9) -> int | None:
        """A field of a whole number; None if absent. More than nine digits are not understood."""
        entry = self.find(field)
        if entry is None:
            return None
        text = self.scalar_text(entry).strip()
        if len(text) <= most_digits and text.isascii() and text.isdigit():
            return int(text)  # as nearly every one is; the pattern takes longer
        number = _INTEGER.fullmatch(text)
        if number and len(number[1]) <= most_digits:
            return int(text)
        if text:
            self.report(FindingCode.BAD_NUMBER, entry, f"is not a whole number: {quoted(text)}")
        return None

    def is_misused(self, field: str) -> bool:
        """Whether a field holds a list or mapping instead of a text. That is noted already."""
        entry = self.find(field)
        return entry is not None and not isinstance(entry.value, Scalar)

    def date_entry(self, field: str) -> KeyValue | None:
        """The entry that counts for a field of a date.

        A zero is no date of a change. As the date of publication it is an error: a program that leaves the
        date of a draft empty writes such ones.
        """
        # Asked four times for each article.
        if field in self._dates:
            return self._dates[field]
        entry = self.find(field)
        if entry is not None and not self._is_date_of(field, entry):
            entry = next((one for one in self.candidates(field) if self._is_date_of(field, one)), None)
        self._dates[field] = entry
        return entry

    def _is_date_of(self, field: str, entry: KeyValue) -> bool:
        return self.states_date(entry) and not (field == "updated" and states_zero(entry))

    @staticmethod
    def states_date(entry: KeyValue) -> bool:
        """Whether an entry states a date, readable or not; `published: true` and `published: 1` do not."""
        value = entry.value
        if isinstance(value, Scalar) and len(value.text) > 3 and value.text[:4].isdigit():
            return True  # a year, as nearly every date begins; no truth value does
        if truth(value) is None:
            return not value.is_empty
        is_number = isinstance(value, Scalar) and value.text.strip().isdigit()
        return is_number and visibility_key(entry.key) not in VISIBLE_WHEN

    def date(
        self, field: str, severity: Severity = Severity.WARNING, consequence: str = ""
    ) -> datetime | None:
        """A field of a date, in UTC; None if absent. A message about it ends with the consequence."""
        entry = self.date_entry(field)
        text = "" if entry is None else self.scalar_text(entry, severity)
        if entry is None or not text:
            return None
        try:
            return parse_date(text, zone_named(self.rules.time_zone))
        except ValueError as error:
            self.report(FindingCode.BAD_DATE, entry, f"is {error}: {quoted(text)}{consequence}", severity)
            return None

    def duration(self, field: str) -> int | None:
        """A field of a duration, in seconds; None if absent."""
        entry = self.find(field)
        text = "" if entry is None else self.scalar_text(entry)
        if entry is None or not text:
            return None
        try:
            return parse_duration(text)
        except ValueError:
            self.report(FindingCode.BAD_DURATION, entry, f"is not a duration: {quoted(text)}")
            return None

    def url(self, field: str) -> str:
        """The first usable URL of a field; '' if there is none."""
        entry = self.find(field)
        if entry is None:
            return ""
        return self._url_in(entry) or next(filter(None, map(self._url_in, self.candidates(field)[1:])), "")

    def urls(self, field: str) -> Iterator[str]:
        """The http(s) URLs in the keys of a field, without relative ones if there is no base."""
        return filter(None, map(self._url_in, self.candidates(field)))

    def _url_in(self, entry: KeyValue) -> str | None:
        """The http(s) URL in an entry; None if there is none."""
        text = self.scalar_text(entry)
        try:
            return self.place.resolve(text)
        except ValueError:
            problem = f"is not a URL of the web: {quoted(text)}"
            self.report(FindingCode.BAD_URL, entry, problem, Severity.WARNING)
            return None

    def language(self, field: str) -> str:
        """A field of a language tag (BCP 47); '' if absent."""
        entry = self.find(field)
        if entry is None:
            return ""
        tag = one_line(self.scalar_text(entry)).replace("_", "-")
        if not tag or _LANGUAGE.fullmatch(tag):
            return tag
        self.report(FindingCode.BAD_LANGUAGE, entry, f"is not a language tag: {quoted(tag)}")
        return ""

    def terms(self, field: str) -> tuple[Term, ...]:
        """The names in all keys of a field, in the order of the keys, each slug once.

        A value is a list, or one text with separators. Both they and the number of names that count, the
        first ones, are of the rules.
        """
        terms: dict[str, Term] = {}
        most = self.rules.max_topics
        for entry in self.candidates(field):
            for name in self._names_in(entry, entry.value):
                if len(name) > _MAX_NAME and self._is_too_long(name, entry, Severity.WARNING):
                    continue
                slug = cached_slug(name)
                if len(terms) == most and slug not in terms:
                    problem = f"has more than {most} names; the first {most} count (scan.max_topics)"
                    self.report(FindingCode.TOO_MANY_TOPICS, entry, problem)
                    return tuple(terms.values())
                terms.setdefault(slug, Term(name=name, slug=slug))
        return tuple(terms.values())

    def _is_too_long(self, name: str, entry: KeyValue, severity: Severity) -> bool:
        is_too_long = len(name) > _MAX_NAME
        if is_too_long:
            self.report(
                FindingCode.LONG_NAME, entry, f"is a name of more than {_MAX_NAME} characters", severity
            )
        return is_too_long

    def _names_in(self, entry: KeyValue, value: Node) -> Iterator[str]:
        """The names in a value; a list may hold lists, and mappings that have a name."""
        if isinstance(value, Scalar):
            if not value.is_empty:
                texts = _names_of_text(value.text, self.rules.separators)
                yield from filter(None, map(_without_hash, map(one_line, texts)))
        elif isinstance(value, Sequence):
            for item in value.items:
                if not isinstance(item, Scalar):
                    yield from self._names_in(entry, item)
                # Of a list an item is one name, commas included.
                elif not item.is_empty and (name := _without_hash(one_line(item.text))):
                    yield name
        elif not value.is_empty and (name := self._name_of(entry, value)):
            yield name

    def _name_of(self, entry: KeyValue, value: Mapping) -> str:
        """The name in a mapping; '' if there is none, which is noted."""
        name = self.part(value, NAMED).text("name")
        if not name:
            problem = "holds a mapping without a name; write a list of names"
            self.report(FindingCode.WRONG_TYPE, entry, problem, Severity.WARNING)
        return name


def states_zero(entry: KeyValue) -> bool:
    """Whether the value of an entry is the date that programs write where there is none."""
    return isinstance(entry.value, Scalar) and is_zero_date(entry.value.text.strip())


def _inside(last: ReadOnly[str, KeyValue], key: str) -> KeyValue | None:
    """The entry at a path of keys, such as `taxonomies.tags`, in mappings inside each other."""
    outer, _, inner = key.partition(".")
    entry = last.get(outer)
    if entry is None or not isinstance(entry.value, Mapping):
        return None
    below = {one.key.lower(): one for one in entry.value.entries}
    found = below.get(inner) or ("." in inner and _inside(below, inner)) or None
    return found and KeyValue(f"{entry.key}.{found.key}", found.value, found.line, found.column)


def _note_repeated(entries: Iterable[KeyValue], rules: ReadingRules, notes: FindingNotes) -> None:
    """Note repeated keys: an error if the key decides visibility, and either value may be the meant one."""
    first: dict[str, int] = {}
    for entry in entries:
        key = entry.key.lower()
        if key in first:
            notes.duplicate(entry, first[key], decides=decides_visibility(key, rules.hidden_if))
        else:
            first[key] = entry.line


def _names_of_text(text: str, separators: str) -> list[str]:
    """The names in one text, between separators, or each with a `#` as in Obsidian: `#boats #pier`."""
    names = text.split(",") if separators == "," else _separator(separators).split(text)
    if "#" not in text:
        return names
    return [word for name in names for word in (name.split() if _HASHTAGS.fullmatch(name) else [name])]


@lru_cache(maxsize=16)
def _separator(separators: str) -> re.Pattern[str]:
    either = "".join(map(re.escape, separators)) + r"\s" * (" " in separators)
    return re.compile(f"[{either}]" if either else "(?!)")


def _without_hash(name: str) -> str:
    """A topic without the `#` that some programs write before it: `#harbour`, but not `#1`."""
    return name[1:] if name.startswith("#") and name[1:2].isalpha() else name


def parts_of(entry: KeyValue) -> Iterable[KeyValue]:
    """The values of an entry that holds one or a list of them, each as an entry of its own."""
    if not isinstance(entry.value, Sequence):
        return (entry,)
    return (
        KeyValue(entry.key, item, item.line, item.column) for item in entry.value.items if not item.is_empty
    )
