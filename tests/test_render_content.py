"""The HTML of an entry: what it holds, in which order, and that text is escaped exactly once."""

from __future__ import annotations

import pytest
from feed_samples import GAZETTE, an_article, an_entry
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from feedserver.model import Action, Article, Image, Related, Video
from feedserver.render.content import content_html

PIXEL = Image(url="https://gazette.example/a.png?b=1&c=2")


def content_of(**changes: object) -> str:
    return content_html(an_entry(an_article(1, **changes)))


def test_an_article_with_title_url_and_date_only_names_and_links_its_source() -> None:
    expected = '<p>Source: <a href="https://gazette.example/articles/1">gazette.example</a></p>'
    assert content_of() == expected


def test_the_source_is_named_after_the_provider() -> None:
    assert content_of(provider=GAZETTE).endswith(">The Gazette &amp; Mail</a></p>")


def test_the_excerpt_stands_in_for_a_missing_body() -> None:
    assert "<p>1 &lt; 2</p>" in content_of(excerpt="1 < 2")


def test_a_body_is_taken_as_it_is_and_the_excerpt_not_repeated() -> None:
    content = content_of(excerpt="Short", body_html="<p>Long &amp; <em>sweet</em></p>")
    assert "<p>Long &amp; <em>sweet</em></p>" in content
    assert "Short" not in content


def test_the_first_image_leads_and_is_linked_to_the_article() -> None:
    image = Image(url=PIXEL.url, width=3, height=2, title='"A" <b>')
    content = content_of(images=(image, Image(url="https://gazette.example/2.png")), body_html="<p>x</p>")
    assert content.startswith(
        '<p><a href="https://gazette.example/articles/1">'
        '<img src="https://gazette.example/a.png?b=1&amp;c=2" alt="&quot;A&quot; &lt;b&gt;"'
        ' width="3" height="2"></a></p>\n<p>x</p>'
    )
    assert "2.png" not in content


def test_an_image_without_a_title_is_described_by_the_title_of_the_article() -> None:
    assert 'alt="Tom &amp; Ann"' in content_of(title="Tom & Ann", images=(PIXEL,))


@pytest.mark.parametrize(
    ("url", "in_body"),
    [
        ("https://gazette.example/a.png?b=1&c=2", "https://gazette.example/a.png?b=1&amp;c=2"),
        ("https://gazette.example/ann's.png", "https://gazette.example/ann's.png"),
    ],
)
def test_an_image_that_the_body_shows_does_not_lead_as_well(url: str, in_body: str) -> None:
    body = f'<p><img src="{in_body}" alt=""></p>'
    assert content_of(images=(Image(url=url),), body_html=body).count("<img") == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "3 s"), (543, "9 min 3 s"), (2640, "44 min"), (3600, "1 h"), (7265, "2 h 1 min 5 s")],
)
def test_a_video_is_a_link_with_its_length(seconds: int, words: str) -> None:
    content = content_of(video=Video(url="https://video.example/2"), duration=seconds)
    assert f'<p><a href="https://video.example/2">Watch the video</a> ({words})</p>' in content


@pytest.mark.parametrize("duration", [None, 0])
def test_a_video_of_unknown_length_is_a_link_only(duration: int | None) -> None:
    content = content_of(video=Video(url="https://video.example/2"), duration=duration)
    assert '<p><a href="https://video.example/2">Watch the video</a></p>' in content


def test_the_length_of_a_course_is_shown_without_a_video() -> None:
    assert "<p>Length: 44 min</p>" in content_of(duration=2640)


def test_actions_are_links_named_by_their_title_or_else_their_address() -> None:
    actions = (Action(url="https://a.example/1", title="A & B"), Action(url="https://a.example/2"))
    content = content_of(actions=actions)
    assert '<p><a href="https://a.example/1">A &amp; B</a></p>' in content
    assert '<p><a href="https://a.example/2">https://a.example/2</a></p>' in content


def test_related_articles_are_listed_with_provider_and_day() -> None:
    published = an_article().published
    related = (
        Related(title="One", url="https://a.example/1", provider="A & B", published=published),
        Related(title="Two", url="https://a.example/2", domain="a.example"),
        Related(title="", url="https://a.example/3"),
    )
    assert (
        "<h3>Related</h3><ul>"
        '<li><a href="https://a.example/1">One</a> (A &amp; B, 2021-03-14)</li>'
        '<li><a href="https://a.example/2">Two</a> (a.example)</li>'
        '<li><a href="https://a.example/3">https://a.example/3</a></li></ul>'
    ) in content_of(related=related)


def test_the_content_has_no_frames_scripts_or_styles_of_its_own() -> None:
    video = Video(url="https://v.example/", player_url="https://p.example/")
    content = content_of(video=video, images=(PIXEL,), excerpt="x", duration=3)
    assert not any(word in content for word in ("iframe", "script", "style", "p.example"))


# Characters that XML forbids are removed before the content is made, and HTML has its own rules for
# carriage returns.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)


@given(excerpt=TEXT, alt=TEXT, action=TEXT, related=TEXT)
def test_any_text_reads_back_as_written(excerpt: str, alt: str, action: str, related: str) -> None:
    article: Article = an_article(
        excerpt=excerpt,
        images=(Image(url="https://a.example/", title=alt),),
        actions=(Action(url="https://a.example/", title=action),),
        related=(Related(title=related, url="https://a.example/"),),
    )
    root = html.fragment_fromstring(content_html(an_entry(article)), create_parent=True)
    assert [image.get("alt") for image in root.iter("img")] == [alt]
    assert [paragraph.text for paragraph in root.iter("p")][1:2] == [excerpt]
    assert [link.text for link in root.iter("a")][1:3] == [action, related]
