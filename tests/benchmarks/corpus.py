"""Generates corpora of articles for the benchmarks: any size, the same for the same seed.

Providers and topics follow a long tail, as news do: a few have most of the articles, thousands have
one. Names are awkward on purpose (C++, .NET, 实时, R&D). One article in five has related articles;
files are 2.2 kB on average. Run it by itself to write a corpus:

    python tests/benchmarks/corpus.py FOLDER 10000
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

AWKWARD_TOPICS = (
    "C", "C++", "C#", "F#", ".NET", "Node.js", "R&D", "AI", "实时", "Привет", "Ñandú", "Dave's Tips",
    "Artificial Intelligence", "Space & Time", "TV/Radio", "100% Cotton", "Q&A", "a+b", "naïve", "日本",
)  # fmt: skip
WORDS = (
    "the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on",
    "not", "he", "his", "but", "at", "are", "this", "have", "from", "or", "had", "an", "they", "which",
    "one", "you", "were", "all", "her", "she", "there", "would", "their", "we", "him", "been", "has",
    "when", "who", "will", "no", "more", "if", "out", "so", "market", "model", "system", "energy",
    "report", "study", "team", "network", "policy", "budget", "river", "climate", "engine", "library",
    "signal",
)  # fmt: skip
KINDS = ("article", "article", "article", "video", "course")
FILES_PER_FOLDER = 2000
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
SPAN_SECONDS = 8 * 365 * 86_400


def write_corpus(folder: Path, size: int, seed: int = 1) -> None:
    """Write `size` articles below a folder that does not exist yet."""
    folder.mkdir(parents=True)
    for path, text in articles(size, seed):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def articles(size: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Paths below the root, and contents."""
    chance = random.Random(seed)  # noqa: S311  no secret
    providers = [f"Provider {number}" for number in range(max(20, size // 20))]
    topics = [*AWKWARD_TOPICS, *(f"Topic {number}" for number in range(max(20, size // 100)))]
    for number in range(size):
        published = EPOCH + timedelta(seconds=chance.randrange(SPAN_SECONDS))
        name = f"{published:%Y-%m-%d}-{'-'.join(chance.choices(WORDS, k=5))}-{number}"
        yield (
            f"part-{number // FILES_PER_FOLDER}/_news/{name}.md",
            _article(chance, published, providers, topics, number),
        )


def _article(
    chance: random.Random, published: datetime, providers: Sequence[str], topics: Sequence[str], number: int
) -> str:
    provider = _of_long_tail(chance, providers)
    slug = provider.lower().replace(" ", "-")
    chosen = dict.fromkeys(_of_long_tail(chance, topics) for _ in range(chance.randint(1, 4)))
    lines = [
        "---",
        f'title: "{_sentence(chance, 9)}"',
        f'excerpt: "{_sentence(chance, 30)}"',
        f"publishedDateTime: {published:%Y-%m-%dT%H:%M:%SZ}",
        f"webUrl: https://{slug}.example.com/{published:%Y/%m}/{number}",
        f"type: {chance.choice(KINDS)}",
        f"quality: {chance.randrange(150)}",
        f"heat: {chance.randrange(300)}",
        "published: true",
        "provider:",
        f"  name: {provider}",
        f"  domain: {slug}.example.com",
        "  images:",
        f"    - url: https://img.example.com/{slug}-50x50.png",
        "      width: 50",
        "      height: 50",
        "topics:",
        *(f'  - "{topic}"' for topic in chosen),
        "images:",
        f"  - url: https://img.example.com/{number}.jpg",
        "    width: 1200",
        "    height: 630",
    ]
    if chance.random() < 0.2:
        lines.append("related:")
        for _ in range(chance.randint(1, 3)):
            lines += [
                f'  - title: "{_sentence(chance, 9)}"',
                f"    publishedDateTime: {published:%Y-%m-%dT%H:%M:%SZ}",
                f"    webUrl: https://other.example.net/{chance.randrange(10**6)}",
                "    provider:",
                f"      name: {_of_long_tail(chance, providers)}",
                "      domain: other.example.net",
            ]
    lines += [f'secured: "{chance.randbytes(150).hex()}"', "---", ""]
    lines += [f"{_sentence(chance, chance.randint(20, 60))}\n" for _ in range(chance.randint(1, 7))]
    return "\n".join(lines)


def _of_long_tail(chance: random.Random, names: Sequence[str]) -> str:
    """Zipf-like: the n-th name about n times as rare as the first."""
    return names[min(int(len(names) ** chance.random()) - 1, len(names) - 1)]


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words)).capitalize() + "."


if __name__ == "__main__":
    write_corpus(Path(sys.argv[1]), int(sys.argv[2]))
