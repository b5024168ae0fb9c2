"""Documents of entries that were written before: the bytes are those of a document written as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from feed_samples import NOON, a_channel, an_article, an_entry
from hypothesis import given
from hypothesis import strategies as st
from test_render_text import FEEDS

from feedserver.model import Feed
from feedserver.render import atom, rss
from feedserver.render.spelling import Spelling
from feedserver.render.splicing import Recent, Splicer
from feedserver.render.text import legible

# How documents are written as a whole, and spliced.
WAYS = {
    "rss": (lambda feed: rss._SPELLING(rss._write(feed)), rss._DOCUMENTS),  # noqa: SLF001  to be compared
    "atom": (lambda feed: atom._SPELLING(atom._write(feed)), atom._DOCUMENTS),  # noqa: SLF001  to be compared
}
LIKE_TAGS = ["</item>\n", "<item>", "</entry>\n", "<entry", "</channel></rss>", "</feed>", "]]></item>\n<!--"]


@pytest.mark.parametrize(("whole", "spliced"), WAYS.values(), ids=WAYS)
@given(feeds=st.lists(FEEDS, min_size=1, max_size=3), data=st.data())
def test_any_mixture_of_old_and_new_entries_is_as_if_written_as_a_whole(
    whole: Callable[[Feed], bytes], spliced: Splicer, feeds: list[Feed], data: st.DataObject
) -> None:
    known = [entry for feed in feeds for entry in feed.entries]
    for feed in feeds:
        assert spliced.document(feed) == whole(legible(feed))
        mixed = data.draw(st.permutations(known))[: data.draw(st.integers(0, 5))] if known else []
        language = data.draw(st.sampled_from(["", "en", feed.channel.language]))
        other = Feed(
            channel=msgspec.structs.replace(feed.channel, language=language), entries=tuple(mixed + mixed[:1])
        )
        assert spliced.document(other) == whole(legible(other))


@pytest.mark.parametrize(("whole", "spliced"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("text", LIKE_TAGS)
def test_a_text_that_looks_like_a_tag_is_none(
    text: str, whole: Callable[[Feed], bytes], spliced: Splicer
) -> None:
    article = an_article(title=text, excerpt=text, body_html=text, url=f"https://example.org/{text}")
    feed = Feed(channel=a_channel(title=text, description=text), entries=(an_entry(article), an_entry()))
    assert spliced.document(feed) == spliced.document(feed) == whole(feed)


def test_only_what_is_new_is_written() -> None:
    seen = []

    def write(feed: Feed) -> bytes:
        seen.append([entry.article.id for entry in feed.entries])
        return rss._write(feed)  # noqa: SLF001  how it is written is not what counts

    splicer = Splicer(write, Spelling(html=[]), b"<item>", b"</item>\n", b"</channel></rss>")
    one, two, three = (an_entry(an_article(id=f"tag:x,2020:{number}")) for number in range(3))
    later = msgspec.structs.replace(two, updated=NOON + timedelta(days=1))
    for entries in [(one, two), (three, one, two), (later, one), (one, two)]:
        splicer.document(Feed(channel=a_channel(), entries=entries))
    ids = [entry.article.id for entry in (one, two, three)]
    assert seen == [[ids[0], ids[1]], [ids[2]], [ids[1]], []]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 60))))
def test_what_is_kept_is_what_was_asked_for_last_and_bounded(steps: list[tuple[int, int]]) -> None:
    recent, last = Recent(100), dict[bytes, bytes]()
    for number, size in steps:
        key = bytes([number])
        found = recent.find(key)
        assert found in (None, last.get(key))
        if found is None:
            last[key] = bytes(size)
            recent.keep(key, last[key])
            assert recent.find(key) == (last[key] if size <= 50 else None)
    assert sum(len(recent.find(key) or b"") for key in list(last)) <= 100
