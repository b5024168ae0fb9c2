"""The URL rules of listings, which pages and feeds share, and the `ListingKey` that their views get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Blueprint, Response

from feedserver.model import Kind, ListingKey

# The page of a listing has this rule; its feed documents have it with a suffix.
LISTINGS: Final[Mapping[str, Kind]] = {
    "/articles": Kind.ARTICLES,
    "/topics/<slug:slug>": Kind.TOPIC,
    "/providers/<slug:slug>": Kind.PROVIDER,
    "/providers/<domain:slug>": Kind.DOMAIN,
    "/categories/<slug:slug>": Kind.CATEGORY,
    "/feeds/<slug:slug>": Kind.FEED,
}


def add_listing_rules(blueprint: Blueprint, suffix: str, view: Callable[..., Response]) -> None:
    """Add a rule with a suffix for each kind of listing."""
    for rule, kind in LISTINGS.items():
        defaults: dict[str, Any] = {"kind": kind} if "<" in rule else {"kind": kind, "slug": ""}
        blueprint.add_url_rule(f"{rule}{suffix}", view_func=view, defaults=defaults)


def take_listing_key(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Give a view the `key` of its listing instead of kind and slug (a `url_value_preprocessor`)."""
    if values is not None:
        values["key"] = ListingKey(kind=values.pop("kind"), slug=values.pop("slug"))
