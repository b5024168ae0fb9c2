"""The spelling of text in an XML document: other bytes that every XML parser reads as the same characters.

lxml writes each `<`, `>` and `&` of a text as a reference. HTML is full of them, and some parsers refuse a
document with more than 1,000 references (fast-xml-parser 4.5.5 to 4.5.7 and 5.5.6 to 5.6.0): 50 short entries
had 1,156. So elements with HTML are spelt as CDATA, which is shorter as well. In plain text, the RSS profile
asks for hexadecimal references (section 3.1). Attributes and tags do not change. Knows no format, only the
names of the elements.
"""

from __future__ import annotations

import re
from collections.abc import Collection


class Spelling:
    """The spelling of the documents of one format, or of whole elements in them.

    Args:
        html: the elements of HTML, to be spelt as CDATA; their names as written, with the prefix.
        plain: the elements of plain text, to be spelt with hexadecimal references.
    """

    def __init__(self, html: Collection[str], plain: Collection[str] = ()) -> None:
        names = "|".join((f"(?P<html>{'|'.join(html)})", *plain))
        # lxml escapes `>` in attributes and `<` in texts.
        self._elements = re.compile(rf"<(?:{names})(?: [^>]*)?>(?P<text>[^<]*)".encode())

    def __call__(self, document: bytes) -> bytes:
        """The document in this spelling; it must be as lxml wrote it, without CDATA."""
        return self._elements.sub(_respelt, document)


def _respelt(element: re.Match[bytes]) -> bytes:
    text = element["text"]
    if b"&" not in text:
        return element[0]
    start = element[0][: element.start("text") - element.start()]
    return start + (_hexadecimal(text) if element["html"] is None else _cdata(text))


def _hexadecimal(text: bytes) -> bytes:
    return text.replace(b"&amp;", b"&#x26;").replace(b"&lt;", b"&#x3C;").replace(b"&gt;", b"&#x3E;")


def _cdata(text: bytes) -> bytes:
    """Escaped text as CDATA sections; `]]>` is split, and a carriage return stands between two of them.

    A section can hold neither: `]]>` ends it, and a carriage return is read as a line feed (XML 1.0 section
    2.11).
    """
    text = text.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"]]>", b"]]]]><![CDATA[>")
    text = text.replace(b"&#13;", b"]]>&#13;<![CDATA[").replace(b"&amp;", b"&")
    return b"<![CDATA[" + text + b"]]>"
