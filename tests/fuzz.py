"""Reads files of random bytes, and fails if a reader does not do as promised.

    python tests/fuzz.py [--seed N] [--seconds N | --count N] [--write FILE]

A file is made of one in `tests/corpus` by a few random changes of its bytes: some flipped, cut, doubled or
moved, parts of other files and of `fragments` put in. Of each file, under any suffix:

- `read_article` and `content_of` raise nothing and take less than `MOST_SECONDS`,
- what they return can be sent to another process and is the same there,
- where the file begins with a key that hides its article, it is hidden, also by a broken file.

Each file has a seed of its own, of which `--seed N --count 1` makes it again (`--write` keeps it). Files are
read in child processes, so that one that kills its reader, by a signal or by its memory, is found too.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec
from fragments import FENCES, HTML, JSON, MARKDOWN, TEXT, TOML, YAML

from feedserver.articles.reading import read_article
from feedserver.articles.rules import ReadingRules
from feedserver.articles.selections.values import ListingRules
from feedserver.index.contents import content_of
from feedserver.index.file_values import FileContent
from feedserver.model import Verdict

CORPUS = Path(__file__).parent / "corpus"
SUFFIXES = (".md", ".markdown", ".mdx", ".html", ".htm", ".yaml", ".yml", ".json", ".txt", "")
SEARCHED = ListingRules(has_terms=True, is_searched=True)
RULES = ReadingRules(
    id_authority="feeds.example",
    id_year=2024,
    base_url="https://news.example/",
    url_pattern="https://news.example/{year}/{path}/",
    more_keys=(("url", ("permalink",)),),
    date_from_file_name=True,
)
MTIME = datetime(2024, 5, 1, tzinfo=UTC)
HIDING = {"---": "draft: true\n", "+++": "draft = true\n", "{": '"draft": true,'}
POOLS = (*TEXT, *HTML, *MARKDOWN, *YAML, *TOML, *JSON, *FENCES)
FRAGMENTS = [one.encode("utf-8", "surrogatepass") for one in POOLS]

MOST_SECONDS = 3.0  # of CPU, for files of up to 100 kB on a busy machine
MOST_MEMORY = 1_500_000_000
AT_ONCE = 200
MOST_BYTES = 100_000


def made(seed: int, corpus: Sequence[tuple[str, bytes]]) -> tuple[str, bytes, bool]:
    """The suffix and the bytes of a file, and whether a key at its beginning hides its article."""
    chance = random.Random(seed)  # noqa: S311  no secret
    suffix, raw = chance.choice(corpus)
    fence = next((one for one in HIDING if raw.startswith(one.encode())), "")
    is_hidden = bool(fence) and chance.random() < 0.3
    start = b""
    if is_hidden:
        break_ = "" if fence == "{" else "\n"
        start = f"{fence}{break_}{HIDING[fence]}".encode()
        raw = raw.removeprefix(f"{fence}{break_}".encode())
    elif chance.random() < 0.1:
        suffix = chance.choice(SUFFIXES)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8, 20))):
        raw = _changed(raw, chance, corpus)[:MOST_BYTES]
    return suffix, start + raw, is_hidden


def _changed(raw: bytes, chance: random.Random, corpus: Sequence[tuple[str, bytes]]) -> bytes:
    at, length = chance.randrange(len(raw) + 1), chance.choice((1, 1, 2, 4, 16, 64, 300))
    before, part, after = raw[:at], raw[at : at + length], raw[at + length :]
    other = chance.choice(corpus)[1]
    place = chance.randrange(len(other))
    return chance.choice(
        (
            lambda: before + after,
            lambda: before + part + part + after,
            lambda: before + part * chance.choice((2, 10, 100, 1_000)) + after,
            lambda: before + chance.randbytes(len(part)) + after,
            lambda: before + bytes([chance.randrange(256)]) + after,
            lambda: before + chance.choice(FRAGMENTS) + part + after,
            lambda: before + chance.choice(FRAGMENTS) * chance.choice((1, 10, 500)) + part + after,
            lambda: before + other[place : place + length] + part + after,
            lambda: after + part + before,
            lambda: raw.replace(chance.choice((b"\n", b" ", b":", b'"')), chance.choice(FRAGMENTS), 3),
            lambda: before,
        )
    )()


def problem_with(seed: int, corpus: Sequence[tuple[str, bytes]]) -> str:
    """The fault of the readers with a file; '' if there is none."""
    suffix, raw, is_hidden = made(seed, corpus)
    path = PurePosixPath(f"_news/2024-05-01-a{suffix}")
    begin = time.process_time()
    try:
        content = content_of(read_article(raw, path, MTIME, RULES), SEARCHED)
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(content), type=FileContent)
    except Exception:  # any is a fault
        return traceback.format_exc()
    seconds = time.process_time() - begin
    if seconds > MOST_SECONDS:
        return f"took {seconds:.1f} s for {len(raw):,} bytes"
    if sent != content:
        return "is another one when it was sent"
    if is_hidden and content.verdict not in {Verdict.HIDDEN, Verdict.NOT_ARTICLE}:
        return f"is shown, though its first key hides it: {content.verdict}"
    return ""


def read_files(seeds: Sequence[int], corpus: Sequence[tuple[str, bytes]]) -> tuple[int, str] | None:
    """Read files in a child process; the first seed with a problem, and the problem."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(source)
            resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
            spent = int(time.process_time() + len(seeds) * MOST_SECONDS) + 10
            resource.setrlimit(resource.RLIMIT_CPU, (spent, spent))
            problems = ((seed, problem_with(seed, corpus)) for seed in seeds)
            found = next((f"{seed} {problem}" for seed, problem in problems if problem), "held")
            os.write(sink, found.encode()[:60_000])
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if told == "held":
        return None
    if told:
        seed, _, problem = told.partition(" ")
        return int(seed), problem
    if len(seeds) == 1:
        return seeds[0], f"killed its reader (status {status})"
    return next(filter(None, (read_files([seed], corpus) for seed in seeds)), None)


def corpus_files() -> list[tuple[str, bytes]]:
    """The files of the corpus: suffix and bytes."""
    return [(path.suffix, path.read_bytes()) for path in sorted(CORPUS.iterdir())]


def main() -> None:
    """Read files until the time is over or there were enough, or until one has a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbits(40))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, help="files, instead of seconds")
    parser.add_argument("--write", type=Path, help="keep the file of the seed here, and read it")
    options = parser.parse_args()
    corpus = corpus_files()
    print(f"seed {options.seed}", flush=True)  # noqa: T201  a report is what this prints
    if options.write:
        options.write.write_bytes(made(options.seed, corpus)[1])
        options.count = 1
    end = time.monotonic() + options.seconds
    for first in itertools.count(options.seed, AT_ONCE):
        done = first - options.seed
        if done >= options.count if options.count else time.monotonic() > end:
            print(f"{done:,} files were read as promised")  # noqa: T201
            return
        size = min(AT_ONCE, options.count - done) if options.count else AT_ONCE
        found = read_files(range(first, first + size), corpus)
        if found:
            again = f"python tests/fuzz.py --seed {found[0]} --count 1"
            sys.exit(f"after {found[0] - options.seed:,} files one {found[1]}\n{again}")


if __name__ == "__main__":
    main()
