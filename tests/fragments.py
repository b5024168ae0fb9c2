"""Fragments of hostile files, each with a meaning to a reader, and the fields they go into.

Shared by the search for the worst files and by the fuzzer. `{n}` in a fragment becomes a number, each time
another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple


def _pool(fragments: str) -> tuple[str, ...]:
    return tuple(fragments.split("¦"))


TEXT = _pool(
    "a¦a{n}¦A ¦ ¦\t¦\n¦\n\n¦é¦漢¦😀¦ß¦İ¦\u0301¦\u0323¦\u0301\u0323¦\ufdfa¦\u1e9b\u0323¦\u200b¦\x85¦\u2028¦"
    "\ufeff¦\x00¦\ufffe¦'¦\"¦\\¦#¦ #¦＃¦&¦&amp;¦&#0;¦&#x41;¦&lt;b&gt;¦&CounterClockwiseContourIntegral;¦<¦"
    ">¦<b>¦.¦. ¦,¦-¦+¦/¦//¦:¦;¦?¦%¦%41¦@¦=¦(¦)¦[¦1¦0¦_¦http://¦https://a.example/¦"
    "https://a.example/{n}.jpg¦https://é.example/¦../¦mailto:¦xn--¦P¦T¦9H¦2024-05-01¦T10:00:00¦"
    "Wed, 01 May 2024¦true¦null¦~¦a@b.example"
    "¦" + "x" * 500
)

HTML = _pool(
    "a¦ ¦\n¦&¦&amp;¦&#0;¦é¦\u0301¦\x00¦<¦>¦</¦/>¦=¦\"¦'¦<!¦<?¦<p>¦</p>¦<div>¦</div>¦<b>¦</b>¦"
    "<b title={n}>¦<i title={n}>¦<font size={n}>¦</i>¦<a>¦</a>¦<a href={n}>¦<a href=/{n}>¦<nobr>¦"
    "<code title={n}>¦<em>¦</em>¦<span>¦<table>¦</table>¦<tr>¦<td>¦<caption>¦<col>¦<select>¦<option>¦"
    "<ul>¦<li>¦<dd>¦<h1>¦<br>¦<hr>¦<img src=/{n}>¦<img data-src=/{n}>¦<iframe>¦<iframe src=/{n}>¦"
    "</iframe>¦<script>¦</script>¦<style>¦<title>¦<textarea>¦<plaintext>¦<xmp>¦<noscript>¦<button>¦"
    "<template>¦</template>¦<svg>¦<math>¦<mi>¦<foreignObject>¦<desc>¦<frameset>¦<body>¦<form>¦<object>¦"
    "<section>¦<details>¦<!--¦-->¦<![CDATA[¦]]>¦<!DOCTYPE>¦<a a{n}=1 ¦a{n}=1 ¦ a¦ title=¦ title='x'¦<b ¦"
    "<iframe ¦<img ¦aaaa¦<x-{n}>¦<ruby>¦<rt>¦&CounterClockwiseContourIntegral;"
    "¦<p>x¦<b title='" + "x" * 300 + "{n}'>¦<p title='" + "y" * 300 + "'>"
)

MARKDOWN = _pool(
    "a¦ ¦\n¦\n\n¦*¦**¦_¦*a_ ¦~~¦`¦``¦a`¦```\n¦~~~\n¦[¦]¦![¦](¦](a)¦[a]¦[a](b)¦[a](<b¦[a]: /b\n¦"
    "[a{n}]: /b\n¦[a{n}]¦[^a]¦[^a{n}]¦[^a]: b\n¦[^a{n}]: b\n¦[^a{n}]:\n    ¦> ¦>¦- ¦* ¦1. ¦+ a\n¦    ¦\t¦"
    "# ¦#¦---\n¦===\n¦***\n¦|¦|a¦|-¦|a|b|\n|-|-|\n¦|a\n¦\\¦\\\n¦&¦&amp;¦&#0;¦<¦>¦<b>¦</b>¦<b title={n}>¦"
    "<p>¦<div>¦\n<div>\n¦<!--¦-->¦<?¦<![CDATA[¦<!A¦<a ¦a=¦\"¦'¦(¦)¦((¦http://a.example/¦<http://a>¦"
    "<a@b.c>¦é¦\u0301¦\x00¦:¦.¦  \n¦1¦1)¦<iframe src=/{n}>¦<img src=/{n}>¦![a](/{n})¦[a](/{n} 'b')¦[\\¦"
    "\\]¦$$"
)

YAML = _pool(
    "a{n}: b\n¦a: b\n¦a{n}:\n  ¦a:\n¦- a\n¦- ¦- - ¦- b: c\n¦[¦]¦{¦}¦a, ¦,¦? ¦? a\n¦: ¦x: [¦x: {¦a¦ ¦\n¦"
    '  ¦"¦\'¦"a" ¦\\¦"\\x41¦\\u0041¦&a ¦*a ¦&a{n} ¦!t ¦!!str ¦!<a> ¦|\n¦>\n¦|\n a\n¦#¦# a\n¦'
    "%TAG !a{n}! b\n¦%YAML 1.1\n¦%a\n¦---\n¦...\n¦\t¦<<: a\n¦draft: true\n¦draft: {n}\n¦é¦\x00¦\x85¦"
    "\u2028¦a:¦@¦`¦topics: [¦images: [a, ¦related: [{title: a, url: /b}, ¦{url: /b{n}}, ¦k: 'v'\n¦"
    "x: |\n  ¦[]: a\n"
)

# The fences of other programs, and marks of YAML that is written by programs.
FENCES = _pool(
    "---yaml\n¦---json\n¦---toml\n¦----\n¦\n----\n¦;;;\n¦\n;;;\n¦<!-- a -->\n¦<!--\n¦-->\n¦{\n¦}\n¦"
    "\n\n¦Title: a\n¦title: a\n¦date: 2024-05-01\n¦'title': 'a',\n¦    a\n¦!!binary ¦! 'a'¦&a {¦"
    "<<: *a\n¦*a : b\n¦!!null "
)

TOML = _pool(
    "a{n} = 1\n¦a = 1\n¦a.¦a{n}.¦ \"a\".¦'a'.¦= 1\n¦a¦[a{n}]\n¦[[a]]\n¦[[a{n}]]\n¦[a.¦[¦]¦{¦}¦{a=¦"
    '{a{n}=1},¦x = [¦1,¦"a",¦"¦"""¦\'¦\'\'\'¦\\¦\\u0041¦#¦# a\n¦\n¦ ¦\t¦0x¦9¦1e9¦_1¦.¦'
    "1979-05-27T07:32:00Z¦inf¦draft = true\n¦draft = {n}\n¦x = {¦a{n}.b.c = 1\n¦[a{n}.b]\nc=1\n¦é¦\x00¦=¦"
    "a{n}={¦x{n} = [¦\r"
)

JSON = _pool(
    '[¦]¦{¦}¦{"a":¦"a{n}":1,¦{"a{n}":1},¦"a":1,¦"a":1,\n¦"a{n}":1,\n¦1,¦[],¦{},¦"¦"a",¦'
    '"a¦\\¦\\u0041¦\\ud800¦9¦1e9,¦-¦null,¦true,¦ ¦\n¦\t¦:¦,¦é¦"draft":true,¦"topics":["a{n}"],¦'
    '{"url":"/a{n}"},¦\x00¦NaN,¦//'
)


class Field(NamedTuple):
    """A field to fill: one text, a list of texts (`is_list`), or mappings with an `inner` key."""

    name: str
    is_list: bool = False
    inner: str = ""

    @property
    def title(self) -> str:
        """Its name, and its shape."""
        return self.name + "[]" * self.is_list + (f".{self.inner}" if self.inner else "")

    def value(self, units: list[str]) -> Mapping[str, object]:
        """The field, made of fragments."""
        values = units if self.is_list else ["".join(units)]
        extra = {
            "title": "A",
            "webUrl": "https://news.example/b",
            "name": "A",
            "url": "https://news.example/c",
        }
        made: list[object] = [{**extra, self.inner: one} if self.inner else one for one in values]
        return {self.name: made if self.is_list or self.inner else made[0]}


FIELDS = (
    *(
        Field(name)
        for name in ("title", "excerpt", "link", "id", "date", "lastmod", "type", "category", "topics")
    ),
    *(
        Field(name)
        for name in ("provider", "author", "image", "length", "quality", "language", "draft", "unknown")
    ),
    *(Field(name) for name in ("featuredContent", "content", "ampWebUrl")),
    *(Field(name, is_list=True) for name in ("topics", "authors", "images", "actions")),
    *(Field("provider", inner=inner) for inner in ("name", "domain", "authors")),
    *(Field("authors", True, inner) for inner in ("name", "email", "url")),
    *(Field("images", True, inner) for inner in ("url", "title", "width")),
    *(
        Field("related", True, inner)
        for inner in ("title", "webUrl", "excerpt", "publishedDateTime", "provider")
    ),
    *(Field("actions", True, inner) for inner in ("url", "type")),
)


def written(syntax: str, values: Mapping[str, object]) -> str:
    """Values in a syntax, without what goes around them."""
    if syntax == "YAML":
        return "".join(f"{key}: {_yaml(value, '')}\n" for key, value in values.items())
    if syntax == "TOML":
        return "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
    return json.dumps(values, ensure_ascii=False)[1:-1]


def _yaml(value: object, indentation: str) -> str:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return "\n  " + _yaml(value[0], "")
    if isinstance(value, list):
        return "".join(f"\n{indentation}- {_yaml(item, indentation + '  ')}" for item in value)
    if isinstance(value, dict):
        return f"\n{indentation}  ".join(f"{key}: {_yaml(item, '')}" for key, item in value.items())
    return json.dumps(value, ensure_ascii=False)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
