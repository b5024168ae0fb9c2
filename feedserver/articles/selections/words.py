"""The words of a text and of a search, folded alike: without letter case, accents and forms of letters.

A word is a run of letters and digits; everything else separates. Scripts that are written without blanks
(Chinese, Japanese, Thai and others), and Korean with its particles, have one word per character, and a search
for several of them is a phrase: so any part of a text is found, however short. Trigrams, the usual way, find
nothing shorter than three characters, and most Chinese words have two.

Both stores of an index keep the folded words, so that every search has one meaning. Another version of
Unicode may fold differently: `FOLDING` names the version, and is a part of what decides the index. Knows no
database.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from feedserver.articles.selections.values import Phrase, Words
from feedserver.articles.text import composed

FOLDING: Final = f"1 {unicodedata.unidata_version}"

# The search covers so many words and characters of an article. A tsvector of PostgreSQL holds at most 1 MB.
MOST_WORDS: Final = 50_000
MOST_CHARACTERS: Final = 250_000
_LONGEST_WORD: Final = 64

# Han, kana, Hangul, Thai, Lao, Tibetan, Myanmar, Khmer.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
# Three times as fast as a pattern.
_ASCII = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256))
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

# The accents and points that people leave out when they type; not the marks that make another letter.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Letters that Unicode does not take apart, as they are typed without them.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i"}
)

# A tag of sanitised HTML. The quotes of an attribute may hold an angle bracket.
_TAG = re.compile(r'<[^">]*(?:"[^"]*"[^">]*)*>')

_QUOTED = re.compile(r'(-?)"([^"]*)("\*?|$)')
_PART = re.compile(r'-?"[^"]*(?:"\*?|$)|[^\s"]+')


def folded_words(text: str) -> list[str]:
    """The words of a text in their order."""
    if text.isascii():
        found = text.encode().translate(_ASCII).decode().split()
    else:
        found = _WORD.findall(_folded(text))
    return [word[:_LONGEST_WORD] for word in found] if len(text) > _LONGEST_WORD else found


def searched_text(title: str, excerpt: str, body_html: str) -> tuple[str, str, str]:
    """The words of an article that a search looks at, separated by blanks: of title, excerpt and body."""
    room = MOST_WORDS
    fields = []
    for text in (title, excerpt, text_of_html(body_html)):
        words = folded_words(text[:MOST_CHARACTERS])[:room]
        room -= len(words)
        fields.append(" ".join(words))
    return fields[0], fields[1], fields[2]


def text_of_html(markup: str) -> str:
    """The text of sanitised HTML; tags separate words only where they end a block or a line."""
    text = _TAG.sub(_space_of, markup) if "<" in markup else markup
    return html.unescape(text) if "&" in text else text


_INLINE = frozenset(
    {"a", "b", "i", "u", "s", "em", "strong", "small", "sub", "sup", "mark", "span", "code", "kbd", "abbr"}
    | {"cite", "q", "ins", "del"}
)
_TAG_NAME = re.compile("</?([a-z0-9]*)")


def _space_of(tag: re.Match[str]) -> str:
    name = _TAG_NAME.match(tag[0])
    return "" if name and name[1] in _INLINE else " "


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", composed(text))
    whole = unicodedata.normalize("NFKC", _ACCENTS.sub("", apart))
    return _ACCENTS.sub("", whole.casefold()).translate(_LETTERS)


# --- Searches -----------------------------------------------------------------------------------


def parse_words(text: str) -> Words:
    """The search that a text means; what cannot be a part of one separates words.

    `robot arm` asks for both words, `"robot arm"` for the phrase, `robot OR arm` for one of them, `-arm` for
    none of it, `robot*` for all words that begin so. `OR` binds the words beside it first.
    """
    groups: list[list[Phrase]] = []
    without: list[Phrase] = []
    joins = False
    for part in _PART.findall(text):
        if part == "OR":
            joins = bool(groups)
            continue
        phrase, is_excluded = _phrase(part)
        if not phrase.words:
            continue
        if is_excluded:
            without.append(phrase)
        elif joins:
            groups[-1].append(phrase)
        else:
            groups.append([phrase])
        joins = False
    return normal_words(groups, without)


def normal_words(groups: Iterable[Iterable[Phrase]], without: Iterable[Phrase]) -> Words:
    """The one form of searches that mean the same: in order, without repetitions."""
    alternatives = {tuple(sorted(set(group), key=_in_order)) for group in groups}
    # A group that another one is a part of adds nothing.
    needed = [one for one in alternatives if not any(set(other) < set(one) for other in alternatives)]
    return Words(
        groups=tuple(sorted(needed, key=lambda group: [_in_order(phrase) for phrase in group])),
        without=tuple(sorted(set(without), key=_in_order)),
    )


def words_text(words: Words) -> str:
    """The text that means a search; `parse_words` reads it as the same."""
    parts = [" OR ".join(map(_phrase_text, group)) for group in words.groups]
    return " ".join([*parts, *(f"-{_phrase_text(phrase)}" for phrase in words.without)])


def count_phrases(words: Words) -> int:
    """How many phrases a search has."""
    return sum(map(len, words.groups)) + len(words.without)


def _in_order(phrase: Phrase) -> tuple[tuple[str, ...], bool]:
    return phrase.words, phrase.is_prefix


def _phrase(part: str) -> tuple[Phrase, bool]:
    """The phrase of a part of a search, and whether it is excluded."""
    quoted = _QUOTED.fullmatch(part)
    if quoted:
        is_excluded, inner, is_prefix = bool(quoted[1]), quoted[2], quoted[3] == '"*'
    else:
        is_excluded = part.startswith("-")
        inner, is_prefix = part, part.endswith("*")
    return Phrase(words=tuple(folded_words(inner)), is_prefix=is_prefix), is_excluded


def _phrase_text(phrase: Phrase) -> str:
    text, before = "", ""
    for word in phrase.words:
        are_joined = _IS_UNSPACED.match(word) and _IS_UNSPACED.match(before)
        text += word if not before or are_joined else f" {word}"
        before = word
    return (f'"{text}"' if " " in text else text) + "*" * phrase.is_prefix
