"""Slugs: identity of topics, providers and categories, for ever."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.slugs import MAX_LENGTH, domain_slug, slugify

GOLDEN = (Path(__file__).parent / "golden" / "slugs.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize("line", GOLDEN)
def test_the_slug_of_a_name_never_changes(line: str) -> None:
    name, slug = line.split("\t")
    assert slugify(json.loads(name)) == slug


def test_the_golden_table_covers_enough() -> None:
    assert len(GOLDEN) >= 60


def test_names_that_differ_by_a_sign_stay_apart() -> None:
    names = ["C", "C++", "C#", "F#", ".NET", "NET", "R&D", "RD", "实时", "时事", "🚀", "🎉", "---"]
    assert len({slugify(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dave's", "Dave\u2019s"),
        ("#PowerApps", "PowerApps"),
        ("#实时", "实时"),
        ("ПРИВЕТ", "привет"),
        ("Ｃ＃", "C#"),
        (" Power\u00a0 Apps ", "power apps"),
    ],
)
def test_spellings_of_one_name_have_one_slug(one: str, other: str) -> None:
    assert slugify(one) == slugify(other)


@given(st.text())
def test_any_text_has_a_well_formed_slug_that_is_its_own_slug(name: str) -> None:
    slug = slugify(name)
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= MAX_LENGTH
    assert slugify(slug) == slug


@given(st.text(st.sampled_from("Жa -"), min_size=60, max_size=200))
def test_a_cut_slug_still_tells_long_names_apart(name: str) -> None:
    other = name + "ж"
    assert slugify(name) != slugify(other)


@given(st.text())
def test_composed_and_decomposed_spellings_have_one_slug(name: str) -> None:
    assert slugify(unicodedata.normalize("NFD", name)) == slugify(unicodedata.normalize("NFC", name))


@given(st.text(st.sampled_from("aZéÑüßÆ1 +#.&-'")))
def test_letter_case_makes_no_difference(name: str) -> None:
    assert slugify(name) == slugify(name.upper()) == slugify(name.lower())


def test_a_long_name_is_cut_between_words() -> None:
    slug = slugify("word " * 30)
    assert re.fullmatch("word(-word)+-[0-9a-f]{6}", slug)
    assert slug != slugify("word " * 31)


@pytest.mark.parametrize(
    ("domain", "slug"),
    [
        ("GeekWire.com", "geekwire.com"),
        (" example.co.uk. ", "example.co.uk"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", ""),
        ("not a domain.com", ""),
        ("https://example.com/", ""),
        ("127.0.0.1", ""),
        ("a..b", ""),
        ("-a.com", ""),
        ("\ud800.com", ""),
        (f"{'a' * 64}.com", ""),
        ("a." * 200 + "com", ""),
        ("", ""),
    ],
)
def test_a_domain_is_lower_case_ascii_with_a_dot(domain: str, slug: str) -> None:
    assert domain_slug(domain) == slug


@given(st.text())
def test_the_slug_of_a_domain_is_empty_or_its_own_slug(text: str) -> None:
    slug = domain_slug(text)
    assert not slug or ("." in slug and slug.isascii() and domain_slug(slug) == slug)
