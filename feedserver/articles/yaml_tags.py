"""The meaning of YAML's tags for texts: `!!str`, `!!null` and `!!binary`.

Ruby's and Python's YAML libraries write tags on their own, such as `! 'text'` and `!ruby/hash:Old`. Nothing
is constructed from a tag. The value below an unknown one is read as if there were no tag.
"""

from __future__ import annotations

import binascii

from feedserver.articles.nodes import Scalar

_CORE = "tag:yaml.org,2002:"
_BINARY = frozenset({f"{_CORE}binary", "!binary"})
# Tags with which a value is what it looks like.
_CLEAR = frozenset(
    {"!", "!str", *(f"{_CORE}{name}" for name in ("str", "bool", "null", "int", "float", "timestamp"))}
)


class NotTextError(ValueError):
    """The value is binary data that is no text."""


def tagged_scalar(tag: str, scalar: Scalar) -> Scalar:
    """The scalar that a tag makes of one.

    Raises:
        NotTextError: the tag says that it is binary data, and that is not UTF-8 in Base64.
    """
    text, plain = scalar.text, scalar.plain
    if tag in _BINARY:
        try:
            text, plain = binascii.a2b_base64("".join(text.split()), strict_mode=True).decode(), False
        except ValueError as error:
            raise NotTextError("binary data that is no text") from error
    elif tag in ("!", "!str", f"{_CORE}str"):
        plain = False
    elif tag == f"{_CORE}null":
        text, plain = "", True
    return Scalar(text, plain, scalar.line, scalar.column)


def is_clear(tag: str | None) -> bool:
    """Whether a value with a tag is what it looks like: no tag, or one of the YAML 1.1 types of scalars."""
    return tag is None or tag in _CLEAR
