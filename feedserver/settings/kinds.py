"""The kinds of values of the settings, and their checks: the message of each says what the value must be.

Reads neither files nor the environment, except for the time zones of the system.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from feedserver.articles.field_keys import KEYS as KEYS_OF_FIELDS
from feedserver.articles.rule_names import DISTINGUISHING, PLACEHOLDER_NAMES

# The fields of an article that settings may give further front matter keys. The keys that hide an article
# (`published: false`, `draft`, `removed`, `deleted`) are not among them: they are fixed (promise 6).
FIELD_NAMES: Final = tuple(KEYS_OF_FIELDS)

YEARS_10: Final = 315_360_000  # seconds; the time stamps of cached files end in 2106
_MAX_AGE: Final = 2**31 - 1  # seconds; RFC 9111 section 1.2.2
# A name, an IPv4 address or an IPv6 literal, and a port.
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
_BASE_URL = re.compile(rf"(https?://{_HOST})((?:/[a-z0-9._~!$&'()*+,;=:@%/-]*)?)", re.IGNORECASE)
_LINK = re.compile(rf"https?://{_HOST}(?:[/?#][!-~]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[a-z0-9._-]+@)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")  # RFC 4151 section 2.1
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")  # the shape of RFC 5646 section 2.1
LANGUAGE_DEMAND: Final = "must be a language tag such as en or pt-BR"
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ADDRESS = re.compile(r"/(?!/)[^\s?#]*")  # "//host" would lead to another site
CACHE_URL = re.compile(
    r"|memory://|null://|file:///[^?#]+"
    r"|memcacheds?://(?:[^/\s]*@)?(?:[a-z0-9.-]+|\[[0-9a-f:.]+\]):[0-9]{1,5}(?:\?\S*)?"
    r"|rediss?://(?:[^/\s]*@)?(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:/[0-9]*)?(?:\?\S*)?"
)
# libpq's form, which may name several hosts.
DATABASE_URL = re.compile(r"|postgres(?:ql)?://\S+")
SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,39}")  # with what is added to it, no longer than a name may be (63)
SCHEMA_DEMAND: Final = "must be a lower-case letter and up to 39 more letters, digits or _"
CACHE_SECRET = re.compile(r"|.{32,}", re.DOTALL)


def matching(pattern: re.Pattern[str], demand: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(demand)
        return value

    return AfterValidator(check)


def one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in names:
            msg = f"must be one of {', '.join(filter(None, names))}"
            raise ValueError(msg)
        return value

    return AfterValidator(check)


def checked_base_url(value: str | None) -> str | None:
    """Scheme and host in lower case, no slash at the end; an empty value is none at all."""
    if not value:
        return None
    match = _BASE_URL.fullmatch(value)
    if not match or not _has_host(match[1]):
        msg = "must be an http:// or https:// URL in ASCII, without user, query and fragment"
        raise ValueError(msg)
    return match[1].lower() + match[2].rstrip("/")


def _has_host(url: str) -> bool:
    """Whether the host of a URL, if it is in brackets, is an IPv6 address."""
    literal = re.match(r"[a-z]+://\[([^]]*)\]", url, re.IGNORECASE)
    try:
        return literal is None or bool(IPv6Address(literal[1]))
    except ValueError:
        return False


def _link(value: str) -> str:
    if value and not (_LINK.fullmatch(value) and _has_host(value)):
        msg = "must be an http:// or https:// URL in ASCII"
        raise ValueError(msg)
    return value


def checked_url_pattern(value: str) -> str:
    if not value:
        return value
    used = set(re.findall(r"\{([^{}]*)\}", value))
    filled = re.sub(r"\{[^{}]*\}", "x", value)
    if not used <= set(PLACEHOLDER_NAMES) or "{" in filled or "}" in filled:
        allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDER_NAMES)
        msg = f"may hold the placeholders {allowed} and no other braces"
        raise ValueError(msg)
    if not used & set(DISTINGUISHING):
        names = ", ".join(f"{{{name}}}" for name in DISTINGUISHING)
        msg = f"needs one of {names}, or all articles would have one URL"
        raise ValueError(msg)
    if not value.startswith("/"):
        _link(filled)
    return value


def checked_ids(value: str) -> str:
    used = set(re.findall(r"\{([^{}]*)\}", value))
    if value not in {"path", "url"} and not used & {*DISTINGUISHING, "url", "url_path"}:
        msg = "must be path, url, or a pattern with {url}, {url_path}, {slug} or {path}"
        raise ValueError(msg)
    return value


def checked_authority(value: str | None) -> str | None:
    if value and not _AUTHORITY.fullmatch(value):
        msg = "must be a host name or e-mail address in lower case"
        raise ValueError(msg)
    return value or None


def checked_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError) as error:  # a folder, a path, an unknown name
        msg = "must be the IANA name of a time zone, such as Europe/Paris"
        raise ValueError(msg) from error
    return value


def _folder(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value):
        msg = "should be the path of a folder"
        raise ValueError(msg)
    if str(value).startswith("~"):
        msg = "must be written out: ~ is not replaced by a home folder"
        raise ValueError(msg)
    return value


def checked_id_prefix(value: str) -> str:
    if value and not all(part.strip(".") for part in value.split("/")):
        msg = "must be a relative path such as news/local, without empty parts and dots alone"
        raise ValueError(msg)
    return value


def not_empty(value: tuple[Any, ...]) -> tuple[Any, ...]:
    # Not Field(min_length=1): that counts elements with a problem as absent, and reports them twice.
    if not value:
        msg = "must not be empty"
        raise ValueError(msg)
    return value


def _field_name(value: str) -> str:
    if value not in FIELD_NAMES:
        msg = f"is no field of an article; fields are {', '.join(FIELD_NAMES)}"
        raise ValueError(msg)
    return value


Text = Annotated[str, Field(min_length=1)]
Link = Annotated[str, AfterValidator(_link)]
Folder = Annotated[Path, BeforeValidator(_folder)]
Address = Annotated[str, matching(_ADDRESS, 'must be an address of this site, such as "/topics/ai"')]
FieldName = Annotated[str, AfterValidator(_field_name)]
SelectionName = Annotated[str, matching(_SLUG, "must be made of a-z, 0-9 and single hyphens")]
Extension = Annotated[str, matching(re.compile(r"\.[a-z0-9]+"), "must look like .md, in lower case")]
NamePattern = Annotated[str, matching(re.compile(r"[^/]+"), "must be a pattern of one name, without /")]
Positive = Annotated[StrictInt, Field(ge=1)]
Seconds = Annotated[StrictInt, Field(ge=0, le=_MAX_AGE)]


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys, defaults checked like any other value."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
