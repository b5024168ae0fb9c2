"""Reads the settings from a YAML file, the environment and the command line.

`FEEDSERVER_…` variables override the file, command-line options override both, and all of them override the
presets of recognised folders (`settings.presets`), which override the defaults. The keys and their checks are
in `settings.schema`. All problems are collected and raised at once, each with its key and its source. Creates
nothing. A key without a value (null) is not set by its source: the earlier sources count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from feedserver.errors import SettingsError
from feedserver.settings.presets import PresetUse, settings_of, with_presets
from feedserver.settings.schema import ELEMENTS, KEYS, SECTIONS, Settings

__all__ = ["Origin", "PresetUse", "Settings", "load_settings", "origins", "presets_used", "variable_of"]

CONFIG_VARIABLE: Final = "FEEDSERVER_CONFIG"
CONFIG_PLACES: Final = (Path("feedserver.yaml"), Path("config/feedserver.yaml"))
_PREFIX: Final = "FEEDSERVER_"
_TEXT_TYPES: Final = (str, str | None, Path)
_REASONS: Final = {  # pydantic speaks to programmers; these are the words of a YAML file
    "missing": "is required",
    "extra_forbidden": "is not a setting",
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "bool_type": "should be true or false",
    "tuple_type": "should be a list",
    "mapping_type": "should be a mapping of keys",
    "model_type": "should be a mapping of keys",
    "string_too_short": "must not be empty",
}


class Origin(NamedTuple):
    """A key, its effective value in plain types, and the source that it came from.

    Secrets are not shown: `status.token`, `cache.secret`, `cache.password` and the passwords in URLs are
    masked.
    """

    key: str
    value: object
    source: str


class _Said(NamedTuple):
    """The value of one key from one source."""

    value: object
    source: str


def load_settings(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Read the settings from all sources.

    Args:
        config_file: the YAML file; without it `FEEDSERVER_CONFIG` names it, else it is the first of
            `feedserver.yaml` and `config/feedserver.yaml` in the working directory that exists, else none.
        environ: the environment; the one of the process by default.
        overrides: command-line options as a nested mapping; None stands for an option not given.

    Raises:
        SettingsError: with all problems of all sources.
    """
    return _load(config_file, environ, overrides)[0]


def origins(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> tuple[Origin, ...]:
    """Every key with its effective value and its source; arguments and errors as `load_settings`.

    A source reads `default`, `preset NAME, FILE`, `file PATH line N`, `environment VARIABLE` or `option`. A
    setting of a folder that follows from its preset has a row of its own, such as `articles[0].url`.
    """
    settings, said, uses = _load(config_file, environ, overrides)
    values = settings.model_dump(mode="json")
    # Each folder has some twenty keys, of which one or two are set.
    values["articles"] = [root.model_dump(mode="json", exclude_unset=True) for root in settings.articles]
    rows = []
    for key in KEYS:
        rows.append(
            Origin(key, _shown(key, _at(values, key)), said[key].source if key in said else "default")
        )
        if key == "articles":
            rows += [
                Origin(f"articles[{use.position}].{name}", value, use.source)
                for use in uses
                for name, value in use.articles.items()
            ]
    return tuple(rows)


def presets_used(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> tuple[PresetUse, ...]:
    """The folders that were recognised; arguments and errors as `load_settings`."""
    return tuple(_load(config_file, environ, overrides)[2])


def variable_of(key: str) -> str:
    """The environment variable of a key: `FEEDSERVER_SITE__TITLE` for `site.title`."""
    return _PREFIX + key.upper().replace(".", "__")


def _load(
    config_file: Path | None, environ: Mapping[str, str] | None, overrides: Mapping[str, object] | None
) -> tuple[Settings, dict[str, _Said], list[PresetUse]]:
    variables = os.environ if environ is None else environ
    problems: list[str] = []
    said: dict[str, _Said] = {}
    said.update(_from_file(_config_path(config_file, variables), problems))
    said.update(_from_environment(variables, problems))
    said.update(_from_options(overrides or {}, problems))
    uses = _apply_presets(said, problems)
    try:
        settings = Settings.model_validate(_nested(said))
    except ValidationError as error:
        problems += [_sentence(detail, said) for detail in error.errors(include_url=False)]
        raise SettingsError(problems) from error
    if problems:
        raise SettingsError(problems)
    return settings, said, uses


def _apply_presets(said: dict[str, _Said], problems: list[str]) -> list[PresetUse]:
    """Add the settings that follow from presets to those that the sources give."""
    stated, source = said.get("articles", _Said(["articles"], "default"))
    if not isinstance(stated, Sequence) or isinstance(stated, str):
        return []
    folders, uses, wrong = with_presets(list(stated), frozenset(said))
    problems += [f"{problem} ({source})" for problem in wrong]
    if uses:
        said["articles"] = _Said(folders, source)
    said.update({key: _Said(value, origin) for key, value, origin in settings_of(uses)})
    return uses


# --- Sources ------------------------------------------------------------------------------------


def _config_path(config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    if config_file is not None:
        return config_file
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return next((place for place in CONFIG_PLACES if place.is_file()), None)


def _from_file(path: Path | None, problems: list[str]) -> dict[str, _Said]:
    if path is None:
        return {}
    try:
        document = _parse(path.read_bytes())
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return {}
    problems += [f"{repeated} (file {path})" for repeated in document.repeated]
    if not isinstance(document.value, Mapping):
        if document.value is not None:
            problems.append(f"{path}: should be a mapping of keys")
        return {}

    def source(key: str) -> str:
        return f"file {path} line {document.lines[key]}" if key in document.lines else f"file {path}"

    return dict(_leaves(document.value, source, problems))


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Said]:
    keys = {variable_of(key): key for key in KEYS}
    said = {}
    for name in sorted(environ):
        if not name.startswith(_PREFIX) or name == CONFIG_VARIABLE:
            continue
        if name not in keys:
            problems.append(f"{name}: is not a variable of feedserver{_did_you_mean(name, keys)}")
            continue
        key, source = keys[name], f"environment {name}"
        try:
            value = _variable(key, environ[name])
        except ValueError as error:
            problems.append(f"{key}: {error} ({source})")
            continue
        if value is not None:
            said[key] = _Said(value, source)
    return said


def _variable(key: str, text: str) -> object:
    """A key that takes text gets it as it is (`#1: news` is a fine title); all others are YAML."""
    if KEYS[key] in _TEXT_TYPES:
        return text
    document = _parse(text.encode())
    if document.repeated:
        raise ValueError(document.repeated[0])
    return document.value


def _from_options(overrides: Mapping[str, object], problems: list[str]) -> dict[str, _Said]:
    said = dict(_leaves(overrides, lambda _: "option", problems))
    if "articles" in said:
        said["articles"] = _Said(_named_folders(said["articles"].value), "option")
    return said


def _named_folders(folders: object) -> object:
    """Several plain folders get their own names as id_prefix, so that their ids stay apart."""
    if not isinstance(folders, Sequence) or isinstance(folders, str) or len(folders) < 2:
        return folders
    if not all(isinstance(folder, str | Path) for folder in folders):
        return folders
    # Not `Path.resolve`: the target of a symbolic link such as `current` changes, ids must not.
    names = [os.path.basename(os.path.abspath(folder)) for folder in folders]  # noqa: PTH100, PTH119
    return [{"path": folder, "id_prefix": name} for folder, name in zip(folders, names, strict=True)]


def _leaves(
    mapping: Mapping[Any, object], source: Callable[[str], str], problems: list[str]
) -> Iterator[tuple[str, _Said]]:
    """The keys of a nested mapping, dotted, that have a value; unknown ones become problems."""
    for name, value in mapping.items():
        inner: Mapping[str, object] = {str(name): value}
        if name in SECTIONS:
            if value is not None and not isinstance(value, Mapping):
                problems.append(f"{name}: should be a mapping of keys ({source(name)})")
                continue
            inner = {f"{name}.{key}": leaf for key, leaf in (value or {}).items()}
        for key, leaf in inner.items():
            if key not in KEYS:
                guess = _did_you_mean(key, (*KEYS, *SECTIONS))
                problems.append(f"{key}: is not a setting{guess} ({source(key)})")
            elif leaf is not None:
                yield key, _Said(leaf, source(key))


# --- YAML ---------------------------------------------------------------------------------------


class _Document(NamedTuple):
    """A YAML document: its value, the lines of its outer two levels of keys, and keys given twice."""

    value: object
    lines: dict[str, int]
    repeated: list[str]


class _Loader(yaml.SafeLoader):
    """A SafeLoader that remembers repeated keys, of which YAML itself would keep the last."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.repeated: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):  # the base class reports anything else
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            names = [key.value for key in keys]
            self.repeated += [
                f"{key.value}: is given twice, again in line {key.start_mark.line + 1}"
                for index, key in enumerate(keys)
                if key.value in names[:index]
            ]
        return super().construct_mapping(node, deep=deep)


def _parse(text: bytes) -> _Document:
    """Parse one YAML document. Raises ValueError with a phrase that names the problem and its place."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        msg = f"is not valid YAML: {error.problem}{where}"
        raise ValueError(msg) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # bad bytes, a date such as 2025-13-01
        msg = f"is not valid YAML: {str(error).splitlines()[0]}"
        raise ValueError(msg) from error
    return _Document(value, dict(_lines(node)), loader.repeated)


def _lines(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{above}{key.value}", key.start_mark.line + 1
            if not above:
                yield from _lines(value, f"{key.value}.")


# --- Values and problems --------------------------------------------------------------------------


def _nested(said: Mapping[str, _Said]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, (value, _) in said.items():
        section, dot, name = key.partition(".")
        if dot:
            nested.setdefault(section, {})[name] = value
        else:
            nested[key] = value
    return nested


def _sentence(detail: ErrorDetails, said: Mapping[str, _Said]) -> str:
    """`server.port: should be a whole number (file feedserver.yaml line 3)`."""
    loc = [part for part in detail["loc"] if part != "[key]"]
    key = str(loc[0]) if loc[0] in KEYS else f"{loc[0]}.{loc[1]}"
    path = str(loc[0]) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc[1:])
    reason = _REASONS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    reason = reason.replace("Input should", "should", 1)
    if detail["type"] == "extra_forbidden":
        reason += _did_you_mean(str(loc[-1]), ELEMENTS[key].model_fields)
    if detail["type"] == "string_type" and not isinstance(detail["input"], list | dict | None):
        reason += "; put it in quotes"  # `no`, 2025 and 2025-01-01 are not text in YAML
    source = said[key].source if key in said else "default"
    return f"{path}: {reason} ({source})"


def _did_you_mean(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _at(values: Mapping[str, Any], key: str) -> object:
    section, dot, name = key.partition(".")
    return values[section][name] if dot else values[key]


def _shown(key: str, value: object) -> object:
    if key in {"status.token", "cache.secret", "cache.password"} and value:
        return "***"
    if key in {"cache.url", "index.url", "index.read_url"}:
        return re.sub(r"(?<=//).*(?=@)|(?<=password=)[^&]*", "***", str(value))
    return value
