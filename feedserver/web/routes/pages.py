"""The pages of listings."""

from __future__ import annotations

from flask import Blueprint, Response

from feedserver.model import ListingKey
from feedserver.web.parts import parts
from feedserver.web.policies import page_policy
from feedserver.web.routes.listings import add_listing_rules, take_listing_key
from feedserver.web.sending import send_found

pages = Blueprint("pages", __name__)
pages.url_value_preprocessor(take_listing_key)


def listing(key: ListingKey) -> Response:
    """The page of a listing."""
    policy = page_policy(parts().options.cache_policy.of_pages())
    return send_found(parts().documents.pages.find(key), policy)


add_listing_rules(pages, "", listing)
