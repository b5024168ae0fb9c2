"""The media files of an article, for every format: the actions that are media files, and their durations."""

from __future__ import annotations

import msgspec

from feedserver.model import Action, Article


def media_files(article: Article) -> tuple[Action, ...]:
    """The actions with a media type, with their durations.

    Without a video, the duration of the article is that of its first file to play, unless the file has its
    own.
    """
    files = tuple(action for action in article.actions if action.media_type)
    main = main_file(files)
    if main is None or not is_playable(main) or main.duration or article.video or not article.duration:
        return files
    lasting = msgspec.structs.replace(main, duration=article.duration)
    return tuple(lasting if file is main else file for file in files)


def main_file(files: tuple[Action, ...]) -> Action | None:
    """The one file of an RSS item: the first to play, as podcast clients expect, else the first to keep."""
    return next(filter(is_playable, files), files[0] if files else None)


def is_playable(file: Action) -> bool:
    """Whether a media file is audio or video."""
    return file.media_type.startswith(("audio/", "video/"))
