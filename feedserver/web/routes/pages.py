"""The pages of listings and of their archive documents."""

from __future__ import annotations

from flask import Blueprint, Response

from feedserver.index.archives import ArchiveDocument
from feedserver.model import ListingKey
from feedserver.site import cache_tags
from feedserver.site.documents import ArchivePage
from feedserver.web.parts import parts
from feedserver.web.policies import page_policy
from feedserver.web.routes.listings import add_listing_rules, take_listing_key
from feedserver.web.selections import selection_asked_for, send_selection
from feedserver.web.sending import send_found

pages = Blueprint("pages", __name__)
pages.url_value_preprocessor(take_listing_key)


def listing(key: ListingKey) -> Response:
    """The page of a listing, or of a selection from it."""
    asked = selection_asked_for(key)
    if asked is not None:
        return send_selection(asked, None)
    options = parts().options
    tags = cache_tags.header(options.cache_tags, cache_tags.of_listing(key))
    policy = page_policy(options.cache_policy.of_pages(), tags)
    return send_found(parts().documents.pages.find(key), policy)


def archive_page(key: ListingKey, archive: ArchiveDocument) -> Response:
    """The page of an archive document of a listing."""
    options = parts().options
    tags = cache_tags.header(options.cache_tags, cache_tags.of_archives(key))
    policy = page_policy(options.cache_policy.of_pages(), tags)
    return send_found(parts().documents.archives.find(ArchivePage(key, archive)), policy)


add_listing_rules(pages, "", listing)
add_listing_rules(pages, "/<archive:archive>", archive_page)
