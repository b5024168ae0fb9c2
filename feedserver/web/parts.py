"""The parts of an application that its views use. `create_app` makes them once."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from feedserver.feeds.publisher import Publisher
from feedserver.model import Value
from feedserver.site.cache_tags import CacheTags
from feedserver.site.caching import CachePolicy
from feedserver.site.documents import SiteDocuments
from feedserver.site.pages import SiteChrome
from feedserver.web.existence import Addresses
from feedserver.web.fast_path import FastPath
from feedserver.web.static_files import StaticFiles

# Where Flask keeps them: `app.extensions`.
EXTENSION = "feedserver.web"


class SelectionOptions(Value, frozen=True):
    """Whether clients may select articles by address, and search; and how many entries feeds have."""

    are_on: bool = True
    are_searched: bool = True
    default_limit: int = 50


class WebOptions(Value, frozen=True):
    """The settings that concern HTTP.

    `state_dir` has the notes of dead indexers, for the status. `is_public` says that the base URL is not of
    this machine. `root_names` are shown to operators as the folders of articles.
    """

    state_dir: str

    redirects: dict[str, str]
    status_token: str
    is_public: bool
    cache_policy: CachePolicy
    cache_tags: CacheTags = "off"
    root_names: tuple[str, ...] = ()
    selections: SelectionOptions = SelectionOptions()


@dataclass(frozen=True)
class Parts:
    """The parts; each is thread-safe."""

    publisher: Publisher
    documents: SiteDocuments
    static_files: StaticFiles
    addresses: Addresses
    fast_path: FastPath
    chrome: SiteChrome
    options: WebOptions


def parts() -> Parts:
    """The parts of the current application."""
    found: Parts = current_app.extensions[EXTENSION]
    return found
