"""Addresses with template code, as Eleventy has them, are filled in if all of it is known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.eleventy_slugs import slug, slugify
from feedserver.articles.nodes import FindingNotes, Mapping
from feedserver.articles.permalink_templates import Permalink
from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.template_output import Site
from feedserver.articles.yaml_nodes import parse_any_yaml
from feedserver.findings import FindingCode
from feedserver.model import Reading

DATE = datetime(2024, 5, 3, 7, 8, 9, tzinfo=timezone(timedelta(hours=2)))
FRONT = """\
title: The Old Pier & Café
draft: false
category: Sea Side
empty: ''
code: '{{ x }}'
tags: [a, b]
seo: {slug: own-name, deep: {x: y}}
question: 'What? #1'
"""


def filled(template: str, path: str = "blog/2024-05-01-pier.md", base_url: str = "") -> str | None:
    front, _ = parse_any_yaml(FRONT, 1, FindingNotes())
    assert isinstance(front, Mapping)
    return Permalink(front.entries, PurePosixPath(path), DATE, Site(base_url)).filled(template)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("/posts/{{ title | slugify }}/", "/posts/the-old-pier-and-cafe/"),
        ("/posts/{{ title | slug }}/", "/posts/the-old-pier-and-cafe/"),
        ("/posts/{{title|slugify|upcase}}/", "/posts/THE-OLD-PIER-AND-CAFE/"),
        ("{{- category | downcase | replace: ' ', '_' -}}/x.html", "sea_side/x.html"),
        ("/{{ category | replace('Sea', 'Hill') | trim | lower }}/", "/hill%20side/"),
        ("/{{ category | prepend: 'to ' | append: '!' | slugify | url }}/", "/to-sea-side/"),
        ("/{{ page.fileSlug }}/index.html", "/pier/"),
        ("/{{ page.fileSlug }}/index", "/pier/"),
        ("{{ page.filePathStem }}.html", "/blog/pier.html"),
        ("/{{ page.date | date: '%Y/%m/%d' }}/{{ page.fileSlug }}/", "/2024/05/03/pier/"),
        ("/{{ date | date: \"%y-%-m-%-d-%j\" }}/", "/24-5-3-124/"),
        ("/{{ page.date | date: '%H%M%S' }}/", "/070809/"),
        ("/{{ seo.slug }}/{{ seo.deep.x }}/", "/own-name/y/"),
        ("/{{ question }}/", "/What%3F%20%231/"),
        ("/{{ 'a}}b' }}/", "/a%7D%7Db/"),
        ("/a//{{ page.fileSlug }}", "/a/pier"),
    ],
)  # fmt: skip
def test_known_values_and_filters_are_filled_in(template: str, expected: str) -> None:
    assert filled(template) == expected


@pytest.mark.parametrize(
    "template",
    [
        *("/{{ other }}/", "/{{ empty }}/", "/{{ tags }}/", "/{{ seo }}/", "/{{ seo.slug.x }}/"),
        *("/{{ code }}/", "/{{ title | readable }}/", "/{{ title | slugify: 'x' }}/"),
        "/{{ title | date: '%Y' }}/",
        *("/{{ page.date }}/", "/{{ page.date | date }}/", "/{{ page.date | date: '%B' }}/"),
        *("/{{ page.date | slugify }}/", "/{{ page.url }}/", "/{% if a %}a{% endif %}/", "/<%= title %>/"),
        *("/{{ title", "/{{ }}/", "/{{ 'open }}/", "/{{ '日本' | slugify }}/", "/{{ '日本' | slug }}/"),
        *("/{{ site.url }}/", "/{{ site.baseurl }}/", "/{{ '' }}/", "/{{ '??' | slugify }}/"),
        "/{{ 'a' | append: 'b', 'c' }}/",
        f"/{{{{ '{'a' * 600}' }}}}/",
        f"/{'a' * 2_000}/{{{{ title }}}}/",
    ],
)  # fmt: skip
def test_an_address_with_anything_else_is_not_filled_in(template: str) -> None:
    assert filled(template) is None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ site.url }}/a/", "https://e.example/a/"),
        ("{{ site.url }}{{ site.baseurl }}/a/", "https://e.example/site/a/"),
        ("{{ site.baseurl }}/a/", "https://e.example/site/a/"),
        ("{{ '/a/' | relative_url }}", "https://e.example/site/a/"),
        ("{{ '/a/' | absolute_url }}", "https://e.example/site/a/"),
    ],
)
def test_addresses_of_the_site_are_whole_ones(template: str, expected: str) -> None:
    assert filled(template, base_url="https://e.example/site/") == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pier.md", "pier"),
        ("blog/walk/index.md", "walk"),
        ("blog/2024-05-01-walk/index.md", "walk"),
        ("blog/old-2024-05-01-walk.md", "walk"),
    ],
)
def test_the_name_of_a_page_has_no_date(path: str, expected: str) -> None:
    assert filled("{{ page.fileSlug }}", path) == expected


def test_the_page_of_the_whole_folder_has_no_name() -> None:
    assert filled("/{{ page.fileSlug }}/", "index.md") is None


# Made with @sindresorhus/slugify 2.2.1 and slugify 1.6.9 under Node.
@pytest.mark.parametrize(
    ("name", "by_slugify", "by_slug"),
    [
        ("It's C++ / Über 100%", "its-c-ueber-100", "it's-c++-uber-100percent"),
        ("Smørrebrød – „Łódź“", "smorrebrod-lodz", 'smorrebrod-"lodz"'),
        (" x--y_z (a) & ", "x-y-z-a-and", "x-y_z-(a)-and"),
        ("Straße", "strasse", "strasse"),
        ("Caf\u0065\u0301", "cafe", "cafe"),
        ("Ĉapelo", "capelo", None),
        ("İstanbul", "istanbul", "istanbul"),
        ("Тест", None, None),
    ],
)
def test_slugs_are_those_of_the_packages(name: str, by_slugify: str | None, by_slug: str | None) -> None:
    assert slugify(name) == by_slugify
    assert slug(name) == by_slug


@given(st.text(max_size=40))
def test_a_slug_is_in_ascii_without_blanks(name: str) -> None:
    for made in (slugify(name), slug(name)):
        assert made is None or (made.isascii() and " " not in made)


@given(
    st.lists(
        st.sampled_from(["{{", "}}", "{%", "|", "'", '"', "title", "slug", ":", " ", "/", "-", "(", "date"])
    )
)
def test_no_template_code_is_left_in_an_address(pieces: list[str]) -> None:
    address = filled("".join(pieces))
    assert address is None or not ("{{" in address or "{%" in address)


def read(permalink: str, front: str = "date: 2024-05-01") -> Reading:
    rules = ReadingRules(
        id_authority="e.example",
        id_year=2025,
        base_url="https://e.example/site/",
        url_pattern="/old/{slug}/",
        more_keys=(("url", ("permalink",)),),
    )
    raw = f'---\ntitle: Old Pier\npermalink: "{permalink}"\n{front}\n---\nText.\n'.encode()
    return read_article(raw, PurePosixPath("pier.md"), DATE, rules)


def test_an_address_continues_the_base_url_and_is_no_finding() -> None:
    reading = read("/p/{{ title | slugify }}/")
    assert reading.article is not None
    assert reading.article.url == "https://e.example/site/p/old-pier/"
    assert reading.findings == ()


def test_what_is_not_known_is_a_warning_and_the_pattern_of_the_folder_counts() -> None:
    reading = read("/p/{{ title | mine }}/")
    assert reading.article is not None
    assert reading.article.url == "https://e.example/site/old/pier/"
    assert [(one.code, one.message) for one in reading.findings] == [
        (FindingCode.BAD_URL, "permalink has template code that is not known here")
    ]


def test_an_undated_article_has_no_address_of_template_code() -> None:
    assert read("/p/{{ page.date | date: '%Y' }}/", "draft: false").article is None
