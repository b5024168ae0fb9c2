"""The pages: well-formed whatever their values hold, escaped, self-contained, and the same every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from itertools import pairwise
from xml.etree.ElementTree import Element

import html5lib  # publishes no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from feedserver.findings import FindingCode, Severity
from feedserver.index.archives import ArchiveDocument
from feedserver.model import (
    Article,
    Channel,
    Entry,
    Feed,
    Finding,
    Format,
    Image,
    Kind,
    ListingKey,
    ListingSummary,
    Provider,
    Term,
)
from feedserver.site import pages
from feedserver.site.pages import ListingGroup, Problem, SiteChrome

JUNE = ArchiveDocument(month=2020 * 12 + 5, number=1)
MOMENT = datetime(2021, 5, 11, 8, 56, 31, tzinfo=UTC)
BASE_URL = "https://feeds.example/news"
HOSTILE = "</title><script>alert(1)</script> \"double\" 'single' ]]> &amp; <b> شركة \u202e 🎉 \x00\x0b\ufffe"
FEED_TYPES = {
    "application/rss+xml": "rss",
    "application/atom+xml": "atom",
    "application/feed+json": "json",
}


# --- Builders: `text` stands wherever a value may hold text ---------------------------------------


def site(text: str = "Smart Reading", base_url: str = BASE_URL) -> SiteChrome:
    return SiteChrome(title=text, description=text, language="en", base_url=base_url)


def summary_of(
    slug: str = "ai", title: str = "AI", kind: Kind = Kind.TOPIC, count: int = 2, description: str = ""
) -> ListingSummary:
    key = ListingKey(kind=kind, slug=slug)
    return ListingSummary(key=key, title=title, description=description, count=count, updated=MOMENT)


def everything(text: str = "All articles") -> ListingSummary:
    return summary_of("", text, Kind.ARTICLES, 1234)


def article_of(text: str = "A title", url: str = "https://example.org/a") -> Article:
    return Article(
        id="tag:feeds.example,2021:a",
        title=text,
        url=url,
        published=MOMENT,
        excerpt=text,
        body_html="<p>the whole body</p>",
        kind=text,
        topics=(Term(name=text, slug="ai"),),
        provider=Provider(name=text, slug="geekwire", domain="geekwire.com"),
        images=(Image(url="https://example.org/a.png", width=640, height=360, title=f"picture {text}"),),
        duration=3900,
    )


def feed_of(*articles: Article, text: str = "AI", base_url: str = BASE_URL) -> Feed:
    channel = Channel(
        id="tag:feeds.example,2021:feeds/topics/ai",
        title=text,
        description=text,
        page_url=f"{base_url}/topics/ai",
        updated=MOMENT,
        language="en",
    )
    return Feed(channel=channel, entries=tuple(Entry(article=a, updated=a.published) for a in articles))


def archive_of(feed: Feed, older: str = "2020-05.2", newer: str = "2020-06.2") -> Feed:
    return replace(feed, channel=replace(feed.channel, previous_archive=older, next_archive=newer))


def group_of(*listings: ListingSummary, text: str = "Topics") -> ListingGroup:
    return ListingGroup(heading=text, address="/topics", listings=listings, total=len(listings))


def problem_of(text: str) -> Problem:
    return Problem(
        path=text, finding=Finding(severity=Severity.ERROR, code=FindingCode.NO_TITLE, message=text, line=7)
    )


PAGES: dict[str, Callable[[str], str]] = {
    "directory": lambda text: pages.directory_page(
        site(text), everything(text), [group_of(summary_of(title=text), text=text)]
    ),
    "group": lambda text: pages.group_page(site(text), group_of(summary_of(title=text), text=text)),
    "listing": lambda text: pages.listing_page(
        site(text),
        feed_of(article_of(text), text=text),
        summary_of(title=text, description=text, count=9),
    ),
    "archive": lambda text: pages.archive_page(
        site(text),
        archive_of(feed_of(article_of(text), text=text)),
        summary_of(title=text, description=text, count=9),
        JUNE,
    ),
    "selection": lambda text: pages.selection_page(
        site(text), feed_of(article_of(text), text=text), "/articles?q=x&topic=ai", text
    ),
    "selections": lambda text: pages.selections_page(
        site(text), [summary_of(title=text)], [summary_of(title=text)], 50
    ),
    "status": lambda text: pages.status_page(
        site(text), {"ready": True, "index": {"root": text, "scanned": MOMENT}}, [problem_of(text)]
    ),
    "error": lambda text: pages.error_page(site(text), 404, text, text, [summary_of(title=text)]),
}
EMPTY_PAGES = {
    "directory": pages.directory_page(site(), replace(everything(), count=0, updated=None), []),
    "group": pages.group_page(site(), group_of()),
    "listing": pages.listing_page(site(), feed_of(), replace(summary_of(count=0), updated=None)),
    "archive": pages.archive_page(site(), feed_of(), summary_of(), JUNE),
    "selection": pages.selection_page(site(), feed_of(), "/articles?q=x", "x"),
    "status": pages.status_page(site(), {}, []),
    "error": pages.error_page(site(), 503, "Not yet", "The first index is being built."),
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
every_empty_page = pytest.mark.parametrize("html", EMPTY_PAGES.values(), ids=EMPTY_PAGES.keys())


# --- Reading a page -------------------------------------------------------------------------------


def document(html: str) -> Element:
    """The page as a strict HTML5 parser sees it; any parse error fails the test."""
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html)
    assert isinstance(root, Element)
    return root


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def one(root: Element, path: str) -> Element:
    (element,) = root.findall(path)
    return element


def hrefs(root: Element) -> list[str]:
    return [element.get("href", "") for element in root.iter() if "href" in element.attrib]


def shape(root: Element) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(element.tag), tuple(sorted(element.attrib))) for element in root.iter()]


def autodiscovery(root: Element) -> list[tuple[str, str]]:
    links = root.findall(".//head/link[@rel='alternate']")
    return [(link.get("type", ""), link.get("href", "")) for link in links]


def headings(root: Element) -> Iterator[int]:
    for element in root.iter():
        if re.fullmatch("h[1-6]", str(element.tag)):
            yield int(str(element.tag)[1])


# --- Every page -----------------------------------------------------------------------------------


@every_page
def test_hostile_text_comes_out_as_text(page: Callable[[str], str]) -> None:
    root = document(page(HOSTILE))
    assert shape(root) == shape(document(page("plain")))
    assert "alert(1)" in text_of(one(root, ".//title"))
    assert "<script>alert(1)</script> \"double\" 'single' ]]> &amp; <b> شركة \u202e 🎉" in text_of(root)


@every_page
@given(text=st.text())
def test_no_text_changes_the_structure_of_a_page(page: Callable[[str], str], text: str) -> None:
    # The x keeps the text from being empty, and from being the kind "article", which goes unsaid.
    html = page(f"x{text}")
    html.encode()
    assert shape(document(html)) == shape(document(page("plain")))


@every_empty_page
def test_a_page_without_content_is_well_formed(html: str) -> None:
    assert len(document(html).findall(".//h1")) == 1


def card_of(article: Article) -> Element:
    root = document(pages.listing_page(site(), feed_of(article), summary_of()))
    return one(root, ".//article")


def test_the_date_of_an_article_without_a_title_is_its_heading_and_link() -> None:
    untitled = replace(article_of(), title="", provider=None, kind="", duration=None)
    card = card_of(untitled)
    assert text_of(one(card, f".//h3/a[@href='{untitled.url}']")) == text_of(one(card, ".//h3//time"))


def test_further_facts_of_an_article_without_a_title_are_below_its_date() -> None:
    card = card_of(replace(article_of(), title="", kind="video", duration=60))
    facts = text_of(one(card, ".//p[@class='facts']"))
    assert facts.endswith("video · 1 min")
    assert facts[0].isalnum()


def test_an_article_without_a_title_and_a_web_address_has_its_date_as_text() -> None:
    card = card_of(replace(article_of(), title="", url="ftp://a.example/"))
    assert card.findall(".//h3/a") == []
    assert text_of(one(card, ".//h3"))


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("<p>A <b>t</b>ide<br>is &amp; was</p>\n<ul><li>in</li><li>out</li></ul>", "A tide is & was in out"),
        ("<pre><code>a &lt; b\n</code></pre>", "a < b"),
        (f"<p>{'word ' * 100}</p>", f"{'word ' * 59}word…"),
        (f"<p>{'w' * 500}</p>", f"{'w' * 300}…"),
        (f"<p>Short</p>{'<p></p>' * 600}<p>far</p>", "Short…"),
        (f"<p>Link <a href='https://a.example/{'x' * 5_000}'>a</a></p>", "Link…"),
    ],
)  # fmt: skip
def test_an_article_without_title_and_excerpt_shows_its_first_words(body: str, shown: str) -> None:
    card = card_of(replace(article_of(), title="", excerpt="", body_html=body))
    assert text_of(one(card, ".//p[@class='excerpt']")) == shown


@pytest.mark.parametrize("body", ["", '<p><img src="https://a.example/b.jpg"></p>'])
def test_an_article_without_any_words_shows_its_date(body: str) -> None:
    card = card_of(replace(article_of(), title="", excerpt="", body_html=body))
    assert card.findall(".//p[@class='excerpt']") == []
    assert all(text_of(link).strip() for link in card.findall(".//a"))


def test_an_article_with_a_title_or_an_excerpt_shows_no_words_of_its_body() -> None:
    titled = replace(article_of(), excerpt="", body_html="<p>Body.</p>")
    assert card_of(titled).findall(".//p[@class='excerpt']") == []
    excerpt = replace(article_of(), title="", excerpt="Short", body_html="<p>Body.</p>")
    assert text_of(one(card_of(excerpt), ".//p[@class='excerpt']")) == "Short"


@every_page
def test_a_page_loads_nothing_from_elsewhere_and_holds_no_inline_script_or_style(
    page: Callable[[str], str],
) -> None:
    root = document(page("plain"))
    assert not root.findall(".//style")
    assert not [name for element in root.iter() for name in element.attrib if name[:2] == "on"]
    assert not root.findall(".//*[@style]")
    for form in root.findall(".//form"):
        assert form.get("method") == "get"
        assert form.get("action", "").startswith("/news/")
    for script in root.findall(".//script"):
        assert script.get("src", "").startswith("/news/static/")
        assert not script.text
    loaded = [
        link.get("href", "") for link in root.findall(".//link") if link.get("rel") in {"stylesheet", "icon"}
    ]
    assert len(loaded) == 3
    assert all(href.startswith("/news/static/") for href in loaded)


@every_page
def test_links_between_pages_are_root_relative_under_the_base_path(page: Callable[[str], str]) -> None:
    root = document(page("plain"))
    followed = [element.get("href", "") for element in root.findall(".//body//a")]
    inner = [href for href in followed if not href.startswith(("#", "https://example.org/"))]
    assert len(inner) > 5
    assert [href for href in inner if not href.startswith("/news/")] == []


@every_page
def test_a_page_has_one_h1_and_skips_no_heading_level(page: Callable[[str], str]) -> None:
    levels = list(headings(document(page("plain"))))
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@every_page
def test_a_page_can_be_used_without_seeing_it(page: Callable[[str], str]) -> None:
    root = document(page("plain"))
    assert root.get("lang") == "en"
    assert one(root, ".//body/a[@class='skip']").get("href") == f"#{one(root, './/main').get('id')}"
    regions = [nav.get("aria-label") for nav in root.findall(".//nav")]
    assert all(regions)
    assert len(regions) == len(set(regions))
    ids = [element.get("id") for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        if "aria-labelledby" in element.attrib:
            assert element.get("aria-labelledby") in ids
    labelled = {label.get("for") for label in root.findall(".//label")}
    in_labels = {id(field) for label in root.findall(".//label") for field in label}
    for field in (*root.findall(".//input"), *root.findall(".//select"), *root.findall(".//button")):
        is_named = field.get("aria-label") or field.get("id") in labelled or id(field) in in_labels
        assert is_named or "".join(field.itertext()).strip()


def test_static_files_are_linked_with_the_digest_of_what_they_hold() -> None:
    assert set(pages.STATIC_DIGESTS) >= {"style.css", "copy.js", "favicon.svg"}
    root = document(PAGES["listing"]("plain"))
    linked = [*hrefs(root), *(script.get("src", "") for script in root.findall(".//script"))]
    for name, digest in pages.STATIC_DIGESTS.items():
        assert sha256((pages.STATIC_DIR / name).read_bytes()).hexdigest().startswith(digest)
        assert f"/news/static/{name}?v={digest}" in linked


def test_the_icon_is_well_formed_and_the_style_sheet_loads_nothing() -> None:
    assert etree.parse(pages.STATIC_DIR / "favicon.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    style = (pages.STATIC_DIR / "style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_a_site_without_a_language_claims_none() -> None:
    root = document(pages.group_page(replace(site(), language=""), group_of()))
    assert "lang" not in root.attrib


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["directory", "group", "listing"])
def test_autodiscovery_names_each_format_once_with_an_absolute_address(name: str) -> None:
    page_url = f"{BASE_URL}/topics/ai" if name == "listing" else f"{BASE_URL}/articles"
    found = autodiscovery(document(PAGES[name]("plain")))
    assert found == [(media_type, f"{page_url}.{suffix}") for media_type, suffix in FEED_TYPES.items()]


@pytest.mark.parametrize("name", ["status", "error"])
def test_status_and_errors_are_not_for_search_engines_and_offer_no_feed(name: str) -> None:
    root = document(PAGES[name]("plain"))
    assert autodiscovery(root) == []
    assert one(root, ".//meta[@name='robots']").get("content") == "noindex"


def test_the_addresses_to_copy_are_those_of_the_channel_and_work_without_script() -> None:
    feed = feed_of(article_of())
    root = document(pages.listing_page(site(), feed, summary_of()))
    fields = root.findall(".//input")
    assert [field.get("value") for field in fields] == [feed.channel.feed_url(fmt) for fmt in Format]
    assert all("readonly" in field.attrib and "disabled" not in field.attrib for field in fields)
    buttons = root.findall(".//button")
    assert [button.get("data-copy") for button in buttons] == [field.get("id") for field in fields]
    assert all("hidden" in button.attrib for button in buttons)


def test_a_listing_links_its_feed_documents_on_the_same_origin() -> None:
    root = document(pages.listing_page(site(), feed_of(), summary_of()))
    links = {link.text: link.get("href") for link in root.findall(".//a[@class='format']")}
    assert links == {
        "RSS": "/news/topics/ai.rss",
        "Atom": "/news/topics/ai.atom",
        "JSON Feed": "/news/topics/ai.json",
    }


def test_a_site_at_the_root_of_its_host_has_no_base_path() -> None:
    chrome = site(base_url="https://feeds.example")
    root = document(pages.directory_page(chrome, everything(), [group_of(summary_of())]))
    assert {"/", "/topics", "/topics/ai", "/topics/ai.rss", "/all.opml", "/recommended.opml"} <= set(
        hrefs(root)
    )
    assert one(root, ".//link[@rel='canonical']").get("href") == "https://feeds.example/"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", " javascript:alert(1)", "JaVa\tScript:alert(1)", "data:text/html,x", "//x", ""],
)
def test_an_address_that_is_not_http_is_never_linked_or_loaded(url: str) -> None:
    article = replace(article_of(url=url), images=(Image(url=url),))
    feed = feed_of(article)
    feed = replace(feed, channel=replace(feed.channel, page_url=url))
    root = document(pages.listing_page(site(), feed, summary_of()))
    addresses = hrefs(root) + [image.get("src", "") for image in root.findall(".//img")]
    assert not [address for address in addresses if re.search(r"script\s*:|data:", address, re.IGNORECASE)]
    assert text_of(one(root, ".//article//h3")) == "A title"
    assert root.findall(".//article//h3/a") == []
    assert root.findall(".//img") == []


# --- The directory and the groups -----------------------------------------------------------------


def names(root: Element, path: str = ".//main//") -> list[str]:
    return [text_of(link) for link in root.findall(f"{path}a[@class='name']")]


def test_a_group_lists_the_fullest_first_and_equals_by_title() -> None:
    listings = (
        summary_of("b", "beta", count=3),
        summary_of("a", "Alpha", count=3),
        summary_of("c", "C", count=9),
    )
    assert names(document(pages.group_page(site(), group_of(*listings)))) == ["C", "Alpha", "beta"]


@given(
    st.permutations(
        [summary_of(slug, slug[0], count=count) for slug, count in [("a", 1), ("ab", 1), ("c", 2)]]
    )
)
def test_the_order_of_the_values_does_not_change_a_page(listings: list[ListingSummary]) -> None:
    assert pages.group_page(site(), group_of(*listings)) == pages.group_page(
        site(), group_of(*listings[::-1])
    )


def test_the_directory_folds_the_long_tail_but_lists_everything() -> None:
    listings = [summary_of(f"t{n}", f"T{n}", count=1000 - n) for n in range(pages.LONG_TAIL + 1200)]
    root = document(pages.directory_page(site(), everything(), [group_of(*listings)]))
    assert names(root) == [listing.title for listing in listings]
    assert names(root, ".//details//") == [listing.title for listing in listings[pages.LONG_TAIL :]]
    assert text_of(one(root, ".//summary")) == "1,200 more"


def test_a_group_up_to_the_limit_is_not_folded() -> None:
    listings = [summary_of(f"t{n}", f"T{n}") for n in range(pages.LONG_TAIL)]
    assert (
        document(pages.directory_page(site(), everything(), [group_of(*listings)])).findall(".//details")
        == []
    )


def test_domains_are_a_second_list_of_the_providers() -> None:
    provider = summary_of("geekwire", "GeekWire", Kind.PROVIDER, 1)
    domain = summary_of("geekwire.com", "geekwire.com", Kind.DOMAIN, 5)
    group = ListingGroup(
        heading="Providers", address="/providers", listings=(domain, provider), total=1, domain_total=1
    )
    root = document(pages.directory_page(site(), everything(), [group]))
    assert names(root, ".//details//") == ["geekwire.com"]
    assert names(root) == ["GeekWire", "geekwire.com"]
    assert "/news/providers/geekwire.com.atom" in hrefs(root)
    assert names(document(pages.group_page(site(), group))) == ["GeekWire", "geekwire.com"]


def test_a_page_of_a_long_list_leads_to_its_neighbours() -> None:
    middle = replace(group_of(summary_of()), total=2_500, page=2, pages=3)
    root = document(pages.group_page(site(), middle))
    assert "Topics 2,500" in text_of(root)
    assert "Page 2 of 3" in text_of(root)
    assert [(link.get("rel"), link.get("href")) for link in root.findall(".//nav[@class='pages']/a")] == [
        ("prev", "/news/topics"),
        ("next", "/news/topics.3"),
    ]
    canonical = next(link for link in root.findall(".//link") if link.get("rel") == "canonical")
    assert canonical.get("href") == "https://feeds.example/news/topics.2"


def test_the_directory_leads_to_the_whole_of_a_long_list() -> None:
    long = replace(group_of(summary_of()), total=2_500, pages=3)
    root = document(pages.directory_page(site(), everything(), [long]))
    assert "Topics 2,500" in text_of(root)
    assert "All topics" in [text_of(link) for link in root.findall(".//a[@href='/news/topics']")]


def test_a_listing_shows_its_count_its_last_change_and_its_three_feeds() -> None:
    root = document(pages.group_page(site(), group_of(summary_of(count=1))))
    assert "1 article · 11 May 2021" in text_of(root)
    assert {f"/news/topics/ai.{suffix}" for suffix in FEED_TYPES.values()} <= set(hrefs(root))
    assert {"/news/topics.opml", "/news/topics.json"} <= set(hrefs(root))


def test_the_directory_leaves_out_empty_groups() -> None:
    root = document(
        pages.directory_page(site(), everything(), [group_of(), group_of(summary_of(), text="Full")])
    )
    assert [text_of(heading) for heading in root.findall(".//h2")] == ["All articles", "Full 1"]


# --- A listing ------------------------------------------------------------------------------------


def entry_of(article: Article, updated: datetime | None = None) -> Element:
    feed = feed_of(article)
    feed = replace(feed, entries=(Entry(article=article, updated=updated or article.published),))
    return one(document(pages.listing_page(site(), feed, summary_of())), ".//article")


def test_an_entry_shows_what_it_is_and_links_where_it_leads() -> None:
    entry = entry_of(replace(article_of(), kind="video"))
    assert text_of(one(entry, ".//h3")) == "A title"
    assert text_of(one(entry, ".//*[@class='facts']")) == "11 May 2021 · A title · video · 1 h 5 min"
    assert text_of(one(entry, ".//*[@class='excerpt']")) == "A title"
    assert hrefs(entry) == ["https://example.org/a", "/news/providers/geekwire", "/news/topics/ai"]
    assert "the whole body" not in text_of(entry)


def test_an_entry_with_only_a_title_and_a_date_is_shown_without_gaps() -> None:
    bare = Article(
        id="tag:x,2021:a", title="Bare", url="https://example.org/", published=MOMENT, kind="article"
    )
    assert text_of(entry_of(bare)) == "Bare 11 May 2021"


def test_a_picture_tells_its_size_and_no_one_where_it_is_seen() -> None:
    image = one(entry_of(article_of()), ".//img")
    assert (image.get("width"), image.get("height")) == ("640", "360")
    assert (image.get("loading"), image.get("referrerpolicy")) == ("lazy", "no-referrer")
    assert image.get("alt") == "picture A title"


def test_a_picture_without_a_size_or_a_title_of_its_own_claims_none() -> None:
    article = replace(article_of(), images=(Image(url="https://example.org/a.png", title="A title"),))
    image = one(entry_of(article), ".//img")
    assert not {"width", "height"} & set(image.attrib)
    assert image.get("alt") == ""


def test_dates_are_fixed_and_in_utc() -> None:
    late = replace(
        article_of(), published=datetime(2021, 5, 31, 23, 30, tzinfo=timezone(timedelta(hours=-4)))
    )
    moment = one(entry_of(late), ".//time")
    assert (moment.get("datetime"), moment.text) == ("2021-06-01T03:30:00Z", "1 June 2021")


def test_a_later_day_of_updating_is_shown_and_the_same_day_is_not() -> None:
    assert "updated 12 May 2021" in text_of(entry_of(article_of(), MOMENT + timedelta(days=1)))
    assert "updated" not in text_of(entry_of(article_of(), MOMENT + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (45, "45 s"),
        (60, "1 min"),
        (90, "2 min"),
        (3599, "1 h"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (90000, "25 h"),
    ],
)
def test_a_duration_reads_in_its_largest_units(seconds: int, shown: str) -> None:
    entry = entry_of(replace(article_of(), duration=seconds))
    assert text_of(one(entry, ".//*[@class='facts']")).split(" · ")[-1] == shown


def test_an_entry_in_another_language_than_the_page_says_so() -> None:
    assert entry_of(replace(article_of(), language="ar")).get("lang") == "ar"
    assert "lang" not in entry_of(replace(article_of(), language="en")).attrib
    assert "lang" not in entry_of(article_of()).attrib


def test_a_listing_says_when_it_shows_only_its_latest_entries() -> None:
    few = document(pages.listing_page(site(), feed_of(article_of()), summary_of(count=1)))
    many = document(pages.listing_page(site(), feed_of(article_of()), summary_of(count=1234)))
    assert "latest 1 of" not in text_of(few)
    assert "latest 1 of 1,234 articles" in text_of(many)


def by_rel(root: Element) -> list[tuple[str, str, str]]:
    """The links to neighbours: relation, address and text; those of the head have no text."""
    return [
        (one.get("rel", ""), one.get("href", ""), text_of(one))
        for one in root.iter()
        if one.get("rel") in ("prev", "next")
    ]


def test_a_listing_leads_to_its_older_articles_if_there_are_any() -> None:
    whole = document(pages.listing_page(site(), feed_of(article_of()), summary_of()))
    part = document(pages.listing_page(site(), feed_of(article_of()), summary_of(), JUNE))
    older = "/news/topics/ai/2020-06.1"
    assert by_rel(whole) == []
    assert by_rel(part) == [("next", older, ""), ("next", older, "Older articles")]


def test_the_page_of_an_archive_document_leads_to_its_neighbours_and_its_listing() -> None:
    feed = archive_of(feed_of(article_of("Older"), article_of("Newer")))
    root = document(pages.archive_page(site(), feed, summary_of(), JUNE))
    assert [text_of(one) for one in root.findall(".//article//h3")] == ["Newer", "Older"]
    assert text_of(one(root, ".//h1")) == "June 2020"
    assert one(root, ".//main//p[@class='eyebrow']/a").get("href") == "/news/topics/ai"
    assert one(root, ".//link[@rel='canonical']").get("href") == f"{BASE_URL}/topics/ai/2020-06.1"
    neighbours = [("prev", "/news/topics/ai/2020-06.2"), ("next", "/news/topics/ai/2020-05.2")]
    assert by_rel(root) == [
        *((rel, href, "") for rel, href in neighbours),
        (*neighbours[0], "Newer articles"),
        (*neighbours[1], "Older articles"),
    ]


def test_the_newest_archive_document_leads_back_to_the_listing_and_the_oldest_no_further() -> None:
    only = archive_of(feed_of(article_of()), older="", newer="")
    root = document(pages.archive_page(site(), only, summary_of(), replace(JUNE, number=2)))
    assert text_of(one(root, ".//h1")) == "June 2020, part 2"
    assert by_rel(root) == [
        ("prev", "/news/topics/ai", ""),
        ("prev", "/news/topics/ai", "Latest articles"),
    ]


def test_an_empty_listing_is_kind_and_still_offers_its_feeds() -> None:
    root = document(EMPTY_PAGES["listing"])
    assert "first article will find you" in text_of(root)
    assert len(autodiscovery(root)) == 3


@pytest.mark.parametrize(
    ("kind", "slug", "section"),
    [
        (Kind.ARTICLES, "", "All articles"),
        (Kind.DOMAIN, "geekwire.com", "Providers"),
        (Kind.CATEGORY, "news", "Categories"),
    ],
)
def test_the_navigation_marks_where_a_listing_belongs(kind: Kind, slug: str, section: str) -> None:
    root = document(pages.listing_page(site(), feed_of(), summary_of(slug, kind=kind)))
    assert text_of(one(root, ".//nav//a[@aria-current]")) == section


# --- Status and errors ----------------------------------------------------------------------------


def status_rows(**status: object) -> dict[str, str]:
    root = document(pages.status_page(site(), status))
    return {text_of(row[0]): text_of(row[1]) for row in root.findall(".//tr")}


def test_the_status_is_a_table_of_labels_and_readable_values() -> None:
    assert status_rows(
        ready=True,
        last_error=None,
        index={"last_scan": MOMENT, "counts": {"articles": 12345}},
        roots=["a", "b"],
    ) == {
        "ready": "yes",
        "last error": "–",
        "index: last scan": "11 May 2021, 08:56 UTC",
        "index: counts: articles": "12,345",
        "roots": "a, b",
    }


def test_the_status_shows_numbers_that_are_zero_and_answers_that_are_no() -> None:
    assert status_rows(errors=0, fresh=False, age=0.5) == {"errors": "0", "fresh": "no", "age": "0.5"}


def test_problems_show_only_where_they_may() -> None:
    hidden = pages.status_page(site(), {"ready": True})
    shown = pages.status_page(site(), {"ready": True}, [problem_of("news/a.md")])
    assert "Problems" not in text_of(document(hidden))
    assert text_of(one(document(shown), ".//td[@class='path']")) == "news/a.md:7"
    assert "every article file could be read" in text_of(document(EMPTY_PAGES["status"]))


def test_an_error_offers_the_closest_listings_in_the_order_given() -> None:
    close = [summary_of("ai", "AI", count=1), summary_of("ai-builder", "AI Builder", count=99)]
    root = document(pages.error_page(site(), 404, "No such topic", "Nothing is at /topics/ia.", close))
    assert names(root) == ["AI", "AI Builder"]
    assert "Error 404" in text_of(root)
    assert root.findall(".//link[@rel='canonical']") == []


def test_an_error_without_suggestions_still_leads_to_the_directory() -> None:
    root = document(EMPTY_PAGES["error"])
    assert "Perhaps you meant" not in text_of(root)
    assert "/news/" in hrefs(one(root, ".//main"))
