"""Kinds of findings: problems that are reported about a file, with code, severity, meaning and remedy.

A finding's code is a stable name: programs match it in the output of `feedserver check`, and the index stores
it. `FINDINGS` is the one table; `docs/reference/findings.md` is generated from it. To add a finding, add a
member and its row, and generate the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How much a finding matters: an error costs the article, the others cost nothing or a field."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class FindingCode(StrEnum):
    """The codes of all findings, grouped by the step that reports them."""

    # The folder and its files
    FOLDER_AWAY = "folder-away"
    UNREADABLE = "unreadable"
    UNSETTLED = "unsettled"
    VANISHED = "vanished"
    TOO_LARGE = "too-large"
    NOT_A_FILE = "not-a-file"
    FOLDER = "folder"
    NAME_NOT_UTF8 = "name-not-utf8"
    SYMLINK_BROKEN = "symlink-broken"
    SYMLINK_FOLDER = "symlink-folder"
    SYMLINK_LOOP = "symlink-loop"
    SYMLINK_OUTSIDE = "symlink-outside"
    INTERNAL_ERROR = "internal-error"
    SET_ASIDE = "set-aside"
    # The kind of the file
    EMPTY_FILE = "empty-file"
    NO_FRONT_MATTER = "no-front-matter"
    SECTION_PAGE = "section-page"
    NOT_AN_ARTICLE = "not-an-article"
    UNDATED = "undated"
    HIDDEN_BY_LINE = "hidden-by-line"
    BAD_VISIBILITY = "bad-visibility"
    DOUBLED_ID = "doubled-id"
    # The front matter
    NOT_UTF8 = "not-utf8"
    CONTROL_CHARACTER = "control-character"
    FRONT_MATTER_UNCLOSED = "front-matter-unclosed"
    FRONT_MATTER_TOO_LONG = "front-matter-too-long"
    NOT_A_MAPPING = "not-a-mapping"
    DUPLICATE_KEY = "duplicate-key"
    TOO_MANY_VALUES = "too-many-values"
    TOO_DEEP = "too-deep"
    JSON_SYNTAX = "json-syntax"
    TOML_SYNTAX = "toml-syntax"
    YAML_SYNTAX = "yaml-syntax"
    YAML_ALIAS = "yaml-alias"
    YAML_DEPTH = "yaml-depth"
    YAML_DOCUMENTS = "yaml-documents"
    YAML_KEY = "yaml-key"
    YAML_MERGE = "yaml-merge"
    YAML_TAG = "yaml-tag"
    # The fields
    WRONG_TYPE = "wrong-type"
    BAD_DATE = "bad-date"
    BAD_DOMAIN = "bad-domain"
    BAD_DURATION = "bad-duration"
    BAD_EMAIL = "bad-email"
    BAD_LANGUAGE = "bad-language"
    BAD_NUMBER = "bad-number"
    BAD_URL = "bad-url"
    LONG_ID = "long-id"
    LONG_NAME = "long-name"
    NO_NAME = "no-name"
    NO_TITLE = "no-title"
    NO_URL = "no-url"
    TOO_MANY_PARTS = "too-many-parts"
    TOO_MANY_TOPICS = "too-many-topics"
    UNUSABLE_PART = "unusable-part"
    # The body
    COSTLY_MARKUP = "costly-markup"
    HTML_AS_CODE = "html-as-code"
    TEMPLATE_TAG = "template-tag"
    BROKEN_LINK = "broken-link"
    # Reported by a check alone
    UNKNOWN_KEY = "unknown-key"
    DROPPED_VALUE = "dropped-value"
    BYTE_ORDER_MARK = "byte-order-mark"
    # From another version
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, _: object) -> FindingCode:
        """The code of a finding that the index of another version holds and this version does not know."""
        return cls.UNKNOWN


class FindingKind(NamedTuple):
    """A row of the table.

    Attributes:
        severities: worst first. A place that does not decide what the article is reports the milder one: a
            related article, for example.
        meaning: the problem.
        remedy: how to mend it.
    """

    severities: tuple[Severity, ...]
    meaning: str
    remedy: str

    @property
    def severity(self) -> Severity:
        """The severity, unless the place of the finding has a milder one."""
        return self.severities[0]


_ERROR, _WARNING, _INFO = (Severity.ERROR,), (Severity.WARNING,), (Severity.INFO,)
_BY_PLACE = (Severity.ERROR, Severity.WARNING)

FINDINGS: Mapping[FindingCode, FindingKind] = {
    FindingCode.FOLDER_AWAY: FindingKind(
        _ERROR,
        "The folder of articles cannot be listed, or it is empty and another folder than before: its file"
        " system is not mounted, for example.",
        "Mount the folder, or make it readable. Its articles stay published for the time that"
        " `scan.drop_missing_after` sets.",
    ),
    FindingCode.UNREADABLE: FindingKind(
        _ERROR,
        "The operating system does not let the file be read, or the folder be listed.",
        "Give the user of feedserver the right to read it.",
    ),
    FindingCode.UNSETTLED: FindingKind(
        _ERROR,
        "The file changed each time while it was being read.",
        "Nothing: the next scan reads it. Programs that write a file under another name and then rename it"
        " avoid this.",
    ),
    FindingCode.VANISHED: FindingKind(
        _INFO,
        "The file was listed, and was gone when it was to be read.",
        "Nothing.",
    ),
    FindingCode.TOO_LARGE: FindingKind(
        _ERROR,
        "The file is larger than `scan.max_file_size`.",
        "Shorten the file, or raise the setting.",
    ),
    FindingCode.NOT_A_FILE: FindingKind(
        _ERROR,
        "The name is that of an article, but there is a folder, pipe, socket or device.",
        "Move it out of the folder of articles, or add its name to `scan.skip`.",
    ),
    FindingCode.FOLDER: FindingKind(
        _WARNING,
        "A folder has a name like an article. The files in it are read.",
        "Rename the folder.",
    ),
    FindingCode.NAME_NOT_UTF8: FindingKind(
        _ERROR,
        "The name of the file is not UTF-8.",
        "Rename the file.",
    ),
    FindingCode.SYMLINK_BROKEN: FindingKind(
        _ERROR,
        "A symbolic link leads to a file that does not exist.",
        "Correct the link, or remove it.",
    ),
    FindingCode.SYMLINK_FOLDER: FindingKind(
        _INFO,
        "A symbolic link leads to a folder inside the folder of articles, which is read at its own place.",
        "Nothing.",
    ),
    FindingCode.SYMLINK_LOOP: FindingKind(
        _ERROR,
        "A symbolic link leads to itself, or to a folder that contains it.",
        "Correct the link, or remove it.",
    ),
    FindingCode.SYMLINK_OUTSIDE: FindingKind(
        _ERROR,
        "A symbolic link leads out of the folder of articles, so it is not followed.",
        "Copy the file into the folder, or add the folder that contains it to `articles`.",
    ),
    FindingCode.INTERNAL_ERROR: FindingKind(
        _ERROR,
        "The file could not be read or stored because of a defect of feedserver.",
        "Report the defect with the traceback, which is in the log.",
    ),
    FindingCode.SET_ASIDE: FindingKind(
        _ERROR,
        "Two processes ended while they were reading the file: it took too much time or memory, or a library"
        " crashed. The file is read again once it has changed.",
        "Simplify the file, and report it.",
    ),
    FindingCode.EMPTY_FILE: FindingKind(
        _INFO,
        "The file is empty, so it is not an article.",
        "Nothing, or add front matter.",
    ),
    FindingCode.NO_FRONT_MATTER: FindingKind(
        _INFO,
        "The file does not begin with front matter, so it is not an article.",
        "Nothing, or add front matter.",
    ),
    FindingCode.SECTION_PAGE: FindingKind(
        _INFO,
        "The file is named `_index`: the page of a section in Hugo, not an article.",
        "Nothing, or rename the file.",
    ),
    FindingCode.NOT_AN_ARTICLE: FindingKind(
        _INFO,
        "The front matter has neither a title nor a date nor a URL, the name of the file begins with `_`, or"
        " the file is data about something else: it is not an article.",
        "Nothing, or add a title and a date, or rename the file.",
    ),
    FindingCode.UNDATED: FindingKind(
        _WARNING,
        "Neither the front matter nor the file name tells when the article was published. It is in no feed.",
        "Add a date, or let the settings take it from the modification time (`dates.fallback: mtime`).",
    ),
    FindingCode.HIDDEN_BY_LINE: FindingKind(
        _WARNING,
        "A line of a text in the front matter would hide the article if it were a key; so it is hidden.",
        "Close the quote before that line, or indent the line.",
    ),
    FindingCode.BAD_VISIBILITY: FindingKind(
        _BY_PLACE,
        "A key that may hide the article, such as `draft` or `published`, has a value that is neither true"
        " nor false. The article is hidden.",
        "Write `true` or `false`.",
    ),
    FindingCode.DOUBLED_ID: FindingKind(
        _ERROR,
        "Another published file has the same id. The newer one, or else the first path, is shown.",
        "Remove one of the files, or give it another `id`. For several folders set `articles[].id_prefix`.",
    ),
    FindingCode.NOT_UTF8: FindingKind(
        _ERROR,
        "The file is not UTF-8, from the given line on.",
        "Save the file as UTF-8.",
    ),
    FindingCode.CONTROL_CHARACTER: FindingKind(
        _ERROR,
        "The front matter contains a control character.",
        "Remove the character at the given position.",
    ),
    FindingCode.FRONT_MATTER_UNCLOSED: FindingKind(
        _ERROR,
        "The front matter has no closing line.",
        "Add a line `---` (YAML) or `+++` (TOML) after the last key.",
    ),
    FindingCode.FRONT_MATTER_TOO_LONG: FindingKind(
        _ERROR,
        "The TOML front matter is longer than 131,072 characters.",
        "Shorten it, or move long texts to the body.",
    ),
    FindingCode.NOT_A_MAPPING: FindingKind(
        _ERROR,
        "The front matter is a list or a text instead of keys with values.",
        "Write `key: value` lines.",
    ),
    FindingCode.DUPLICATE_KEY: FindingKind(
        _BY_PLACE,
        "A key occurs twice. It is an error if the key decides whether the article is hidden; otherwise the"
        " last one counts.",
        "Remove one of the two.",
    ),
    FindingCode.TOO_MANY_VALUES: FindingKind(
        _ERROR,
        "The front matter has more than 50,000 values.",
        "Shorten it.",
    ),
    FindingCode.TOO_DEEP: FindingKind(
        _ERROR,
        "TOML or JSON is nested deeper than 20 levels, or a key of TOML has more than 20 parts.",
        "Flatten the values.",
    ),
    FindingCode.JSON_SYNTAX: FindingKind(
        _ERROR,
        "The file is not valid JSON.",
        "Correct the file at the given position.",
    ),
    FindingCode.TOML_SYNTAX: FindingKind(
        _ERROR,
        "The front matter is not valid TOML.",
        "Correct it at the given position.",
    ),
    FindingCode.YAML_SYNTAX: FindingKind(
        _ERROR,
        "The front matter is not valid YAML.",
        "Correct it at the given position; put a text that contains `: ` or ` #` in quotes.",
    ),
    FindingCode.YAML_ALIAS: FindingKind(
        _ERROR,
        "An alias (`*name`) names no value (`&name`) before it, or the value that contains it.",
        "Write the value out, or put a text that begins with `*` in quotes.",
    ),
    FindingCode.YAML_DEPTH: FindingKind(
        _ERROR,
        "YAML is nested deeper than 20 levels.",
        "Flatten the values.",
    ),
    FindingCode.YAML_DOCUMENTS: FindingKind(
        _ERROR,
        "The file contains more than one YAML document.",
        "Make each document a file of its own.",
    ),
    FindingCode.YAML_KEY: FindingKind(
        _ERROR,
        "A key is a list or a mapping.",
        "Make the key a single value.",
    ),
    FindingCode.YAML_MERGE: FindingKind(
        _ERROR,
        "A merge key (`<<`) has a value that is neither a mapping nor a list of mappings.",
        "Name a mapping, or write the keys out.",
    ),
    FindingCode.YAML_TAG: FindingKind(
        _BY_PLACE,
        "A value with the tag `!!binary` is no text, which is a warning and leaves it out; or the front"
        " matter has a `%TAG` directive, which is an error.",
        "Remove the value or the directive.",
    ),
    FindingCode.WRONG_TYPE: FindingKind(
        _BY_PLACE,
        "A field has a value of another kind: a list instead of a text, for example.",
        "Write the value as the message says.",
    ),
    FindingCode.BAD_DATE: FindingKind(
        _BY_PLACE,
        "The value of a date is not a date, or it may mean several days: `07/08/2022`. If it is a date of"
        " publication or expiry, the article is hidden; otherwise the date is ignored.",
        "Write it as `2025-03-04`, `2025-03-04 07:30`, or `2025-03-04T07:30:00Z`.",
    ),
    FindingCode.BAD_DOMAIN: FindingKind(
        _WARNING,
        "The `domain` of a provider is not a domain name. It is ignored.",
        "Write it without scheme and path: `example.org`.",
    ),
    FindingCode.BAD_DURATION: FindingKind(
        _WARNING,
        "The value of a duration is not a duration. It is ignored.",
        "Write it as `PT31M5S`, `31:05`, or a number of seconds.",
    ),
    FindingCode.BAD_EMAIL: FindingKind(
        _WARNING,
        "The `email` of an author is not an e-mail address. It is ignored.",
        "Correct the address, or remove it.",
    ),
    FindingCode.BAD_LANGUAGE: FindingKind(
        _WARNING,
        "The language is not a language tag (BCP 47). It is ignored.",
        "Write a tag such as `en` or `pt-BR`.",
    ),
    FindingCode.BAD_NUMBER: FindingKind(
        _WARNING,
        "The value of a number is not a whole number, or has too many digits. It is ignored.",
        "Write digits only.",
    ),
    FindingCode.BAD_URL: FindingKind(
        _BY_PLACE,
        "A value is not a URL of the web (http or https). It is an error if it is the only address of the"
        " article; otherwise it is ignored.",
        "Write an absolute URL, or one relative to `articles[].base_url`.",
    ),
    FindingCode.LONG_ID: FindingKind(
        _BY_PLACE,
        "The id has more than 255 characters, of which some readers store only that many. A stated `id` of"
        " more than 2,048 characters is an error.",
        "Set a short `id`; for a published article keep the id, or readers show it again as new.",
    ),
    FindingCode.LONG_NAME: FindingKind(
        _BY_PLACE,
        "A name of a topic, category or provider has more than 500 characters. It is ignored.",
        "Shorten it.",
    ),
    FindingCode.NO_NAME: FindingKind(
        _ERROR,
        "A file that describes a topic or provider has no name.",
        "Add a `title` or `name`.",
    ),
    FindingCode.NO_TITLE: FindingKind(
        _ERROR,
        "The article has a date and no title.",
        "Add a `title`.",
    ),
    FindingCode.NO_URL: FindingKind(
        _ERROR,
        "The article has a date and no address.",
        "Add a `link`, or set `articles[].url` to the pattern of the addresses.",
    ),
    FindingCode.TOO_MANY_PARTS: FindingKind(
        _WARNING,
        "The article has more than 500 authors, images, actions or related articles. The first 500 count.",
        "Shorten the list.",
    ),
    FindingCode.TOO_MANY_TOPICS: FindingKind(
        _WARNING,
        "The article has more names in a list than `scan.max_topics`. The first ones count.",
        "Shorten the list, or raise the setting.",
    ),
    FindingCode.UNUSABLE_PART: FindingKind(
        _WARNING,
        "A picture, an action or a related article has no usable address, or an author or provider has no"
        " name. It is left out.",
        "Write a `url` or a `name`; for relative addresses set `articles[].base_url`.",
    ),
    FindingCode.COSTLY_MARKUP: FindingKind(
        _WARNING,
        "The markup of the body would take too much time or memory. It is shown as plain text.",
        "Simplify the markup as the message says.",
    ),
    FindingCode.HTML_AS_CODE: FindingKind(
        _WARNING,
        "HTML in a Markdown body is indented by four spaces after a blank line, so it is shown as code.",
        "Remove the indentation, or set `articles[].bodies` to `html`.",
    ),
    FindingCode.TEMPLATE_TAG: FindingKind(
        _WARNING,
        "The body or the front matter has template code (tags, shortcodes or values) that only the program"
        " that publishes it understands. It is removed.",
        "Nothing if the text reads well without it; otherwise write Markdown or HTML in its place.",
    ),
    FindingCode.BROKEN_LINK: FindingKind(
        _WARNING,
        "A link names a file (`../2023/pier.md`, `[[pier]]`) that is missing, that is no article, or that is"
        " not published yet. Its text is shown without the link.",
        "Correct the path. Once the other article is published, the link is there.",
    ),
    FindingCode.UNKNOWN_KEY: FindingKind(
        _WARNING,
        "A key is not read, and looks like one that is: `publised`, `Titel`, `publish_date`. Only"
        " `feedserver check` reports it.",
        "Correct the key. If it is the one that your program uses, name it in the settings (`fields`).",
    ),
    FindingCode.DROPPED_VALUE: FindingKind(
        _WARNING,
        "A value, or a part of it, is not read: the text after ` #`, `content` in a file that has a body, a"
        " media type or the size of a picture that cannot be meant. Only `feedserver check` reports it.",
        "Write it as the message says, or remove it.",
    ),
    FindingCode.BYTE_ORDER_MARK: FindingKind(
        _INFO,
        "The file begins with a byte order mark. It is read all the same, but other programs may not find"
        " the front matter. Only `feedserver check` reports it.",
        "Save the file as UTF-8 without the mark; `feedserver check --fix` removes it.",
    ),
    FindingCode.UNKNOWN: FindingKind(
        _WARNING,
        "Another version of feedserver reported a finding that this version does not know; its severity and"
        " message are those of that version.",
        "See the message.",
    ),
}

# The codes that this version reports.
REPORTED: tuple[FindingCode, ...] = tuple(code for code in FindingCode if code is not FindingCode.UNKNOWN)
