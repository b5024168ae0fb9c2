"""Looks at a folder: which program publishes it, and which settings follow from its configuration.

Reads the program's configuration file and looks for a few names, and nothing else. YAML tags have no effect,
so nothing of the folder is executed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from feedserver.presets.preset import Preset, Sign, presets
from feedserver.presets.taking import (
    UnknownPlaceholderError,
    as_names,
    filled,
    section_patterns,
    url_pattern,
    value_at,
)

_MAX_CONFIG = 1_048_576  # bytes


class PresetError(ValueError):
    """The preset cannot be used; the message is a sentence."""


class Recognised(NamedTuple):
    """A folder that a program publishes.

    Attributes:
        name: of the preset.
        program: its name for people.
        folder: where the articles are.
        config: the configuration file, if it has one that is read.
        site, articles: the settings that follow, by key.
        unused: what could not be taken from the configuration, as phrases.
    """

    name: str
    program: str
    folder: Path
    config: Path | None
    site: Mapping[str, object]
    articles: Mapping[str, object]
    unused: tuple[str, ...] = ()


class _Loader(yaml.CSafeLoader):
    """A safe loader for which a value with an unknown tag, as in `mkdocs.yml`, is none."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, _suffix, _node: None)


def recognise(folder: Path, name: str | None = None) -> Recognised | None:
    """The folder as its program publishes it; None if no preset recognises it.

    Args:
        folder: a folder of articles, or of a site.
        name: the preset to use without looking for signs.

    Raises:
        PresetError: there is no such preset, or the configuration cannot be read.
    """
    if name is not None:
        return _by_name(folder, name)
    for one, preset in presets().items():
        for sign in preset.signs:
            if (seen := _seen(sign, folder)) is not None:
                return _recognised(one, preset, folder, seen)
    return None


class _Config(NamedTuple):
    """The configuration of a program: its file, if there is one, and its values."""

    path: Path | None
    values: Mapping[str, object]


def _by_name(folder: Path, name: str) -> Recognised:
    if name not in presets():
        raise PresetError(f"must be one of {', '.join(presets())}, or none")
    preset = presets()[name]
    found = (_config(sign, folder) for sign in preset.signs)
    config = next((one for one in found if one.path is not None), _Config(None, {}))
    return _recognised(name, preset, folder, config)


def _seen(sign: Sign, folder: Path) -> _Config | None:
    """The configuration, if the folder has a sign; the file is read only if the rest is there."""
    if sign.paths and not any(_exists(folder, path) for path in sign.paths):
        return None
    if any(_exists(folder, path) for path in sign.without):
        return None
    config = _config(sign, folder)
    if sign.config and config.path is None:
        return None
    if sign.keys and all(value_at(config.values, key) is None for key in sign.keys):
        return None
    return config


def _config(sign: Sign, folder: Path) -> _Config:
    path = next((folder / name for name in sign.config if (folder / name).is_file()), None)
    return _Config(path, {} if path is None else _read(path))


def _exists(folder: Path, path: str) -> bool:
    if "*" in path:
        return next(folder.glob(path), None) is not None
    return (folder / path).exists()


def _read(config: Path) -> Mapping[str, object]:
    try:
        with config.open("rb") as file:
            raw = file.read(_MAX_CONFIG)
        text = raw.decode("utf-8-sig")
        values = tomllib.loads(text) if config.suffix == ".toml" else yaml.load(text, _Loader)  # noqa: S506  safe
    except OSError as error:
        raise PresetError(f"{config} cannot be read: {error.strerror}; or set preset to none") from error
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise PresetError(f"{config} cannot be read: {reason}; or set preset to none") from error
    return values if isinstance(values, Mapping) else {}


def _recognised(name: str, preset: Preset, folder: Path, config: _Config) -> Recognised:
    values = config.values
    places = [folder / str(place) for one in preset.folders if (place := filled(one, values))]
    inner = next((place for place in places if place.is_dir()), folder)
    articles = {key: filled(value, values) for key, value in preset.articles.items()}
    unused: list[str] = []
    if preset.permalink is not None:
        try:
            articles |= {"section_urls": section_patterns(preset.permalink, values)}
            articles |= {"url": url_pattern(preset.permalink, values) or articles.get("url")}
        except UnknownPlaceholderError as error:
            unused.append(f"the placeholder {error} of its addresses is not known; set articles[].url")
    if articles.get("skip"):
        articles["skip"] = as_names(articles["skip"])
    if isinstance(base := articles.get("base_url"), str):
        articles["base_url"] = base.rstrip("/") + "/"
    return Recognised(
        name=name,
        program=preset.name,
        folder=inner,
        config=config.path,
        site=_with_values({key: _site_value(key, value, values) for key, value in preset.site.items()}),
        articles=_with_values(articles),
        unused=tuple(unused),
    )


def _site_value(key: str, template: object, values: Mapping[str, object]) -> object:
    value = filled(template, values)
    if isinstance(value, list):
        value = value[0] if value else None  # Hexo has a list of languages
    return value.replace("_", "-") if key == "language" and isinstance(value, str) else value


def _with_values(settings: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in settings.items() if value not in (None, "", [], {})}
