"""The fields of a file whose front matter has template code: it is settled as in bodies, but without markup.

Folders without the rule `templates`, and files without such code, use `Fields` itself and pay nothing. Dates,
and the keys that decide visibility, are read as they are written: `password: "{{ secret }}"` hides, and
`date: "{{ later }}"` is a date that cannot be read (promise 6). The address of the page and the body have
rules of their own (`page_url`, `article`).
"""

from __future__ import annotations

from feedserver.articles.field_keys import keys_of_fields
from feedserver.articles.fields import Fields
from feedserver.articles.nodes import FindingNotes, KeyValue, Mapping, Node, Scalar, Sequence
from feedserver.articles.references import Place
from feedserver.articles.rules import ReadingRules
from feedserver.articles.source_file import SourceFile
from feedserver.articles.split_file import SplitFile
from feedserver.articles.template_output import Site
from feedserver.articles.template_tags import replace_tags

_DATES = ("published", "updated")
_OF_ARTICLE = ("url", "body", "featured", "related")
# Texts with template code of one file; each takes some 15 µs. Further ones are left out.
_MOST_TEXTS = 2_000


def fields_of(document: SplitFile, source: SourceFile, rules: ReadingRules, notes: FindingNotes) -> Fields:
    """The fields of a file, without template code if the rules name its language."""
    if rules.templates and _may_hold_code(document.front):
        return TemplateFields(document.fields, rules, notes, source)
    return Fields(document.fields, rules, notes)


def _may_hold_code(front: str) -> bool:
    # JSON gives no text, and a backslash may stand for any character.
    return not front or "{{" in front or "{%" in front or "{#" in front or "\\" in front


class TemplateFields(Fields):
    """The fields in one mapping, without template code; what is removed is named in `SourceFile.tags`.

    `entries` stays as written, because visibility is decided from it.
    """

    def __init__(
        self,
        mapping: Mapping,
        rules: ReadingRules,
        notes: FindingNotes,
        source: SourceFile,
        place: Place | None = None,
    ) -> None:
        super().__init__(mapping, rules, notes, place=place)
        self._source = source
        # A related article is a mapping of its own, whose address has no rules of its own.
        left = _DATES if place else (*_DATES, *_OF_ARTICLE)
        keys = keys_of_fields(rules.more_keys)
        settled = _Settler(rules, source, frozenset(key for field in left for key in keys[field]))
        self._last = {entry.key.lower(): settled.entry(entry, "") for entry in mapping.entries}

    def article(self, mapping: Mapping) -> Fields:
        """The fields of an article inside this one."""
        return TemplateFields(mapping, self.rules, self.notes, self._source, self.place)


class _Settler:
    """Settles the template code in the values of one mapping, but for the keys at the paths `left`."""

    def __init__(self, rules: ReadingRules, source: SourceFile, left: frozenset[str]) -> None:
        self._language = rules.templates
        self._site = Site(rules.base_url)
        self._source = source
        self._left = left

    def entry(self, entry: KeyValue, prefix: str) -> KeyValue:
        path = f"{prefix}{entry.key.lower()}"
        if path in self._left:
            return entry
        value = self._value(entry.value, f"{path}.")
        return entry if value is entry.value else KeyValue(entry.key, value, entry.line, entry.column)

    def _value(self, value: Node, prefix: str) -> Node:
        if isinstance(value, Scalar):
            return self._scalar(value)
        if isinstance(value, Sequence):
            items = tuple(self._value(item, prefix) for item in value.items)
            return Sequence(items, value.line, value.column)
        entries = tuple(self.entry(entry, prefix) for entry in value.entries)
        return Mapping(entries, value.line, value.column)

    def _scalar(self, value: Scalar) -> Scalar:
        text = value.text
        if not ("{{" in text or "{%" in text or "{#" in text):
            return value
        self._source.coded_texts += 1
        if self._source.coded_texts > _MOST_TEXTS:
            self._source.tags[f"more than {_MOST_TEXTS:,} texts with template code"] = None
            return Scalar("", value.plain, value.line, value.column)
        settled, unknown = replace_tags(text, self._language, self._site, is_markup=False)
        if settled == text:
            return value
        self._source.tags.update(dict.fromkeys(unknown))
        # What is left of an address leads to another place.
        is_address = "/" in settled and len(settled.split()) == 1
        return Scalar("" if unknown and is_address else settled, value.plain, value.line, value.column)
