"""The keys that decide whether and when an article is visible, and how they are recognised.

Serves promise 6: any spelling of a key that looks like one of these is one of these. Reads no files and no
clock. `docs/decisions/articles.md` says which programs write these keys.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from feedserver.articles.field_keys import MoreKeys, keys_of_fields
from feedserver.articles.truth import truth_of

# Key (`outer.inner` in a mapping) -> the values that hide; without values, all but an empty one and false.
HiddenIf = tuple[tuple[str, tuple[str, ...]], ...]

# The keys that are true or false, and the value with which each of them does not hide. Any other value hides.
VISIBLE_WHEN: Final[Mapping[str, bool]] = {
    "published": True,
    "publish": True,
    "removed": False,
    "deleted": False,
    "draft": False,
    "isdraft": False,
    "private": False,
    "hidden": False,
    "unlisted": False,
}

_NOT_PUBLISHED = (
    "draft",
    "auto-draft",
    "pending",
    "private",
    "hidden",
    "unlisted",
    "trash",
    "deleted",
    "skip",
)

# Keys of which some values hide. The rules of a root add to them.
HIDDEN_IF: Final[HiddenIf] = (
    ("status", _NOT_PUBLISHED),
    ("post_status", _NOT_PUBLISHED),
    ("post-status", _NOT_PUBLISHED),
    ("visibility", ("private", "hidden", "unlisted", "direct", "draft", "members", "paid", "tiers", "false")),
    ("public", ("false",)),
    ("feed", ("false",)),
    ("password", ()),
    ("headless", ("true",)),
    ("build.list", ("never", "false")),
    ("build.render", ("never", "false")),
    ("_build.list", ("never", "false")),
    ("_build.render", ("never", "false")),
    ("eleventyExcludeFromCollections", ("true",)),
)

# From the earliest of their dates on, the article is hidden.
EXPIRY_KEYS: Final = ("expirydate", "unpublishdate", "expires")

# No spelling of a key or of a value that hides is longer, invisible characters included.
_LONGEST = 60


class Role(msgspec.Struct):
    """The part that a key has in the decision; made by `roles_of`.

    Attributes:
        visible_when: the truth value with which it does not hide; None if it is no truth value.
        hiding: the values that hide, as `plain_value` gives them; empty if all do, None if none does.
        begins: it may state a date of publication.
        ends: it may state a date of expiry.
        inner: the roles of the keys in a mapping.
    """

    visible_when: bool | None = None
    hiding: frozenset[str] | None = None
    begins: bool = False
    ends: bool = False
    inner: dict[str, Role] = {}

    @property
    def hides(self) -> bool:
        """Whether some value of the key hides, at any time."""
        return self.visible_when is not None or self.hiding is not None

    def is_hiding(self, value: str) -> bool:
        """Whether a value, as `plain_value` gives it, is one of those that hide."""
        if self.hiding is None or value in self.hiding:
            return self.hiding is not None
        return not self.hiding and value not in ("", "~", "null", "false")


Roles = Mapping[str, Role]


@lru_cache(maxsize=64)
def roles_of(hidden_if: HiddenIf, more_keys: MoreKeys) -> Roles:
    """The roles of all keys that decide about visibility, with those that the rules of a root add."""
    roles: dict[str, Role] = {}
    for key, visible in VISIBLE_WHEN.items():
        _role_at(roles, key).visible_when = visible
    for key, values in (*HIDDEN_IF, *hidden_if):
        role = _role_at(roles, visibility_key(key))
        # A rule without values is the stricter one.
        is_any = not values or role.hiding == frozenset()
        role.hiding = frozenset() if is_any else (role.hiding or frozenset()).union(map(plain_value, values))
    for key in keys_of_fields(more_keys)["published"]:
        _role_at(roles, key).begins = True
    for key in EXPIRY_KEYS:
        _role_at(roles, key).ends = True
    return roles


def _role_at(roles: dict[str, Role], key: str) -> Role:
    outer, _, inner = key.partition(".")
    role = roles.setdefault(outer, Role(inner={}))
    return _role_at(role.inner, inner) if inner else role


def visibility_key(key: str) -> str:
    """A key in the spelling of `VISIBLE_WHEN`, if it looks like one of these.

    Letter case, blanks around it, invisible characters (zero-width spaces, joiners, marks of direction) and
    full-width letters make no difference.
    """
    if not key.isascii() and len(key) <= _LONGEST:
        plain = unicodedata.normalize("NFKC", key)
        key = "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Mn"))
    return key.strip().casefold()


def plain_value(text: str) -> str:
    """A value as values that hide are compared: spelled as keys are, truth values as `true` and `false`."""
    plain = visibility_key(text)
    value = truth_of(plain)
    return plain if value is None else str(value).lower()


def decides_visibility(key: str, hidden_if: HiddenIf = ()) -> bool:
    """Whether some value of a key hides its article, whatever the time."""
    role = roles_of(hidden_if, ()).get(visibility_key(key))
    return role is not None and role.hides
