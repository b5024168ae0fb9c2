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


def test_blank_lines_of_an_excerpt_part_paragraphs_and_line_ends_break_lines() -> None:
    content = content_of(excerpt="One,\ntwo & three.\n\nFour.\n\n\nFive.")
    assert content.startswith("<p>One,<br>\ntwo &amp; three.</p>\n<p>Four.</p>\n<p>Five.</p>\n")


@pytest.mark.parametrize(
    ("before", "address", "after"),
    [
        ("See ", "https://a.example/b?c=1&d=2#e", "."),
        ("(at ", "https://a.example/b_(c)", "), too"),
        ("", "http://a.example:8080", "; \u201ctwo"),
        ("two:\n", "https://a.example/", "\nlines"),
        ("\u201c", "https://a.example/it's", "\u201d"),
        ("", "https://a.example", ""),
    ],
)
def test_an_address_in_an_excerpt_is_a_link_without_the_punctuation_around_it(
    before: str, address: str, after: str
) -> None:
    root = html.fragment_fromstring(content_of(excerpt=before + address + after), create_parent=True)
    paragraph = next(root.iter("p"))
    assert [link.get("href") for link in paragraph.iter("a")] == [address]
    assert [link.text for link in paragraph.iter("a")] == [address]
    assert paragraph.text_content() == before + address + after


@pytest.mark.parametrize(
    "text", ["https://", "http://\u2026", "https://a.example/\u00fcber", "ftp://a.example/", "a.example"]
)
def test_what_is_no_whole_address_of_the_web_is_no_link(text: str) -> None:
    assert f"<p>{text}</p>" in content_of(excerpt=text)


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
        ' width="3" height="2" referrerpolicy="no-referrer"></a></p>\n<p>x</p>'
    )
    assert "2.png" not in content


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (2255, 1382, ' width="640" height="392"'),
        (1080, 1920, ' width="360" height="640"'),
        (640, 640, ' width="640" height="640"'),
        (3, 9000, ' width="1" height="640"'),
        (1600, None, ' width="640"'),
        (None, 20, ' height="20"'),
        (None, None, ""),
    ],
)
def test_a_lead_image_is_no_larger_than_a_column_and_keeps_its_proportions(
    width: int | None, height: int | None, shown: str
) -> None:
    content = content_of(images=(Image(url=PIXEL.url, width=width, height=height, title="x"),))
    assert f'alt="x"{shown} referrerpolicy="no-referrer"></a></p>' in content


def test_a_lead_image_says_who_it_is_by() -> None:
    assert "</a><br><small>R. &amp; S.</small></p>" in content_of(
        images=(Image(url=PIXEL.url, credit="R. & S."),)
    )


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


@pytest.mark.parametrize(
    ("action", "link"),
    [
        (
            Action(url="https://a.example/1", title="A & B"),
            '<p><a href="https://a.example/1">A &amp; B</a></p>',
        ),
        (
            Action(url="https://a.example/x/2.pdf?a=/b"),
            '<p><a href="https://a.example/x/2.pdf?a=/b">2.pdf</a></p>',
        ),
        (
            Action(url="https://a.example/?2"),
            '<p><a href="https://a.example/?2">https://a.example/?2</a></p>',
        ),
    ],
)
def test_actions_are_links_named_by_title_or_file_or_address(action: Action, link: str) -> None:
    assert link in content_of(actions=(action,))


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


@given(excerpt=TEXT.filter(str.strip), alt=TEXT, action=TEXT, related=TEXT)
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
