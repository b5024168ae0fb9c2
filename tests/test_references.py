"""References: resolved as a browser resolves them, from the article's own page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedserver.articles.reading import ReadingRules, read_article
from feedserver.articles.references import NOWHERE, Place, place_of_site
from feedserver.model import Article

SITE = "https://shore.example/log/"
RULES = ReadingRules(
    id_authority="shore.example", id_year=2025, base_url=SITE, url_pattern=f"{SITE}{{path}}/"
)
ELSEWHERE = "https://gazette.example/2024/tower?edition=2"


def article(
    front: str, body: str, rules: ReadingRules = RULES, path: str = "walks/tower/index.md"
) -> Article:
    raw = f"---\ntitle: The tower\ndate: 2024-06-01\n{front}\n---\n{body}".encode()
    reading = read_article(raw, PurePosixPath(path), datetime(2024, 6, 2, tzinfo=UTC), rules)
    assert reading.article is not None, reading.findings
    return reading.article


def ruled(**changes: str) -> ReadingRules:
    return ReadingRules(**{"id_authority": "shore.example", "id_year": 2025} | changes)  # type: ignore[arg-type]


def target(body: str, article: Article) -> str | None:
    """The address of the only link of the only paragraph, None if it has none."""
    match = re.search('<a href="([^"]*)">', article.body_html)
    return match and match[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("stairs.jpg", f"{SITE}walks/tower/stairs.jpg"),
        ("./stairs.jpg", f"{SITE}walks/tower/stairs.jpg"),
        ("../lamp/", f"{SITE}walks/lamp/"),
        ("../../../../lamp/", "https://shore.example/lamp/"),
        ("/about/", "https://shore.example/about/"),
        ("//cdn.example/x.js", "https://cdn.example/x.js"),
        ("?page=2", f"{SITE}walks/tower/?page=2"),
        ("#view", f"{SITE}walks/tower/#view"),
        ("stairs.html#view", f"{SITE}walks/tower/stairs.html#view"),
        ("https://other.example/a", "https://other.example/a"),
        ("mailto:ann@shore.example", "mailto:ann@shore.example"),
        ("javascript:void(0)", None),
        ("ftp://other.example/a", None),
    ],
)
def test_a_reference_in_a_body_leads_where_a_browser_goes(reference: str, expected: str | None) -> None:
    got = article("", f"[a]({reference})")

    assert target(reference, got) == expected


def test_pictures_and_other_fields_are_references_of_the_page_too() -> None:
    got = article(
        "image: [stairs.jpg, {url: /i/lamp.jpg}]\n"
        "author: {name: Ann, url: ../../people/ann/}\n"
        "actions: [{url: plan.pdf}]\n"
        "ampWebUrl: amp/\n"
        "provider: {name: Shore, images: [{url: logo.png}]}\n"
        "related: [{title: Lamp, webUrl: ../lamp/}]",
        "![](stairs.jpg)",
    )
    page = f"{SITE}walks/tower/"

    assert [image.url for image in got.images] == [f"{page}stairs.jpg", "https://shore.example/i/lamp.jpg"]
    assert got.authors[0].url == f"{SITE}people/ann/"
    assert got.actions[0].url == f"{page}plan.pdf"
    assert got.amp_urls == (f"{page}amp/",)
    assert got.provider is not None
    assert got.provider.images[0].url == f"{page}logo.png"
    assert got.related[0].url == f"{SITE}walks/lamp/"
    assert f'src="{page}stairs.jpg"' in got.body_html


@pytest.mark.parametrize(
    ("rules", "link", "page", "relative", "rooted"),
    [
        # The page of an article is its own if the site has it.
        (RULES, f"{SITE}t", f"{SITE}t#a", f"{SITE}x.png", "https://shore.example/x.png"),
        # One that links elsewhere has the page of the pattern, or is of the site as a whole.
        (RULES, ELSEWHERE, f"{SITE}b/#a", f"{SITE}b/x.png", "https://shore.example/x.png"),
        (ruled(base_url=SITE), ELSEWHERE, f"{ELSEWHERE}#a", f"{SITE}x.png", "https://shore.example/x.png"),
        # Without a base URL the page is all that is known.
        (
            ruled(),
            ELSEWHERE,
            f"{ELSEWHERE}#a",
            "https://gazette.example/2024/x.png",
            "https://gazette.example/x.png",
        ),
        (
            ruled(root_urls="base"),
            ELSEWHERE,
            f"{ELSEWHERE}#a",
            "https://gazette.example/2024/x.png",
            "https://gazette.example/x.png",
        ),
        # A site below a path may write root-relative references as if it were not.
        (ruled(base_url=SITE, root_urls="base"), "/t/", f"{SITE}t/#a", f"{SITE}t/x.png", f"{SITE}x.png"),
        (
            ruled(base_url=SITE.rstrip("/"), root_urls="base"),
            "/t/",
            f"{SITE}t/#a",
            f"{SITE}t/x.png",
            f"{SITE}x.png",
        ),
        (
            ruled(base_url=SITE),
            "/t/",
            f"{SITE}t/#a",
            f"{SITE}t/x.png",
            "https://shore.example/x.png",
        ),
    ],
)
def test_the_place_of_references_follows_from_the_page_and_the_site(
    rules: ReadingRules, link: str, page: str, relative: str, rooted: str
) -> None:
    got = article(f"link: {link}", "[a](#a)\n![](x.png) ![](/x.png)", rules, "b.md")

    assert target("#a", got) == page
    assert re.findall('src="([^"]*)"', got.body_html) == [relative, rooted]


def test_a_footnote_leads_to_the_note_on_the_page_and_back() -> None:
    got = article("", '<a id="r1" href="#n1">1</a> <a id="n1" href="#r1">back</a>')

    page = f"{SITE}walks/tower/"
    assert got.body_html == f'<p><a href="{page}#n1">1</a> <a href="{page}#r1">back</a></p>'


@given(st.text("ab/.?#:%@ é", max_size=12))
def test_any_reference_is_an_address_of_the_web_or_none(reference: str) -> None:
    place = Place(page=f"{SITE}a/b", base=f"{SITE}a/b")
    try:
        resolved = place.resolve(reference)
    except ValueError:
        return

    assert resolved is None or resolved.startswith(("https://", "http://"))
    assert NOWHERE.resolve(reference) is None or "//" in reference
    if resolved and re.fullmatch("[ab/.]+", reference) and "//" not in reference:
        assert resolved == urljoin(place.base, reference)


def test_a_file_without_a_page_has_the_place_of_its_site() -> None:
    assert place_of_site(SITE, "host").resolve("i.png") == f"{SITE}i.png"
    assert place_of_site(SITE, "host").resolve("#a") is None
    assert place_of_site("", "host") == NOWHERE
