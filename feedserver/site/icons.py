"""The addresses at which browsers look for an icon by convention, and the icon that they get.

Browsers request `/favicon.ico` from each host, iOS requests `/apple-touch-icon.png` and icons of other sizes
(which `web.guesses` redirects to it). The answer is a redirect to `site.icon`, or our own icon. Pure; fetches
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

TOUCH_ICON: Final = "/apple-touch-icon.png"

# Address -> static file.
ADDRESSES: Mapping[str, str] = {
    "/favicon.ico": "favicon.ico",
    TOUCH_ICON: "apple-touch-icon.png",
    "/apple-touch-icon-precomposed.png": "apple-touch-icon.png",
}


def redirect_url(icon: str, base_url: str) -> str:
    """The URL to which these addresses redirect; empty if they have our own icon.

    If `site.icon` is at one of these addresses, a redirect would lead to itself.
    """
    return "" if icon.partition("?")[0] in {base_url + address for address in ADDRESSES} else icon


def own_addresses(settled: Collection[str]) -> list[str]:
    """The addresses, without those that the settings redirect or retire."""
    return [address for address in ADDRESSES if address not in settled]
