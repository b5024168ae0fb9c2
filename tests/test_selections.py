"""Selections in addresses and settings: one meaning has one address, and what means nothing is refused."""

from __future__ import annotations

import string
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selections_page import PAGE, selections_page

from feedserver.articles.selections.help import HELP
from feedserver.articles.selections.matching import ArticleFacts, meets
from feedserver.articles.selections.parameters import PARAMETERS, SelectionRequest, may_select, parse_request
from feedserver.articles.selections.values import Rank, Says, Sort
from feedserver.articles.selections.words import folded_words, parse_words, searched_text, words_text
from feedserver.errors import SelectionError, SettingsError
from feedserver.feeds.windows import window_at
from feedserver.model import Kind, ListingKey
from feedserver.settings.sources import load_settings
from feedserver.wiring.planning import listing_rules

BASES = {
    "/articles": ListingKey(kind=Kind.ARTICLES),
    "/topics/ai": ListingKey(kind=Kind.TOPIC, slug="ai"),
    "/providers/wired": ListingKey(kind=Kind.PROVIDER, slug="wired"),
    "/providers/wired.example": ListingKey(kind=Kind.DOMAIN, slug="wired.example"),
    "/feeds/mine": ListingKey(kind=Kind.FEED, slug="mine"),
}

# An address, and its canonical form.
CANONICAL = [
    ("/articles", "/articles"),
    ("/articles?topic=ai", "/topics/ai"),
    ("/articles?topic=AI", "/topics/ai"),
    ("/articles?TOPIC=Ai", "/topics/ai"),
    ("/articles?topic=Power+Apps", "/topics/power-apps"),
    ("/articles?topic=Power%20Apps", "/topics/power-apps"),
    ("/articles?topic=C%2B%2B", "/topics/c-plus-plus"),
    ("/articles?topic=ai,ai", "/topics/ai"),
    ("/articles?topic=ai&topic=AI", "/topics/ai"),
    ("/articles?provider=wired.example", "/providers/wired.example"),
    ("/articles?domain=WIRED.example.", "/providers/wired.example"),
    ("/articles?category=News", "/categories/news"),
    ("/articles?type=Video", "/articles?type=video"),
    ("/articles?author=Ann+Lee", "/articles?author=ann-lee"),
    ("/articles?language=EN-gb", "/articles?language=en-gb"),
    ("/articles?topic=b,a", "/articles?topic=a,b"),
    ("/articles?topic=a,,b,", "/articles?topic=a,b"),
    ("/articles?topic=b&topic=a", "/articles?topic=a&topic=b"),
    ("/articles?topic=a,b&topic=a", "/topics/a"),
    ("/articles?topic=a,b&topic=c&topic=b,a,c", "/articles?topic=a,b&topic=c"),
    ("/articles?provider=wired&topic=ai", "/articles?topic=ai&provider=wired"),
    ("/topics/ai?provider=wired", "/articles?topic=ai&provider=wired"),
    ("/providers/wired?topic=ai", "/articles?topic=ai&provider=wired"),
    ("/providers/wired.example?topic=ai", "/articles?topic=ai&domain=wired.example"),
    ("/topics/ai?topic=ai", "/topics/ai"),
    ("/topics/ai?topic=ai,b", "/topics/ai"),
    ("/topics/ai?topic=b", "/articles?topic=ai&topic=b"),
    ("/feeds/mine?topic=ai", "/feeds/mine?topic=ai"),
    ("/articles?provider=wired.example,wired", "/articles?provider=wired,wired.example"),
    ("/articles?topic=a,b&not_topic=a", "/articles?topic=b&not_topic=a"),
    ("/articles?not_topic=B&not_topic=a", "/articles?not_topic=a,b"),
    ("/articles?not_provider=wired.example,wired", "/articles?not_provider=wired&not_domain=wired.example"),
    ("/articles?q=Robot", "/articles?q=robot"),
    ("/articles?q=robot+arm&q=arm", "/articles?q=arm+robot"),
    ("/articles?q=%22Open%20%20source%22", "/articles?q=%22open+source%22"),
    ("/articles?q=e-mail", "/articles?q=%22e+mail%22"),
    ("/articles?q=b+OR+a", "/articles?q=a+OR+b"),
    ("/articles?q=-toy+robot", "/articles?q=robot+-toy"),
    ("/articles?q=Caf%C3%A9", "/articles?q=cafe"),
    ("/articles?q=機械", f"/articles?q={quote('機械')}"),
    ("/articles?q=robo*", "/articles?q=robo*"),
    ("/articles?q=(robot)", "/articles?q=robot"),
    ("/articles?q=", "/articles"),
    ("/articles?min_heat=007", "/articles?min_heat=7"),
    ("/articles?since=168h", "/articles?since=7d"),
    ("/articles?since=1W", "/articles?since=7d"),
    ("/articles?since=36h", "/articles?since=36h"),
    ("/articles?since=2024-05-31", "/articles?since=2024-05-31"),
    ("/articles?sort=published", "/articles"),
    ("/articles?sort=HEAT", "/articles?sort=heat"),
    ("/articles?limit=50", "/articles"),
    ("/articles?limit=050", "/articles"),
    ("/articles?limit=10", "/articles?limit=10"),
    ("/topics/ai?limit=10", "/articles?topic=ai&limit=10"),
    ("/articles?fold=0", "/articles"),
    ("/articles?fold=Yes", "/articles?fold=true"),
    ("/articles?utm_source=x&topic=ai&fbclid=1&_=99", "/topics/ai"),
    ("/articles?utm_source=x", "/articles"),
    ("/articles?fold=1&limit=9&sort=heat&q=a&topic=b", "/articles?topic=b&q=a&sort=heat&limit=9&fold=true"),
]

# The query of an address, and a part of the sentence that refuses it.
REFUSED = [
    ("limit=0", "limit=0: must be a whole number from 1 to 500"),
    ("limit=-1", "limit=-1: must be a whole number from 1 to 500"),
    ("limit=1e9", "limit=1e9: must be"),
    ("limit=501", "from 1 to 500"),
    ("limit=5&limit=6", "limit=5, 6: is given several times"),
    ("since=never", "since=never: must be an age such as 24h, 7d"),
    ("since=99999d", "at most 3660d"),
    ("since=2024-13-01", "or a date: 2024-05-31"),
    ("since=0d", "must be an age"),
    ("sort=random", "must be one of published, updated, heat, quality, relevance"),
    ("sort=relevance", "needs words to search for in q"),
    ("sort=relevance&q=-toy", "needs words to search for in q"),
    ("fold=maybe", "must be true or false"),
    ("min_heat=hot", "must be a whole number"),
    ("min_quality=99999999999", "at most 9 digits"),
    ("language=!!", "must be a language tag such as en or pt-BR"),
    ("domain=wired", "must be a domain such as example.com"),
    ("q=%22", "has no letter or digit to search for"),
    ("q=*", "has no letter or digit"),
    ("q=%F0%9F%98%80", "has no letter or digit"),
    ("q=%00", "must be text in UTF-8 without control characters"),
    ("q=%ff", "must be text in UTF-8"),
    ("topic=%C3%28", "must be text in UTF-8"),
    (f"q={'x' * 10_240}", "must have at most 200 characters"),
    ("topic=a&not_topic=a", "not_topic=a: excludes what topic asks for"),
    ("topic=a,b&not_topic=b,a", "excludes what topic asks for"),
    (f"topic={','.join(f't{number}' for number in range(21))}", "at most 20 terms"),
    ("&".join(f"topic=t{number}" for number in range(1000)), "at most 20 terms"),
]


def asked(address: str) -> SelectionRequest:
    path, _, query = address.partition("?")
    return parse_request(BASES[path], query, 50)


def written(request: SelectionRequest) -> str:
    return f"{request.base.address}?{request.query}".removesuffix("?")


@pytest.mark.parametrize(("address", "canonical"), CANONICAL)
def test_every_spelling_of_a_selection_leads_to_one_address(address: str, canonical: str) -> None:
    assert written(asked(address)) == canonical


@pytest.mark.parametrize("canonical", sorted({canonical for _, canonical in CANONICAL if "?" in canonical}))
def test_a_canonical_address_leads_to_itself(canonical: str) -> None:
    assert written(asked(canonical)) == canonical


VALUES = st.text(st.sampled_from([*string.ascii_letters[:6], *'0123-.,"*é機ก '])).map(quote_plus)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from((*PARAMETERS, "utm_source")), VALUES | st.sampled_from(("7d", "heat", "true", "9"))
    )
)


@given(st.sampled_from(sorted(BASES)), QUERIES, st.randoms())
def test_order_and_repetition_make_no_difference(
    base: str, pairs: list[tuple[str, str]], chance: Any
) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    request = None
    with suppress(SelectionError):
        request = parse_request(BASES[base], query, 50)
    if request is not None:
        check_form(request, base, pairs, chance)


def check_form(request: SelectionRequest, base: str, pairs: list[tuple[str, str]], chance: Any) -> None:
    again = parse_request(request.base, request.query, 50)
    assert again == request
    assert written(again) == written(request)
    # The words of several searches are joined, so their order is that of one text.
    mixed = [pair for pair in pairs if pair[0] != "q"] * 2
    chance.shuffle(mixed)
    mixed += [pair for pair in pairs if pair[0] == "q"]
    assert parse_request(BASES[base], "&".join(f"{name}={value}" for name, value in mixed), 50) == request


@pytest.mark.parametrize(("query", "reason"), REFUSED)
def test_what_means_nothing_is_refused_with_what_is_allowed(query: str, reason: str) -> None:
    with pytest.raises(SelectionError) as refused:
        asked(f"/articles?{query}")
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 250
    assert str(refused.value).isprintable()


def test_only_parameters_of_selections_select() -> None:
    for query in ("", "utm_source=newsletter", "subtopic=x", "topics=ai", "topic", "q"):
        assert not may_select(query)
    for name in PARAMETERS:
        assert may_select(f"{name}=x")
        assert may_select(f"utm_source=x&{name.upper()}=")


# --- Words


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("The robot's ARM", "arm robot"),
        ("Crème brûlée in Łódź", "creme lodz"),
        ("STRASSE", "straße"),
        ("die Straße", "STRASSE"),
        ("Ελλάδα", "ελλαδα"),
        ("Ёлка", "елка"),
        ("機械学習の研究", "学習"),
        ("データを見る", "データ"),
        ("자연어를 처리", "자연어"),
        ("การเรียนรู้ของเครื่อง", "เรียนรู้"),
        ("हिन्दी में समाचार", "समाचार"),
        ("قَلْب", "قلب"),
        ("ﬁne ﬁligree", "fine"),
        ("state-of-the-art e-mail", '"state of the art"'),
        ("roboticist", "robo*"),
        ("deep learning models", '"deep learning mod"*'),
        ("x2 + y3", "y3"),
    ],
)
def test_a_search_finds_words_in_any_script(text: str, search: str) -> None:
    fields = searched_text(text, "", "")
    assert meets(Says(words=parse_words(search)), ArticleFacts((), {}, fields))


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("robots", "robot"),
        ("source open", '"open source"'),
        ("学 習", "習学"),
        ("a robot toy", "robot -toy"),
        ("end of title|start of excerpt", '"title start"'),
        ("category", "cat"),
    ],
)
def test_a_search_finds_nothing_else(text: str, search: str) -> None:
    title, _, excerpt = text.partition("|")
    fields = searched_text(title, excerpt, "")
    assert not meets(Says(words=parse_words(search)), ArticleFacts((), {}, fields))


def test_tags_of_a_body_separate_words_only_where_they_end_a_block() -> None:
    body = '<p>un<b>break</b>able<br>next</p><p>line</p><img alt="a > b" src="x">&amp; caf&eacute;'
    assert searched_text("", "", body)[2] == "unbreakable next line cafe"


@given(st.text())
def test_the_text_of_a_search_means_the_same_search(text: str) -> None:
    words = parse_words(text)
    assert parse_words(words_text(words)) == words
    assert words_text(parse_words(words_text(words))) == words_text(words)


@given(st.text())
def test_folded_words_stay_as_they_are(text: str) -> None:
    words = folded_words(text)
    assert folded_words(" ".join(words)) == words
    assert all(word and " " not in word for word in words)


# --- Windows


def test_an_age_counts_from_the_hour_that_has_begun_and_a_date_from_its_midnight() -> None:
    noon = 1_717_243_200  # 2024-06-01T12:00:00Z
    for now in (noon, noon + 1, noon + 3599.9):
        assert window_at("24h", now) == (noon - 86_400, noon, noon + 3600)
        assert window_at("7d", now).first == noon - 7 * 86_400
        assert window_at("2024-06-01", now).first == noon - 43_200
    assert window_at("24h", noon + 3600).first == noon - 86_400 + 3600
    assert window_at("", noon).first is None


# --- Settings


def rules(selection: dict[str, object]) -> Any:
    settings = load_settings(
        overrides={"feeds": {"selections": {"x": {"title": "X", **selection}}}}, environ={}
    )
    return listing_rules(settings).feeds[0].criteria


def facts(*listings: str, heat: int = 0, text: str = "") -> ArticleFacts:
    kinds = {"topic": Kind.TOPIC, "provider": Kind.PROVIDER, "type": Kind.TYPE}
    keys = [ListingKey(kind=kinds[kind], slug=slug) for kind, slug in (one.split(":") for one in listings)]
    return ArticleFacts(keys, {Rank.HEAT: heat, Rank.QUALITY: 0}, searched_text(text, "", ""))


def test_a_saved_feed_says_all_that_an_address_says_and_nests_it() -> None:
    criteria = rules(
        {
            "topic": ["ai,robots", "toys"],
            "any": [{"provider": "wired"}, {"q": '"open source"', "min_heat": 5}],
            "none": [{"type": "video"}, {"all": [{"topic": "ads"}, {"not_provider": "wired"}]}],
            "since": "168h",
            "sort": "heat",
            "limit": 20,
            "fold": True,
        }
    )
    assert (criteria.since, criteria.sort, criteria.limit, criteria.fold) == ("7d", Sort.HEAT, 20, True)
    wanted = ("topic:robots", "topic:toys")
    for expected, one in [
        (True, facts(*wanted, "provider:wired")),
        (True, facts(*wanted, text="Open source!", heat=5)),
        (False, facts(*wanted, text="Open source!", heat=4)),
        (False, facts(*wanted)),
        (False, facts("topic:robots", "provider:wired")),
        (False, facts(*wanted, "provider:wired", "type:video")),
        (True, facts(*wanted, "topic:ads", "provider:wired")),
        (False, facts(*wanted, "topic:ads", text="open source", heat=9)),
    ]:
        assert meets(criteria.condition, one) is expected, one


@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        ({"since": "never"}, "feeds.selections.x: since=never: must be an age"),
        ({"any": [{"topic": "a"}, {"q": "*"}]}, "feeds.selections.x.any[1]: q=*: has no letter"),
        ({"topic": "a", "not_topic": "a"}, "feeds.selections.x: not_topic=a: excludes"),
        ({"limit": 0}, "feeds.selections.x.limit"),
        ({"topik": "a"}, "feeds.selections.x.topik: is not a setting; did you mean topic"),
    ],
)
def test_a_saved_feed_that_means_nothing_is_refused(selection: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        rules(selection)
    assert problem in str(refused.value)


# --- Documentation


def test_the_page_of_selections_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == selections_page()


def test_every_parameter_is_explained_once() -> None:
    names = [name for one in HELP for name in one.names.split(", ")]
    assert sorted(names) == sorted(PARAMETERS)
    for one in HELP:
        path, _, query = one.example.partition("?")
        parse_request(BASES[path.rpartition(".")[0]], query, 50)
