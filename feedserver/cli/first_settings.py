"""The text of a first settings file: the keys that sites change, with comments.

Makes text of values; reads nothing. Every key that is not known for the folder is a comment, so that the file
changes nothing but what is sure.
"""

from __future__ import annotations

import json
import textwrap
from typing import NamedTuple

from feedserver.findings import FindingCode

_TEXT = """\
# Settings of feedserver for the articles in {path}.
# Lines that begin with # are proposals: remove the sign to use them. feedserver config shows all settings
# with their values and sources, and docs/reference/settings.md explains each.

site:
  # title: News of the coast
  # The public URL. Set it before the first subscriber comes: addresses and ids are made of it.
  # base_url: https://feeds.example.org
  # The language of articles that state none (BCP 47), and the time zone of dates without one.
  # language: en
  # time_zone: Europe/Berlin

articles:
  - path: {path}
{root}
{dates}# Keys that your articles use, beside the known ones (docs/reference/article-files.md).
# fields:
#   published: [published_on]

# A feed of your own, at /feeds/tides.
# feeds:
#   selections:
#     tides:
#       title: Tides and ferries
#       topics: [Tides, Ferries]

# Where index and publication history are kept. Include history-copies in it in your backups.
# state:
#   dir: .feedserver
"""
_RECOGNISED = """\
    # Recognised as a folder of {program}. From it follow:
{follows}
    # A setting that you give here wins. preset: none turns the recognition off.
"""
_OWN = """\
    # The address of the site, for articles that state a relative one, and the pattern for those without one.
    # base_url: https://www.example.org
    # url: /{section}/{slug}/
    # Where titles come from that are not stated: heading, file-name, none.
    # titles: [heading]
    # html if Markdown files hold HTML.
    # bodies: markdown
"""
_DATES = """\
# Where dates come from that no key states.
{}dates:
{}  # From names such as 2025-03-04-tides.md or 2025/03/04/tides.md.
{}  from_file_name: {}
{}  # Else from the modification time at which a file is seen first (mtime), or not at all (none).
{}  fallback: none

"""
_COMMENT = "    #   "


class FolderFacts(NamedTuple):
    """The facts of a folder of articles, for its first settings file.

    Attributes:
        path: of the folder, as the operator writes it.
        program: that publishes the folder, or ''.
        follows: the settings that follow from that.
        files, articles: how many there are.
        advice: why there is no article, or ''.
        codes: of all findings.
    """

    path: str
    program: str
    follows: tuple[str, ...]
    files: int
    articles: int
    advice: str
    codes: tuple[FindingCode, ...]


def settings_text(facts: FolderFacts) -> str:
    """The settings file for a folder."""
    follows = textwrap.fill(
        ", ".join(facts.follows) or "nothing", 100, initial_indent=_COMMENT, subsequent_indent=_COMMENT
    )
    root = _RECOGNISED.format(program=facts.program, follows=follows)
    return _TEXT.format(
        path=_quoted(facts.path),
        root=root if facts.program else _OWN,
        dates="" if facts.program else _dates(is_needed=FindingCode.UNDATED in facts.codes),
    )


def _dates(*, is_needed: bool) -> str:
    """The section about dates; in effect if some articles have none in their keys."""
    mark = "" if is_needed else "# "
    return _DATES.format(mark, mark, mark, "true" if is_needed else "false", mark, mark)


def _quoted(text: str) -> str:
    """A text in quotes; those of JSON are those of YAML."""
    return json.dumps(text, ensure_ascii=False)
