"""The rules for reading the files of one root, taken from the settings.

Only values, and the only ones of the settings that reach the reading of an article.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from feedserver.articles.field_keys import MoreKeys
from feedserver.articles.visibility_keys import HiddenIf


class ReadingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the files of one root are read.

    Attributes:
        id_authority: authority of the tag URIs that are article ids, such as `example.org`.
        id_year: year of those tag URIs (RFC 4151); like the authority, never to be changed.
        id_prefix: put before the path in ids, so that the ids of several roots differ.
        time_zone: IANA name of the zone of dates without one.
        base_url: address of the site. Relative references are resolved against the article's own page; those
            of files without one, and of articles whose page is elsewhere, against this.
        root_urls: the place of root-relative references (`/about/`): `host`, or below `base_url` (`base`).
        url_pattern: address of an article whose file has none, with the placeholders of
            `rule_names.PLACEHOLDER_NAMES`; dates are those of the publication, in `time_zone`. A pattern that
            begins with `/` continues `base_url`.
        section_urls: other patterns for the articles in single folders, by the first folder of the path.
        url_names: how names are written into it: a key of `url_names.STYLES`.
        trailing_slash: a path that a file states as its address ends with a slash, unless it has an
            extension.
        ids: how an id is made of a file that states none: "path", "url", or a pattern like `url_pattern` that
            may contain `{url}` and `{url_folder}`.
        folder_categories: how folders are categories: one of `categories.WAYS`.
        more_keys: further keys per field, tried after those of `field_keys.KEYS`.
        date_from_file_name: a date in the names of the file and its folders, such as `2024-05-01-x.md` or
            `2024/05/01/x.md`, dates an article without a date in its keys; it is no part of `{slug}`.
        markdown: extensions of Markdown, names of `rule_names.EXTENSIONS`.
        templates: language of the template code in bodies and fields, a name of `rule_names.LANGUAGES`; '' if
            there is none.
        header: lines of `Key: value` at the start of a file, up to a blank line, are its front matter, as
            Pelican and MkDocs read it.
        bare: a Markdown or HTML file without front matter is one whose front matter is empty.
        underscored: files whose names begin with `_` are read too; else they are templates and the like.
        max_topics: the maximum number of topics of an article, and of names in other lists.
        date_from_mtime: an article without any other date is published at its modification time.
        hidden_if: further keys, `outer.inner` in a mapping, with those of their values that hide an article;
            without values, any value hides but an empty one and false.
        titles: where the title of an article comes from whose keys have none, in this order: names of
            `rule_names.TITLES`. Without any it is an error.
        excerpts: the same for the excerpt: names of `rule_names.EXCERPTS`.
        languages: the codes that are a language at the end of a file's name, as in `index.es.md`; they are
            then not part of `{slug}` and `{path}`.
        language: of the articles whose keys and names state none; '' is that of the site.
        separators: the characters that part one text into several topics or categories; a blank stands for
            all white space.
        bodies_are_html: the bodies of Markdown and data files are HTML as well.
    """

    id_authority: str
    id_year: int
    id_prefix: str = ""
    time_zone: str = "UTC"
    base_url: str = ""
    root_urls: Literal["host", "base"] = "host"
    url_pattern: str = ""
    section_urls: tuple[tuple[str, str], ...] = ()
    url_names: str = "keep"
    trailing_slash: bool = False
    ids: str = "path"
    folder_categories: Literal["marked", "above", "none"] = "marked"
    more_keys: MoreKeys = ()
    date_from_file_name: bool = False
    date_from_mtime: bool = False
    bodies_are_html: bool = False
    markdown: tuple[str, ...] = ()
    templates: str = ""
    hidden_if: HiddenIf = ()
    header: bool = False
    bare: bool = False
    underscored: bool = False
    titles: tuple[str, ...] = ()
    excerpts: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    language: str = ""
    separators: str = ","
    max_topics: int = 100
