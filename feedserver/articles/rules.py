"""What the settings say about the reading of one root's files.

Only values: nothing here reads a file, and nothing of the settings beyond these values reaches the
reading of an article.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ReadingRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the files of one root are read.

    Attributes:
        id_authority: authority of the tag URIs that are article ids, such as `example.org`.
        id_year: year of those tag URIs (RFC 4151); like the authority, never to be changed.
        id_prefix: put before the path in ids, so that several roots do not clash.
        time_zone: IANA name of the zone of dates that state none.
        base_url: base of relative URLs; without it they are dropped.
        url_pattern: address of an article whose file states none; may hold `{year}`, `{month}`,
            `{day}` (of the publication, in `time_zone`), `{slug}` (the file name) and `{path}`.
        aliases: further keys per field, tried after the built-in ones; the fields are the keys of
            `fields.NAMES`.
        date_from_file_name: a `YYYY-MM-DD-` file name dates an article whose keys do not; the
            prefix then does not belong to `{slug}`.
        date_from_mtime: an article that nothing else dates is published at its modification time.
    """

    id_authority: str
    id_year: int
    id_prefix: str = ""
    time_zone: str = "UTC"
    base_url: str = ""
    url_pattern: str = ""
    aliases: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    date_from_file_name: bool = False
    date_from_mtime: bool = False
