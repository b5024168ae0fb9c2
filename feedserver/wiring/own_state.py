"""Gives folders that are only tried out a state folder of their own.

The default state folder may belong to other folders of articles that were served from the same place before.
As long as nothing is public, these get a state folder beside it. Once there is a base URL, a new publication
history would change published dates, so the operator has to decide (`indexing.ownership`).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from feedserver.articles.slugs import slugify
from feedserver.errors import FeedserverError
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.stores import open_store
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import plan_of, store_address


def with_own_state(settings: Settings) -> Settings:
    """The settings, with another state folder if the default one belongs to other folders of articles.

    Of settings that name a state folder, a database or a base URL, nothing changes.
    """
    state = settings.state
    is_chosen = "dir" in state.model_fields_set or settings.index.url or settings.site.base_url is not None
    if is_chosen or state.adopt:
        return settings
    own = state.dir.with_name(f"{state.dir.name}-{_name(settings)}")
    if not own.exists() and not _belongs_to_others(settings):
        return settings
    return settings.model_copy(update={"state": state.model_copy(update={"dir": own})})


def _name(settings: Settings) -> str:
    """A name that is the same for the same folders: that of the first one, and a digest of all."""
    paths = sorted(root.path for root in plan_of(settings).roots)
    digest = hashlib.blake2b("\0".join(paths).encode("utf-8", "surrogateescape"), digest_size=4)
    return f"{slugify(os.path.basename(paths[0]))[:40]}-{digest.hexdigest()}"  # noqa: PTH119  not resolved


def _belongs_to_others(settings: Settings) -> bool:
    if not Path(settings.state.dir, HISTORY_FILE).exists():
        return False
    try:
        with closing(open_store(store_address(settings)).history()) as history:
            roots = history.facts("roots").roots
    except (FeedserverError, SQLAlchemyError, OSError):
        return False  # the command will find the same, and report it
    return roots is not None and set(roots).isdisjoint(root.path for root in plan_of(settings).roots)
