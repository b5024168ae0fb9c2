"""Fills in the texts of a preset from the configuration of a program.

`${title}` is the value of a key, `${params.description}` that of a key in a mapping, and
`${lang|locale|'en'}` the first of several, the last of which is a text. `${name?:year}` is true if the value
contains `:year`. A text with a key that has no value has no value. A list item with `${taxonomies.*}` becomes
one item for each key of a mapping. Keys match in any letter case, and a list of mappings, as MkDocs has for
plugins, counts as one mapping. Reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from feedserver.presets.preset import PermalinkSource

_EXPRESSION = re.compile(r"\$\{([^{}]*)\}")


class UnknownPlaceholderError(ValueError):
    """A pattern has a placeholder that feedserver does not know; the message is the placeholder."""


def value_at(config: object, key: str) -> object:
    """The value of a dotted key; None if there is none, or if it is empty."""
    value: object = config
    for part in key.split("."):
        value = _inside(value).get(part.lower())
    return None if value == "" else value


def _inside(value: object) -> dict[str, object]:
    """The keys of a mapping, or of the mappings and names in a list, in lower case."""
    if isinstance(value, Mapping):
        return {str(key).lower(): inner for key, inner in value.items()}
    found: dict[str, object] = {}
    for item in value if isinstance(value, list) else ():
        found |= _inside(item) if isinstance(item, Mapping) else {str(item).lower(): {}}
    return found


def filled(template: object, config: object) -> object:
    """A value of a preset, filled in; None if it has no value."""
    if isinstance(template, str):
        return _filled_text(template, config)
    if isinstance(template, Mapping):
        made = {key: filled(inner, config) for key, inner in template.items()}
        return {key: inner for key, inner in made.items() if inner not in (None, [])} or None
    if isinstance(template, list):
        return [item for one in template for item in _items(one, config)]
    return template


def _filled_text(template: str, config: object) -> object:
    whole = _EXPRESSION.fullmatch(template)
    if whole:
        return _first(whole[1], config)
    values = [_first(match[1], config) for match in _EXPRESSION.finditer(template)]
    if any(value is None or isinstance(value, Mapping | list) for value in values):
        return None
    texts = iter(map(str, values))
    return _EXPRESSION.sub(lambda _: next(texts), template)


def _first(alternatives: str, config: object) -> object:
    for one in alternatives.split("|"):
        if one.startswith("'"):
            return one.strip("'")
        key, question, part = one.partition("?")
        value = value_at(config, key)
        if question:
            value = True if part in str(value or "") else None
        if value is not None:
            return value
    return None


def _items(template: object, config: object) -> Iterator[object]:
    """The items that one item of a list becomes."""
    match = _EXPRESSION.search(template) if isinstance(template, str) else None
    if match is None or not match[1].endswith(".*"):
        if (value := filled(template, config)) is not None:
            yield value
        return
    for key in _inside(value_at(config, match[1].removesuffix(".*"))):
        yield str(template).replace(match[0], key)


def url_pattern(permalink: PermalinkSource, config: object) -> str:
    """The pattern of all addresses, with the placeholders of `articles[].url`; '' if there is none.

    Raises:
        UnknownPlaceholderError: it has another placeholder.
    """
    stated = filled(permalink.from_, config)
    if not isinstance(stated, str) or not stated:
        return ""
    before = filled(permalink.before, config) or ""
    return f"{before}{_translated(permalink, stated)}{permalink.after}"


def section_patterns(permalink: PermalinkSource, config: object) -> dict[str, str]:
    """The patterns of addresses for single sections.

    Raises:
        UnknownPlaceholderError: one has another placeholder.
    """
    for key in permalink.sections:
        outer, star, inner = key.partition(".*.")
        stated = value_at(config, outer)
        if not isinstance(stated, Mapping):
            continue
        found = {str(name): value_at(one, inner) if star else one for name, one in stated.items()}
        if any(isinstance(one, str) for one in found.values()):
            return {name: _translated(permalink, one) for name, one in found.items() if isinstance(one, str)}
    return {}


def _translated(permalink: PermalinkSource, pattern: str) -> str:
    pattern = permalink.styles.get(pattern, pattern)
    marks = "|".join(sorted(map(re.escape, permalink.placeholders), key=len, reverse=True))

    def known(match: re.Match[str]) -> str:
        if match[0] not in permalink.placeholders:
            raise UnknownPlaceholderError(match[0])
        return permalink.placeholders[match[0]]

    any_mark = r":[A-Za-z_]+" if ":" in marks else r"\{[^{}]*\}"
    return f"/{re.sub(any_mark, known, pattern).lstrip('/')}"


def as_names(value: Any) -> list[str]:
    """Exclusions as patterns of one name; those of longer paths are left out."""
    names = [str(item).strip("/") for item in (value if isinstance(value, list) else [value])]
    return [name for name in names if name and "/" not in name]
