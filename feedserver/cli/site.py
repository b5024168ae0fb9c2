"""Loads the settings of a command on a site, with the state folder that belongs to its folders."""

from __future__ import annotations

from typing import Any

from feedserver.cli.options import sources
from feedserver.cli.presets import say_presets
from feedserver.cli.voice import detail, say
from feedserver.settings.sources import Settings, load_settings
from feedserver.wiring.own_state import with_own_state


def site_settings(options: dict[str, Any]) -> Settings:
    """The settings of the options of a command, after saying which presets and state folder follow.

    Only folders that the command line names may get a state folder of their own: `wsgi.py` and other programs
    that use the settings as they are would not find it.
    """
    arguments = sources(**options)
    settings = load_settings(**arguments)
    say_presets(**arguments)
    with_state = with_own_state(settings) if options.get("folders") else settings
    if with_state.state.dir != settings.state.dir:
        say(
            f"{settings.state.dir} belongs to other folders of articles; "
            f"the index of these is in {with_state.state.dir}"
        )
    for root in with_state.articles:
        detail(f"articles: {root.path}" + (f" ({root.preset})" if root.preset else ""))
    detail(f"state folder: {with_state.state.dir}")
    return with_state
