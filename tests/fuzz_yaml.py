"""Compares the fast reader of YAML with libyaml, over texts that differ in single characters.

    python tests/fuzz_yaml.py --texts 10000000 --processes 2

A text that the fast reader accepts must mean the same to libyaml, positions included. It must refuse all
others, by `NotPlainError` and no other exception. A run ends with the first text for which this does not
hold.
"""

from __future__ import annotations

import argparse
import random
import re
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import NamedTuple

from feedserver.articles.nodes import FindingNotes
from feedserver.articles.plain_yaml import NotPlainError, read_plain_yaml
from feedserver.articles.yaml_nodes import parse_any_yaml

# The texts that one seed makes; seeds that follow each other make others.
TEXTS_PER_SEED = 10_000
TEXTS_PER_REPORT = 1_000_000

# Every character with a meaning in YAML, and some of each kind without one. `frontmatter` lets no others
# through to a YAML reader: it has replaced control characters and all line breaks but LF.
MEANINGFUL = "\n\n\n\n    \t:::---##\"\"''\\\\,[]{}&*!|>%@`?~<=."
PLAIN = "abnrtNx0u_/(+;$^ABz019é\xa0\xad\u0301\u3000\ufeff\ufffd\U0001f600"
CHARACTERS = MEANINGFUL + PLAIN

# Front matter of every shape that the fast reader knows, and of some that it does not.
SEEDS = (
    'title: "It\'s \\"new\\": 5 > 3\\n"\nexcerpt: \'a: b # c\'\ndate: 2020-06-26T12:46:00Z\n',
    'url: https://example.com/a#b?c=d:e\n# a comment\n\nquality: 83\nempty: ""\nnames:\n',
    'provider:\n  name: The Next Web\n  images:\n    - url: "a.jpg"\n      width: 50\n\n    - url: b.jpg\n',
    "topics:\n- C#\n- Natural  Language\n- 'AI'\nkind: x\n",
    "a:\n  - b: c\n    d:\n      - e\n      - f: g\n  - h\ni: j\n",
    "a: |\n  b\n  c\nd: >-\n  e\n",
    "a: [b, c]\nd: {e: f}\ng: &h i\nj: *h\n",
    "k: v\n  w\nl: 'it''s'\nm: \"\\x41\\u00e9\"\n",
)
# The same, cut before each key of the top level.
BLOCKS = [re.split(r"^(?=[a-z#])", text, flags=re.MULTILINE)[1:] for text in SEEDS]
# Before characters at random: nothing, or a place for a value.
STARTS = ("", "a: ", "a: ", 'a: "', "a: '", "a:\n  - ", "a:\n- b: ", "# c\na: b\n")


class Outcome(NamedTuple):
    """How many texts were made, how many the fast reader accepted, and the first difference, if any."""

    made: int
    accepted: int
    problem: str


def texts(seed: int, count: int) -> Iterator[str]:
    """Texts of characters at random, and front matter with some characters changed."""
    chance = random.Random(seed)  # noqa: S311  no secret
    for _ in range(count):
        if chance.random() < 0.3:
            yield chance.choice(STARTS) + "".join(chance.choices(CHARACTERS, k=chance.randrange(1, 16)))
        else:
            yield _changed(chance)


def _changed(chance: random.Random) -> str:
    blocks = chance.choice(BLOCKS)
    start = chance.randrange(len(blocks))
    text = "".join(blocks[start : start + chance.randrange(1, 4)])
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        at = chance.randrange(len(text) + 1)
        # Inserts a character, replaces one, or removes one.
        character = chance.choice(chance.choice((MEANINGFUL, PLAIN))) if chance.random() < 0.8 else ""
        text = text[:at] + character + text[at + (chance.random() < 0.5 or not character) :]
    return text


def problem_with(text: str) -> str | None:
    """The fault of the fast reader with a text, '' if it has none; None if it leaves the text to libyaml."""
    try:
        node = read_plain_yaml(text, 2)
    except NotPlainError:
        return None
    except Exception as error:  # any other is a fault
        return f"raises {error!r}"
    notes = FindingNotes()
    expected = parse_any_yaml(text, 2, notes)
    return "" if (node, True) == expected and not notes.findings else f"gives {node}, libyaml {expected}"


def compared(seed: int, count: int = TEXTS_PER_SEED) -> Outcome:
    """Compare the texts of a seed."""
    accepted = 0
    for number, text in enumerate(texts(seed, count), start=1):
        problem = problem_with(text)
        if problem:
            return Outcome(number, accepted, f"seed {seed}, text {number}, {text!r}: {problem}")
        accepted += problem is not None
    return Outcome(count, accepted, "")


def main() -> None:
    """Compare as many texts as are asked for, or until there is a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbits(40))
    parser.add_argument("--texts", type=int, default=1_000_000, help="rounded up to tens of thousands")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)  # noqa: T201  a report is what this prints
    seeds = range(options.seed, options.seed - (-options.texts // TEXTS_PER_SEED))
    begun, made, accepted = time.monotonic(), 0, 0
    with ProcessPoolExecutor(options.processes) as pool:
        for outcome in pool.map(compared, seeds, repeat(TEXTS_PER_SEED)):
            made, accepted = made + outcome.made, accepted + outcome.accepted
            if made % TEXTS_PER_REPORT == 0:
                print(f"{made:,} texts", flush=True)  # noqa: T201
            if outcome.problem:
                pool.shutdown(wait=False, cancel_futures=True)
                sys.exit(f"after {made:,} texts: {outcome.problem}")
    seconds = time.monotonic() - begun
    print(f"{made:,} texts in {seconds:.0f} s: {accepted:,} were accepted, no difference")  # noqa: T201


if __name__ == "__main__":
    main()
