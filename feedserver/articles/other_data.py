"""Tells broken articles from data about something else, such as the settings of programs.

Folders of articles hold `package.json`, translations and lists, which are often no YAML or JSON in the strict
sense. They are no errors. A broken article must stay one, so that its last good version stays published
(promise 5): in doubt a file may be an article.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from pathlib import PurePosixPath

from feedserver.articles.field_keys import MoreKeys, keys_of_fields
from feedserver.articles.file_names import date_of_file_name
from feedserver.articles.rules import ReadingRules

_LIST = re.compile(r"\ufeff?\s*+(?:---[^\n]*+\n\s*+)?(?:\[|-[ \t\n])")


def may_be_article(raw: bytes, path: PurePosixPath, rules: ReadingRules) -> bool:
    """Whether a data file that cannot be read may be an article: no list, with the name of a key for a date.

    Where the rules date an article by other means, any mapping may be one.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    text = raw.decode("utf-8", "replace")
    if _LIST.match(text):
        return False
    is_dated = rules.date_from_mtime or date_of_file_name(path, rules) is not None
    return is_dated or _signs(rules.more_keys).search(text) is not None


@lru_cache(maxsize=64)
def _signs(more_keys: MoreKeys) -> re.Pattern[str]:
    keys = {key.partition(".")[0] for key in keys_of_fields(more_keys)["published"]} | {"taxonomy"}
    words = "|".join(sorted(map(re.escape, keys)))
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
