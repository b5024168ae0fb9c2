"""Searches for the file of each syntax and field that takes the reader longest, or most memory.

    python tests/benchmarks/worst_files.py [--seed N] [--tries N] [--size BYTES] [--only WORDS]

A file is a *recipe*: up to three runs, each of which repeats a few fragments until a size is reached, in one
place of one syntax. For each place the search tries fragments and pairs of them in small files, takes those
that were slowest or largest on to files four times as large, changes them at random on the way, and ends at
`--size` (1 MiB). Files are read by the functions that the indexer calls, in processes of their own, which may
take 20 s of CPU and 2 GB. The table has the worst files of each place, with the recipes that make them again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle, product
from pathlib import Path, PurePosixPath
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fragments import FIELDS, HTML, JSON, MARKDOWN, TEXT, TOML, YAML, Field, written

from feedserver.articles.reading import read_article
from feedserver.articles.rules import ReadingRules
from feedserver.articles.selections.values import ListingRules
from feedserver.index.contents import content_of

SEARCHED = ListingRules(has_terms=True, is_searched=True)
RULES = ReadingRules(id_authority="feeds.example", id_year=2024, base_url="https://news.example/")
MTIME = datetime(2024, 5, 1, tzinfo=UTC)
FIRST_SIZE = 4_096
GROWTH = 4
LARGE = 250_000
SURVIVORS = 6
MOST_RUNS, MOST_FRAGMENTS = 3, 4
CPU_SECONDS, ADDRESS_SPACE = 20, 2_000_000_000

HEAD = {"title": "A", "date": "2024-05-01", "link": "https://news.example/a"}


class Cost(NamedTuple):
    """The cost of a reading: seconds of CPU, the peak memory of its process, the bytes of its result."""

    seconds: float
    megabytes: float
    result: int
    codes: tuple[str, ...] = ()


class Recipe(NamedTuple):
    """How to make a file of any size: runs, each of which repeats a few fragments in turn."""

    runs: tuple[tuple[str, ...], ...]

    def units(self, size: int) -> list[str]:
        """The fragments, until their bytes reach a size; `{n}` in them is another number each time."""
        return [unit for run in self.runs for unit in _repeated(run, size // len(self.runs))]

    def __str__(self) -> str:
        return ", then ".join(" ".join(json.dumps(one) for one in run) for run in self.runs)


def _repeated(run: Sequence[str], size: int) -> Iterator[str]:
    length = 0
    for count, fragment in enumerate(cycle(run)):
        unit = fragment.replace("{n}", str(count // len(run)))
        length += len(unit.encode())
        if length > size:
            return
        yield unit


class Place(NamedTuple):
    """Where the fragments of a recipe go: a field or a body, in one syntax."""

    name: str
    pool: Sequence[str]
    suffix: str
    file: Callable[[list[str]], str]


def places() -> Iterator[Place]:
    """Every syntax with every field, its bare text, and the bodies."""
    front = "\n".join(f"{key}: {value}" for key, value in HEAD.items())
    yield Place("Markdown", MARKDOWN, ".md", lambda units: f"---\n{front}\n---\n{''.join(units)}")
    yield Place("HTML", HTML, ".html", lambda units: f"---\n{front}\n---\n{''.join(units)}")
    yield Place("YAML front matter", YAML, ".md", lambda units: f"---\n{front}\n{''.join(units)}\n---\n")
    yield Place("YAML file", YAML, ".yaml", lambda units: f"{''.join(units)}")
    toml = "".join(f'{key} = "{value}"\n' for key, value in HEAD.items())
    yield Place("TOML front matter", TOML, ".md", lambda units: f"+++\n{toml}{''.join(units)}\n+++\n")
    yield Place("JSON file", JSON, ".json", _json_file)
    for field in FIELDS:
        pool = HTML if field.name in {"featuredContent", "content"} else TEXT
        yield _field_place("YAML", field, pool, ".md", "---\n{}---\n")
        yield _field_place("TOML", field, pool, ".md", "+++\n{}+++\n")
        yield _field_place("JSON", field, pool, ".json", "{{{}}}")


def _json_file(units: list[str]) -> str:
    head = json.dumps(HEAD).removesuffix("}")
    text = "".join(units)
    return f'{head}, "x": {text.rstrip(",")}' + "".join(
        "}" if one == "{" else "]" for one in reversed(text) if one in "[{"
    )


def _field_place(syntax: str, field: Field, pool: Sequence[str], suffix: str, frame: str) -> Place:
    def file(units: list[str]) -> str:
        values: dict[str, object] = {**HEAD, **field.value(units)}
        return frame.format(written(syntax, values))

    return Place(f"{syntax}, {field.title}", pool, suffix, file)


def costs_of(place: Place, recipes: Sequence[Recipe], size: int) -> list[Cost]:
    """The cost of reading, in processes that are killed if a file exceeds their limits.

    Files of the largest size have a process each, because its memory tells of one file only then.
    """
    costs: list[Cost] = []
    at_once = 1 if size * GROWTH > LARGE else 50
    while len(costs) < len(recipes):
        piece = recipes[len(costs) : len(costs) + at_once]
        told = _told_by_child(place, piece, size)
        costs += told
        if len(told) < len(piece):
            costs.append(Cost(CPU_SECONDS, ADDRESS_SPACE / 1e6, 0, ("killed",)))
    return costs


def _told_by_child(place: Place, recipes: Sequence[Recipe], size: int) -> list[Cost]:
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(source)
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            for recipe in recipes:
                spent = int(time.process_time())
                resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS, spent + CPU_SECONDS))
                os.write(sink, json.dumps(_read(place, recipe, size)).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source, "rb") as pipe:
        lines = pipe.read().split(b"\n")[:-1]
    os.waitpid(child, 0)
    told = map(json.loads, lines)
    return [Cost(seconds, megabytes, result, tuple(codes)) for seconds, megabytes, result, codes in told]


def _read(place: Place, recipe: Recipe, size: int) -> tuple[float, float, int, list[str]]:
    raw = place.file(recipe.units(size)).encode("utf-8", "surrogatepass")
    begin = time.process_time()
    try:
        content = content_of(
            read_article(raw, PurePosixPath(f"news/a{place.suffix}"), MTIME, RULES), SEARCHED
        )
    except Exception as error:  # the search goes on, and the table says so
        return 0.0, 0.0, 0, [f"raised {type(error).__name__}"]
    seconds = time.process_time() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    result = len(content.stated.payload) if content.stated else 0
    return seconds, memory, result, sorted({finding.code for finding in content.findings})


def worst_of(place: Place, chance: random.Random, tries: int, largest: int) -> list[tuple[Recipe, Cost]]:
    """The slowest, the largest and the most raising recipes of a place, at the largest size."""
    size = min(FIRST_SIZE, largest)
    candidates = list(_first(place.pool, chance, tries))
    while True:
        recipes = list(dict.fromkeys(candidates))
        costs = list(zip(recipes, costs_of(place, recipes, size), strict=True))
        kept = _worst(costs, SURVIVORS)
        if size == largest:
            return kept
        size = min(size * GROWTH, largest)
        recipes = [one for one, _ in kept]
        candidates = recipes + [
            _changed(one, place.pool, chance) for one in recipes for _ in range(max(1, tries // 200))
        ]


def _first(pool: Sequence[str], chance: random.Random, tries: int) -> Iterator[Recipe]:
    yield from (Recipe(((one,),)) for one in pool)
    pairs = list(product(pool, repeat=2))
    shapes = [*(Recipe((pair,)) for pair in pairs), *(Recipe(((one,), (other,))) for one, other in pairs)]
    yield from chance.sample(shapes, min(tries, len(shapes)))


def _changed(recipe: Recipe, pool: Sequence[str], chance: random.Random) -> Recipe:
    """The recipe with a fragment more, with another one, with one less, or with a run more."""
    runs = [list(run) for run in recipe.runs]
    run = chance.choice(runs)
    place = chance.randrange(len(run))
    change = chance.randrange(5)
    if change == 0 and len(run) > 1:
        del run[place]
    elif change == 1:
        run[place] = chance.choice(pool)
    elif change == 2 and len(runs) < MOST_RUNS:
        runs.insert(chance.randrange(len(runs) + 1), [chance.choice(pool)])
    elif len(run) < MOST_FRAGMENTS:
        run.insert(place, chance.choice(pool))
    return Recipe(tuple(map(tuple, runs)))


def _worst(costs: list[tuple[Recipe, Cost]], count: int) -> list[tuple[Recipe, Cost]]:
    by_time = sorted(costs, key=lambda one: -one[1].seconds)
    by_memory = sorted(costs, key=lambda one: -one[1].megabytes)
    by_result = sorted(costs, key=lambda one: -one[1].result)
    raised = [one for one in costs if any(code.startswith("raised") for code in one[1].codes)]
    return list(
        dict.fromkeys([*raised[:2], *by_time[:count], *by_memory[: count // 2], *by_result[: count // 2]])
    )


def main() -> None:
    """Search every place and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("--tries", type=int, default=2000, help="small files to begin with, per place")
    parser.add_argument("--size", type=int, default=1_048_576, help="bytes of the largest files")
    parser.add_argument("--only", default="", help="places whose name contains this")
    parser.add_argument("--top", type=int, default=1, help="rows per place")
    options = parser.parse_args()
    print(f"seed {options.seed}")  # noqa: T201  a table is what this prints
    print("| place | worst time | worst memory | result | findings | recipe |\n|---|---|---|---|---|---|")  # noqa: T201
    for place in places():
        if options.only not in place.name:
            continue
        chance = random.Random(f"{options.seed} {place.name}")  # noqa: S311  no secret
        found = worst_of(place, chance, options.tries, options.size)
        rows = [max(found, key=lambda one: one[1].seconds), max(found, key=lambda one: one[1].megabytes)]
        rows = sorted(found, key=lambda one: -one[1].seconds)[: options.top - 1] + rows
        for recipe, cost in dict.fromkeys(rows):
            codes = ", ".join(cost.codes)
            figures = f"{cost.seconds:.2f} s | {cost.megabytes:.0f} MB | {cost.result / 1e6:.1f} MB"
            shown = str(recipe).replace("|", "\\|")
            print(f"| {place.name} | {figures} | {codes} | `{shown}` |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
