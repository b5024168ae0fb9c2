"""Lines at the margin of front matter that hide an article are found, however its text is searched."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedserver.articles.hiding_lines import hides_at_margin
from feedserver.articles.truth import truth_of
from feedserver.articles.visibility_keys import VISIBLE_WHEN, visibility_key

PIECES = [
    *("draft", "DRAFT", "published", "Removed", "deleted", "draf", "drafts", "title"),
    *("ｄｒａｆｔ", "dra\u200bft", "\u200bdraft", "dr\u00e4ft", "ſ", "İ"),
    *(":", "=", " ", "\t", '"', "'", "true", "false", "no", "1", "#", "{", "]", "-"),
    *("\n", "\n", "\r", "\r\n", "\x0b", "\x1d", "\x85", "\u2028"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)

# Keys of which some values hide, their values, and dates.
MORE_PIECES = [
    *("status", "Visibility", "private", "build.list", "password", "stage", "publish", "\nstatus: draft"),
    *("never", "[", "hidden", ", ", "2024-05-01", "8 May 2024 10:00", "secret"),
]
MORE_TEXTS = st.lists(st.sampled_from(PIECES[:-7] + MORE_PIECES), max_size=14).map("".join)
HIDDEN_IF = (("stage", ("secret",)),)


def hides(line: str) -> bool:
    """Whether a line begins with a visibility key and a value that hides; written down once more, slowly."""
    for quote in ("", '"', "'"):
        if not line.startswith(quote):
            continue
        key, rest = "", line.removeprefix(quote)
        while rest and not rest[0].isspace() and rest[0] not in "\"'{},:=[]":
            key, rest = key + rest[0], rest[1:]
        rest = rest.removeprefix('"') if rest.startswith('"') else rest.removeprefix("'")
        rest = rest.lstrip()
        if not 4 <= len(key) <= 40 or not rest.startswith((":", "=")):
            continue
        value = ""
        text = rest[1:].lstrip()
        text = text[1:] if text.startswith(('"', "'")) else text
        while text and not text[0].isspace() and text[0] not in "\"',}]#":
            value, text = value + text[0], text[1:]
        visible = VISIBLE_WHEN.get(visibility_key(key))
        if visible is not None and truth_of(value) is not visible:
            return True
    return False


@given(TEXTS)
def test_the_search_finds_what_a_look_at_each_line_finds(text: str) -> None:
    assert hides_at_margin(text) == any(map(hides, text.splitlines()))


@given(MORE_TEXTS)
@example("draft\ndraft:")
def test_the_search_for_starts_of_lines_passes_over_no_line_that_hides(text: str) -> None:
    # A text with another line break is searched line by line.
    assert hides_at_margin(text, HIDDEN_IF) == hides_at_margin(f"{text}\x0b", HIDDEN_IF)


@pytest.mark.parametrize(
    "line", ["draft: false\n", "title: é\n", "ｄｒａｆｔ: false\n", "é\n", "\n", '"draft"\n']
)
def test_the_search_takes_time_in_proportion_to_the_text(line: str) -> None:
    def seconds(size: int) -> float:
        text = line * (size // len(line))
        begun = time.process_time()
        hides_at_margin(text)
        return time.process_time() - begun

    # A search in quadratic time would take 64 times as long.
    assert seconds(800_000) < 32 * max(seconds(100_000), 0.01)
