"""The settings of one folder of articles. `docs/reference/settings.md` explains each key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, StrictBool, model_validator

from feedserver.articles.rule_names import EXCERPTS, EXTENSIONS, LANGUAGES, TITLES
from feedserver.settings.kinds import (
    LANGUAGE,
    LANGUAGE_DEMAND,
    FieldName,
    Folder,
    Link,
    NamePattern,
    Section,
    Text,
    checked_id_prefix,
    checked_ids,
    checked_time_zone,
    checked_url_pattern,
    matching,
    one_of,
)


def _as_text(value: object) -> object:
    return str(value).lower() if isinstance(value, bool | int) else value


# YAML reads `true` and `404` as something else than texts.
HidingValue = Annotated[str, BeforeValidator(_as_text)]


class RootSettings(Section):
    """A folder of articles. A plain string is short for `{path: …}`.

    Attributes:
        preset: the program that publishes the folder; None recognises it, "none" does not look.
        ids: how the id of an article is made: "path", "url", or a pattern.
        fields, skip: are added to the settings for all folders.
        time_zone, language, dates_from_file_name: if not set, those for all folders count.
    """

    path: Folder
    preset: Text | None = None
    id_prefix: Annotated[str, AfterValidator(checked_id_prefix)] = ""
    base_url: Link = ""
    url: Annotated[str, AfterValidator(checked_url_pattern)] = ""
    url_names: Literal["keep", "hexo", "pretty", "lower", "words", "ascii", "zola", "github"] = "keep"
    trailing_slash: StrictBool = False
    root_urls: Literal["host", "base"] = "host"
    section_urls: Mapping[Text, Annotated[str, AfterValidator(checked_url_pattern)]] = {}
    ids: Annotated[str, AfterValidator(checked_ids)] = "path"
    bodies: Literal["markdown", "html"] = "markdown"
    header: StrictBool = False
    bare: StrictBool = False
    underscored: StrictBool = False
    markdown: tuple[Annotated[str, one_of(EXTENSIONS)], ...] = ()
    templates: Annotated[str, one_of(("", *LANGUAGES))] = ""
    titles: tuple[Annotated[str, one_of(TITLES)], ...] = ()
    excerpts: tuple[Annotated[str, one_of(EXCERPTS)], ...] = ()
    separators: Text = ","
    language: Annotated[str, matching(re.compile(f"|{LANGUAGE.pattern}"), LANGUAGE_DEMAND)] = ""
    languages: tuple[Annotated[str, matching(LANGUAGE, LANGUAGE_DEMAND)], ...] = ()
    hidden_if: Mapping[Text, tuple[HidingValue, ...]] = {}
    folder_categories: Literal["marked", "above", "none"] = "marked"
    time_zone: Annotated[str, AfterValidator(checked_time_zone)] | None = None
    dates_from_file_name: StrictBool | None = None
    fields: Mapping[FieldName, tuple[Text, ...]] = {}
    only: tuple[NamePattern, ...] = ()
    skip: tuple[NamePattern, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _has_a_base(self) -> RootSettings:
        patterns = [self.url, *self.section_urls.values()]
        if not self.base_url and any(pattern.startswith("/") for pattern in patterns):
            msg = "url begins with /, so base_url is needed"
            raise ValueError(msg)
        return self
