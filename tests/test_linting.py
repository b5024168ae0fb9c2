"""The linter: every kind of mistake is told at its place, in words that an editor can act on."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lint_field_cases import FIELD_CASES
from lint_yaml_cases import REST, YAML_CASES, Case, article
from linted import described, diagnostics_of

from feedserver.articles.field_keys import KEYS
from feedserver.articles.visibility_keys import VISIBLE_WHEN
from feedserver.findings import FINDINGS, FindingCode
from feedserver.indexing.linting.examples import EXAMPLES
from feedserver.indexing.linting.explaining import explanation
from feedserver.indexing.linting.lookalikes import MoreKnown, look_alike

NO_MORE = MoreKnown()
CASES = YAML_CASES | FIELD_CASES


def codes_of(text: str) -> set[str]:
    return {one.code.value for one in diagnostics_of(text)}


def as_article(front: str) -> str:
    """An article that has all it needs beside some lines of front matter."""
    if front.startswith("---"):
        return front
    least = {"title": "High water", "date": "2025-03-04", "link": "https://example.org/tides"}
    is_whole = front.startswith(("- ", "title: High water", "date: 2025-03-04"))
    stated = {line.partition(":")[0] for line in front.splitlines()}
    added = "" if is_whole else "".join(f"\n{k}: {v}" for k, v in least.items() if k not in stated)
    return article(front + added)


# --- Mistakes


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_mistake_is_told_at_its_place_and_how_to_mend_it(case: Case) -> None:
    found = tuple(described(one) for one in diagnostics_of(case.text, case.name))

    assert found == case.expected


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_place_lies_in_the_line_that_is_shown(case: Case) -> None:
    for one in diagnostics_of(case.text, case.name):
        lines = case.text.removeprefix("\ufeff").split("\n")
        assert 1 <= one.extent.line <= len(lines)
        assert one.extent.begin < one.extent.end
        if one.extent.is_known:
            assert one.source == lines[one.extent.line - 1]
            assert one.extent.end <= len(one.source) + 2


def test_an_article_without_a_mistake_has_no_finding() -> None:
    assert diagnostics_of(article(f"title: High water\n{REST}\ntags: [Tides]\nlayout: post")) == ()


@given(st.binary(max_size=300), st.sampled_from(["a.md", "a.html", "a.yaml", "a.json"]))
@example(b"\xef\xbb\xbf---\ntitle: \xff\n---", "a.md")
@example(b'---\rtitle: "a\r---', "a.md")
def test_no_bytes_of_a_file_end_the_linter(raw: bytes, name: str) -> None:
    for one in diagnostics_of(raw, name):
        assert one.help
        assert one.extent.begin < one.extent.end


@given(st.text(alphabet="ab:'\"[]{}#-|>*&!%@`\\, \n\t\u00a0", max_size=60))
def test_whatever_is_wrong_with_yaml_the_place_is_in_the_file(front: str) -> None:
    text = article(front)
    for one in diagnostics_of(text):
        assert 1 <= one.extent.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "front",
    ['a: "x\nb"\n' * 10_000 + 'c: "d" e', "a: b\n" * 10_000 + "c: d: e", "a: b\n" * 10_000 + "\tc: d"],
    ids=["quotes", "keys", "tab"],
)
def test_the_place_in_a_long_file_is_that_of_the_mistake(front: str) -> None:
    found = diagnostics_of(article(front))
    (line,) = {one.extent.line for one in found if one.code is FindingCode.YAML_SYNTAX}

    assert line == front.count("\n") + 2


# --- Keys that look like known ones


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("publised", "published"),
        ("pubished", "published"),
        ("dtae", "date"),
        ("Titel", "title"),
        ("tilte", "title"),
        ("titre", "title"),
        ("tagss", "tags"),
        ("publish_date", "publishDate"),
        ("publish-date", "publishDate"),
        ("pub_date", "pubDate"),
        ("published-at", "published_at"),
        ("dratf", "draft"),
        ("drafts", "draft"),
        ("lnik", "link"),
        ("catgory", "category"),
        ("descripton", "description"),
        ("sumary", "summary"),
        ("auhtor", "author"),
        ("expiry_date", "expirydate"),
        ("passwrd", "password"),
    ],
)
def test_a_misspelt_key_is_recognised(key: str, meant: str) -> None:
    assert look_alike(key, NO_MORE, {key.lower()}) == meant


@pytest.mark.parametrize(
    "key",
    [
        *("layout", "permalink", "slug", "weight", "series", "aliases", "toc", "comments", "cover", "hero"),
        *("data", "head", "header", "headline", "publisher", "publication", "languages", "links", "lists"),
        *("dates", "names", "types", "feeds", "content_type", "contents", "context", "sections", "section"),
        *("subtitle", "tagline", "lead", "line", "live", "like", "note", "notes", "menu", "order", "parent"),
        *("sidebar", "template", "theme", "thumbnail", "video", "views", "version", "year", "zone", "toc"),
        *("modified", "created", "createdAt", "event", "events", "location", "place", "price", "rating"),
        *("seo", "og", "twitter", "math", "mermaid", "pagination", "pinned", "sticky", "featured", "games"),
        *("game", "guide", "fate", "gate", "rate", "late", "state", "stage", "lane", "long", "need"),
    ],
)  # fmt: skip
def test_a_key_of_its_own_is_left_alone(key: str) -> None:
    assert look_alike(key, NO_MORE, {key.lower()}) == ""


def test_no_known_key_looks_like_another_one() -> None:
    for key in (*(key for keys in KEYS.values() for key in keys), *VISIBLE_WHEN):
        assert look_alike(key, NO_MORE, set()) == ""


def test_a_key_beside_the_one_that_it_resembles_is_not_misspelt() -> None:
    assert "unknown-key" not in codes_of(article(f"title: High water\ntitre: Haute mer\n{REST}"))


def test_keys_of_the_settings_are_known() -> None:
    more = MoreKnown((("published", ("dtae",)),), (("drfat", ()),))

    assert look_alike("dtae", more, set()) == ""
    assert look_alike("drfat", more, set()) == ""


def test_settings_of_other_programs_are_no_articles_with_mistakes() -> None:
    assert diagnostics_of('{"name": "x", "descripton": "y", "autor": "z"}', "package.json")[1:] == []


# --- Explanations


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_of_a_code_has_the_fault_and_the_mended_one_has_not(code: FindingCode) -> None:
    wrong, right = EXAMPLES[code]

    assert code.value in codes_of(as_article(wrong))
    assert code.value not in codes_of(as_article(right))


@pytest.mark.parametrize("code", FINDINGS)
def test_every_code_is_explained(code: FindingCode) -> None:
    lines = list(explanation(code))

    assert lines[0].startswith(code.value)
    assert FINDINGS[code].meaning in lines


def test_a_template_is_not_looked_into() -> None:
    found = diagnostics_of(article("dtae: x"), "_template.md")

    assert [one.code for one in found] == [FindingCode.NOT_AN_ARTICLE]
