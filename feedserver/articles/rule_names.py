"""The names that rules of reading may hold, as the settings check them.

Apart from the modules that give them a meaning: these take a fifth of a second to be imported, and commands
that read no article check the settings as well. Imports nothing of the package.
"""

from __future__ import annotations

from typing import Final

# Of Markdown (`markdown`), and languages of template code (`template_tags`).
EXTENSIONS: Final = (
    "abbreviations",
    "admonitions",
    "attribute-lists",
    "autolinks",
    "callouts",
    "containers",
    "definition-lists",
    "emoji",
    "html-blocks",
    "mark",
    "math",
    "mdx",
    "smart-punctuation",
    "subscript",
    "superscript",
    "toc",
    "wikilinks",
)
LANGUAGES: Final = ("hexo", "hugo", "liquid", "nunjucks", "zola")

# Where a title or an excerpt may come from (`derived`).
TITLES: Final = ("heading", "file-name", "none")
EXCERPTS: Final = ("more", "paragraph")

# Placeholders of patterns of addresses (`page_url`). One of DISTINGUISHING must occur, or all articles have
# one address.
PLACEHOLDER_NAMES: Final = (
    *("year", "short_year", "month", "i_month", "day", "i_day", "y_day", "hour", "minute", "second"),
    *("slug", "slug_or_title", "title", "filename", "category", "categories", "section", "sections"),
    *("entry_id", "dated_path", "path"),
)
DISTINGUISHING: Final = ("slug", "slug_or_title", "title", "filename", "entry_id", "dated_path", "path")
