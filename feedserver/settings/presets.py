"""Puts the settings that follow from presets below those that an operator gives.

A folder of articles that a program publishes is recognised by `feedserver.presets`; each value that follows
is checked as a setting, and left out if it is none. A setting given by hand always wins. The checks of those
settings are not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from feedserver.presets.recognition import PresetError, Recognised, recognise
from feedserver.settings.folders import RootSettings
from feedserver.settings.schema import SiteSettings

# A setting for all folders that wins over the same setting that a preset gives to one folder.
_EVERYWHERE = {"dates_from_file_name": "dates.from_file_name", "time_zone": "site.time_zone"}


class PresetUse(NamedTuple):
    """A folder that was recognised, and what follows from it.

    Attributes:
        position: of the folder in `articles`.
        program: the name of the program that publishes it.
        source: where the values come from, for `feedserver config`.
        site, articles: the settings, by key.
        unused: phrases about values that could not be used.
    """

    position: int
    program: str
    source: str
    site: Mapping[str, object]
    articles: Mapping[str, object]
    unused: tuple[str, ...]


def with_presets(
    folders: list[object], given: frozenset[str]
) -> tuple[list[object], list[PresetUse], list[str]]:
    """The folders with the settings that follow from their presets, those presets, and problems as phrases.

    Args:
        folders: elements of `articles` as the sources state them.
        given: the keys that a source gives, such as `site.title`.
    """
    merged, uses, problems = [], [], []
    for position, stated in enumerate(folders):
        element = {"path": stated} if isinstance(stated, str | Path) else stated
        try:
            found = _recognised(element)
        except PresetError as error:
            problems.append(f"articles[{position}].preset: {error}")
            found = None
        if found is None or not isinstance(element, Mapping):
            merged.append(stated)
            continue
        use = _use(position, found, element, given)
        uses.append(use)
        merged.append({**use.articles, **element, "path": found.folder, "preset": found.name})
    return merged, uses, problems


def _recognised(element: object) -> Recognised | None:
    if not isinstance(element, Mapping):
        return None
    path, name = element.get("path"), element.get("preset")
    if not isinstance(path, str | Path) or not isinstance(name, str | None) or name == "none":
        return None
    folder = Path(path)
    return recognise(folder, name or None) if folder.is_dir() else None


def _use(position: int, found: Recognised, element: Mapping[str, Any], given: frozenset[str]) -> PresetUse:
    unused = list(found.unused)
    articles: dict[str, object] = {}
    # The address first, because patterns continue it.
    for key in sorted(found.articles, key=lambda one: one != "base_url"):
        if key in element or _EVERYWHERE.get(key) in given:
            continue
        stated = {**articles, **element, "path": found.folder, key: found.articles[key]}
        if problem := _problem(RootSettings, stated, key):
            unused.append(problem)
        else:
            articles[key] = found.articles[key]
    site: dict[str, object] = {}
    for key, value in found.site.items():
        if f"site.{key}" in given:
            continue
        if problem := _problem(SiteSettings, {key: value}, key):
            unused.append(problem)
        else:
            site[key] = value
    source = f"preset {found.name}" + ("" if found.config is None else f", {found.config}")
    return PresetUse(position, found.program, source, site, articles, tuple(unused))


def _problem(model: type[BaseModel], values: Mapping[str, object], key: str) -> str:
    """The reason why a value is not a setting; '' if it is one."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        reasons = [_reason(detail["msg"]) for detail in error.errors() if detail["loc"][:1] in {(), (key,)}]
        return f"{key}: {reasons[0]}" if reasons else ""
    return ""


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "should", 1)


def settings_of(uses: list[PresetUse]) -> Iterator[tuple[str, object, str]]:
    """The settings of the site that follow: key, value and source. The first folder counts."""
    seen: set[str] = set()
    for use in uses:
        for name, value in use.site.items():
            if name not in seen:
                seen.add(name)
                yield f"site.{name}", value, use.source
