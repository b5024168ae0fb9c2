"""Which addresses exist: those that are answered with a document, a redirect or 410 instead of a 404.

Asks the index whether a listing exists, and the settings what they retired and redirected. Knows no Flask.
"""

from __future__ import annotations

from collections.abc import Collection

from feedserver.feeds.publisher import Publisher
from feedserver.site.addresses import Destination, parse, parse_list
from feedserver.site.directory import has_page
from feedserver.web.redirects import Redirects


class Addresses:
    """The addresses of a site.

    Args:
        publisher: of its listings.
        redirects: of its settings.
        fixed: the addresses that do not depend on articles.
    """

    def __init__(self, publisher: Publisher, redirects: Redirects, fixed: Collection[str]) -> None:
        self._publisher = publisher
        self._redirects = redirects
        self._fixed = fixed

    def is_fixed(self, path: str) -> bool:
        """Whether a path exists without regard to articles."""
        return path in self._fixed

    def is_retired(self, path: str) -> bool:
        """Whether the settings retired a path, or the listing of which it is a feed document."""
        retired, target = self._publisher.site.retired, parse(path)
        return path in retired or (target is not None and target.key.address in retired)

    def redirect_of(self, path: str) -> str | None:
        """Where the settings redirect a path, whether or not that is in effect now."""
        return self._redirects.of(path)

    def exists(self, path: str) -> bool:
        """Whether a path is answered with more than a 404, after all redirects of the settings.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        if path in self._fixed or self.is_retired(path):
            return True
        wanted_list = parse_list(path)
        if wanted_list is not None:
            return has_page(self._publisher, wanted_list)
        moved = self._redirects.of(path)
        if moved is not None and self.exists(moved):
            return True
        target = parse(path)
        return target is not None and self._publisher.exists(target.key, target.archive)

    def has_articles(self, target: Destination) -> bool:
        """Whether a listing has articles now. Raises as `exists`."""
        return self._publisher.exists(target.key) and self._publisher.state(target.key).count > 0
