"""The presets: data about programs that publish folders of articles, one YAML file each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something by which a folder is recognised: all of what is stated must be true.

    Attributes:
        config: names of the configuration file, of which the first that exists is read.
        keys: dotted keys, of which the configuration has at least one.
        paths: globs of paths, of which at least one exists.
        without: globs of paths, none of which exists.
    """

    config: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class PermalinkSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """How a program writes the pattern of its addresses.

    Attributes:
        from_: the pattern, a text to be filled in from the configuration.
        before, after: stand before and after that pattern.
        sections: dotted keys of mappings from a section to a pattern; the first that exists counts.
        styles: the patterns that have a name.
        placeholders: of the program, and those of `articles[].url`. A placeholder that is not here makes the
            pattern unusable.
    """

    placeholders: Mapping[str, str]
    from_: str = ""
    before: str = ""
    after: str = ""
    sections: tuple[str, ...] = ()
    styles: Mapping[str, str] = {}


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One program.

    Attributes:
        name: of the program, for people.
        signs: one is enough.
        folders: where the articles are, to be filled in; the first that exists. Empty: the folder itself.
        site, articles: settings, below `site` and `articles[]`. Texts are filled in from the configuration.
        permalink: the pattern of its addresses, which becomes `articles[].url`.
    """

    name: str
    signs: tuple[Sign, ...]
    folders: tuple[str, ...] = ()
    site: Mapping[str, Any] = {}
    articles: Mapping[str, Any] = {}
    permalink: PermalinkSource | None = None


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by the name of their file."""
    # Not `importlib.resources`, which takes longer to be imported than all files to be read.
    return {file.stem: _preset(file) for file in sorted(Path(__file__).parent.glob("*.yaml"))}


def _preset(file: Path) -> Preset:
    text = file.read_bytes()
    # libyaml: the pure parser took 20 times as long for all files, at each start of a command.
    return msgspec.convert(yaml.load(text, yaml.CSafeLoader), Preset)
