"""A file taken apart into its fields and its body, and the suffixes of names that say how.

Performs no I/O and parses nothing.
"""

from __future__ import annotations

import msgspec

from feedserver.articles.nodes import Mapping

DATA_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
HTML_SUFFIXES = frozenset({".html", ".htm"})


class SplitFile(msgspec.Struct, frozen=True):
    """A file taken apart.

    Attributes:
        fields: the keys and values, as far as they could be read.
        body: the text after the front matter, line ends as LF; '' for a data file.
        is_whole: whether the fields were read to their end.
        front: the text of the fields; '' if no text in it can have a second line, as in JSON.
    """

    fields: Mapping
    body: str
    is_whole: bool
    front: str = ""
