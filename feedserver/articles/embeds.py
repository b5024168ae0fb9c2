"""Embedded players: finds the video of an `<iframe>`, for feed readers that show no frames."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from feedserver.articles.text import decoded
from feedserver.articles.urls import absolute_url
from feedserver.model import Video

_IFRAME = re.compile(r"<iframe\b([^<>]*)>", re.IGNORECASE)
# A name is matched only from its start: otherwise a name of 64 kB without a value took over a minute.
_ATTRIBUTE = re.compile(
    r"""(?<![a-z-])([a-z-]++)[ \t\n]*+=[ \t\n]*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE
)
_YOUTUBE = re.compile(r"(?:[a-z]+\.)?youtube(?:-nocookie)?\.com")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SIZE = re.compile(r"\d{1,5}(?:px)?", re.ASCII)


def find_video(markup: str) -> Video | None:
    """The video of the first `<iframe>` with a usable address; None if there is none."""
    for match in _IFRAME.finditer(markup):
        attributes = tag_attributes(match[1])
        player = player_url(attributes.get("src", ""))
        if player:
            return Video(
                url=watch_url(player),
                player_url=player,
                width=_size(attributes.get("width", "")),
                height=_size(attributes.get("height", "")),
            )
    return None


def tag_attributes(markup: str) -> dict[str, str]:
    """The attributes inside a tag, names in lower case, character references decoded."""
    return {
        match[1].lower(): decoded(match[2] or match[3] or match[4] or "")
        for match in _ATTRIBUTE.finditer(markup)
    }


def watch_url(player: str) -> str:
    """The page of the video that a player shows, for YouTube and Vimeo; otherwise the player itself."""
    parts = urlsplit(player)
    host = parts.hostname or ""
    section, _, identifier = parts.path.strip("/").partition("/")
    if _YOUTUBE.fullmatch(host) and section == "embed":
        if identifier == "videoseries":
            identifier = parse_qs(parts.query).get("list", [""])[0]
            return (
                f"https://www.youtube.com/playlist?list={identifier}" if _ID.fullmatch(identifier) else player
            )
        if _ID.fullmatch(identifier):
            return f"https://www.youtube.com/watch?v={identifier}"
    if host == "player.vimeo.com" and section == "video" and _ID.fullmatch(identifier):
        return f"https://vimeo.com/{identifier}"
    return player


def player_url(src: str) -> str | None:
    """The address in the `src` of a player, None if it is unusable.

    Video hosts publish addresses without a scheme, which work with both.
    """
    src = src.strip()
    try:
        return absolute_url(f"https:{src}" if src.startswith("//") else src)
    except ValueError:
        return None


def _size(text: str) -> int | None:
    return int(text.removesuffix("px")) or None if _SIZE.fullmatch(text) else None
