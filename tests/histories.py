"""Makes random histories of article folders, carries them out, and shortens the ones that fail.

One command runs thousands, and says of a failing one its seed, by which it can be repeated alone, and the
fewest steps that still make it fail:

    python tests/histories.py --count 2000 --processes 2            # a random seed, which is printed
    python tests/histories.py --count 1 --seed 123456               # one history again
    python tests/histories.py --count 300 --store postgresql        # on a real database
    python tests/histories.py --count 300 --store both              # files and database side by side

History number n of a run has the seed of the run plus n. This module makes the steps, `history_disk`
carries each of them out, and `history_runs` checks the index. With `both` all histories are settled ones, and
an indexer that died is followed at once, so that both stores must hold the same at each look.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import sudden_death
from builders import Clock, a_plan, article_text, write_article
from history_disk import MTIMES, tools_missing
from history_runs import History, Step, carry_out
from history_stores import BOTH, FILES, POSTGRESQL, places, prepare_places
from history_views import observed
from sudden_death import Death
from unprivileged import unprivileged

from feedserver.indexing.indexer import Indexer
from feedserver.indexing.reader_pool import close_process_pool

FOLDERS = ("", "", "_news", "_news", "_archive/_news", "deep/er", "_drafts", "folder.md")
NAMES = ("a.md", "a.md", "b.md", "b.md", "c.html", "d.json", "e.yaml", "\u00e9.md", "e\u0301.md", "README.md")
TOPICS = ("AI", "Ai", "C", "C++", "\u5b9f", "Bees")
PROVIDERS = ({"name": "Gazette", "domain": "gazette.example"}, {"name": "GAZETTE", "domain": "other.example"})
# Seconds after the start of the history: long ago, nearly due, next month.
MOMENTS = (-9e8, -9e8 + 86_400, -3e6, -10, 2, 15, 30, 3_000_000, 9e8)
IDS = ("one", "two", "https://gazette.example/the-one")
LINES = (
    "heat: 3", "heat: 0", "quality: 2", "secured: x", "published: false", "published: perhaps",
    "title: Moths", "title: Wasps", "id: one", "topics: [AI]", "expires: 2024-05-02", "status: draft",
)  # fmt: skip
BROKEN = (
    "---\ntitle: [\n---\n", "---\ntitle: A\ntitle: B\ndate: 2024-01-01\n---\n", "---\nno end",
    "---\ntitle: A\ndate: 2024-01-01\n---\n", "", "no front matter\n",
    "---\ntitle: [\npublished: false\n---\n",
)  # fmt: skip
TAXONOMIES = tuple(
    f"---\ntaxonomy: {kind}\nname: {name}\nexcerpt: {excerpt}\ndomain: gazette.example\n---\n"
    for kind in ("topic", "organization")
    for name in ("AI", "ai", "Gazette", "Wasps")
    for excerpt in ("First", "Second")
)
# Relative ones lead from any folder to the same place in it, or nowhere.
LINKS = ("a.md", "b.md", "../a.md", "../../b.md", "/etc/hostname", "nowhere.md", ".", "l.md", "../_news")
LINKED = ("l.md", "a.md", "_news/l.md", "deep/er/l.md", "folder-link", "deep")
PLACES = ("_news", "_archive", "_archive/_news", "deep", "deep/er", "folder.md")
NEW_PLACES = ("_news", "_archive/_news", "_blog", "deep/_news", "x.md", "_drafts", "deep")

# How often which step happens, beside the others.
WEIGHTS = {
    "write": 24, "write_text": 5, "rewrite": 4, "cut": 3, "mend": 4, "change_line": 8, "touch": 4,
    "delete": 5, "move": 6, "swap": 4, "permit": 2, "link": 2, "change_line_endings": 2, "rename_folder": 4,
    "bring_folder": 2, "remove_folder": 2, "lock_folder": 1, "take_root_away": 1, "make_complete": 2,
    "keep": 1, "check_out": 2, "synchronise": 2, "wait": 6, "look": 16, "restart": 2, "renew": 2, "die": 9,
}  # fmt: skip

STEPS_LEAST, STEPS_MOST = 5, 18
LIVE_ONE_IN = 40

# After how many histories a long run says how far it is.
TOLD_EACH = 250

# How long a failing history may be shortened, in seconds.
SHORTENING = 60.0


# --- making histories -------------------------------------------------------------------------------


def a_history(seed: int) -> History:
    """The history of a seed, always the same one."""
    chance = random.Random(seed)  # noqa: S311  no secret
    mode = chance.choice(("settled",) * 5 + ("fresh",))
    if chance.randrange(LIVE_ONE_IN) == 0:
        mode = "live"
    drawn = _Drawn(chance, is_live=mode == "live")
    steps = [drawn.step() for _ in range(chance.randint(STEPS_LEAST, STEPS_MOST))]
    return History(
        seed=seed,
        mode=mode,
        roots=chance.choice((1, 1, 2)),
        from_mtime=chance.random() < 0.3,
        batch=chance.choice((None, 1, 2, 3)),
        steps=tuple(steps),
    )


class _Drawn:
    """Draws steps, the frequent ones more often."""

    def __init__(self, chance: random.Random, is_live: bool) -> None:
        self._chance = chance
        # The system reports no change behind a link, so the loop alone would find it a minute later.
        left_out = {"link"} if is_live else set()
        self._actions = [name for name in WEIGHTS if name not in left_out]
        self._weights = [WEIGHTS[name] for name in self._actions]

    def step(self) -> Step:
        action = self._chance.choices(self._actions, self._weights)[0]
        return Step(action, getattr(self, f"_{action}")())

    # --- values -----------------------------------------------------------------------------------

    def _of(self, choices: Sequence[Any]) -> Any:
        return self._chance.choice(choices)

    def _any(self) -> int:
        return self._chance.randrange(1000)

    def _root(self) -> int:
        return self._chance.randrange(2)

    def _place(self) -> str:
        return f"{self._of(FOLDERS)}/{self._of(NAMES)}".lstrip("/")

    def _way(self) -> str:
        return str(self._of(("renamed", "renamed", "in place")))

    def _mtime(self) -> str:
        return str(self._of(["now", "now", "now", *MTIMES]))

    def _fields(self) -> dict[str, object]:
        chance = self._chance
        fields: dict[str, object] = {"title": self._of(("Bees", "Ants", "Wasps <b>"))}
        fields["publishedDateTime"] = self._of((*MOMENTS, None))
        for name, likely, choices in (
            ("updatedDateTime", 0.3, MOMENTS), ("provider", 0.6, PROVIDERS), ("quality", 0.4, range(4)),
            ("heat", 0.4, range(4)), ("secured", 0.2, range(4)), ("id", 0.25, IDS),
            ("published", 0.2, (True, False, "perhaps")), ("webUrl", 0.1, (None,)),
            ("pubDate", 0.15, MOMENTS), ("expires", 0.2, MOMENTS),
        ):  # fmt: skip
            if chance.random() < likely:
                fields[name] = self._of(choices)
        fields["topics"] = chance.sample(TOPICS, chance.randrange(4))
        return fields

    # --- arguments of the steps -------------------------------------------------------------------

    def _write(self) -> dict[str, Any]:
        body = self._of(("Text.\n", "Other *text*.\n", ""))
        fields = self._fields()
        return {"root": self._root(), "path": self._place(), "fields": fields, "body": body} | self._written()

    def _written(self) -> dict[str, Any]:
        return {"how": self._way(), "mtime": self._mtime()}

    def _write_text(self) -> dict[str, Any]:
        text = self._of((*TAXONOMIES, *BROKEN))
        return {"root": self._root(), "path": self._place(), "text": text} | self._written()

    def _rewrite(self) -> dict[str, Any]:
        return {"file": self._any(), "text": self._of((*BROKEN, *BROKEN, *TAXONOMIES)), "how": self._way()}

    def _cut(self) -> dict[str, Any]:
        return {"file": self._any(), "share": self._of((0, 0.1, 0.5, 0.9)), "mtime": self._mtime()}

    def _mend(self) -> dict[str, Any]:
        return {"file": self._any(), "how": self._way()}

    def _change_line(self) -> dict[str, Any]:
        return {"file": self._any(), "line": self._of(LINES)} | self._written()

    def _change_line_endings(self) -> dict[str, Any]:
        return {"file": self._any(), "how": self._way()}

    def _touch(self) -> dict[str, Any]:
        return {"file": self._any(), "mtime": self._of(list(MTIMES))}

    def _delete(self) -> dict[str, Any]:
        return {"file": self._any()}

    def _move(self) -> dict[str, Any]:
        return {"file": self._any(), "root": self._root(), "path": self._place()}

    def _swap(self) -> dict[str, Any]:
        return {"file": self._any(), "other": self._any()}

    def _permit(self) -> dict[str, Any]:
        return {"file": self._any(), "mode": self._of((0, 0o644, 0o600))}

    def _link(self) -> dict[str, Any]:
        return {"root": self._root(), "path": self._of(LINKED), "target": self._of(LINKS)}

    def _rename_folder(self) -> dict[str, Any]:
        place, name = self._of(PLACES), self._of(NEW_PLACES)
        return {"root": self._root(), "folder": place, "to_root": self._root(), "name": name}

    def _bring_folder(self) -> dict[str, Any]:
        names = self._chance.sample(("a.md", "b.md", "_news/a.md", "er/c.md", "g.md", "h.md"), 4)
        texts = {
            name: article_text(title=self._of(("Bees", "Ants")), topics=[self._of(TOPICS)]) for name in names
        }
        return {"root": self._root(), "folder": self._of(NEW_PLACES), "texts": texts}

    def _remove_folder(self) -> dict[str, Any]:
        return {"root": self._root(), "folder": self._of(PLACES)}

    def _lock_folder(self) -> dict[str, Any]:
        return {"root": self._root(), "folder": self._of(PLACES)}

    def _take_root_away(self) -> dict[str, Any]:
        return {"root": self._root()}

    def _make_complete(self) -> dict[str, Any]:
        return {}

    def _keep(self) -> dict[str, Any]:
        return {"root": self._root()}

    def _check_out(self) -> dict[str, Any]:
        return {"root": self._root(), "back": self._chance.randrange(3)}

    def _synchronise(self) -> dict[str, Any]:
        return {"root": self._root(), "delete": self._chance.random() < 0.5}

    def _wait(self) -> dict[str, Any]:
        return {"seconds": self._of((1, 5, 20, 40, 3_000_000))}

    def _look(self) -> dict[str, Any]:
        return {"how": self._of(("scan", "events", "events"))}

    def _restart(self) -> dict[str, Any]:
        return {}

    def _renew(self) -> dict[str, Any]:
        return {}

    def _die(self) -> dict[str, Any]:
        measures = ("ticks", "ticks", "commits", "commits", "seconds")
        count = self._of((1, 1, 2, 3))
        deaths = [Death(self._of(measures), round(self._chance.random(), 3)) for _ in range(count)]
        is_followed = self._chance.random() < 0.6
        return {"how": self._of(("scan", "scan", "events")), "deaths": deaths, "is_followed": is_followed}


# --- running them -----------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """The outcome of a history: how often its indexer was killed, and its failure, if it has one."""

    seed: int
    deaths: int
    failure: str = ""


def prepare(store: str) -> None:
    """Ready a process to carry out histories: all that is loaded late is loaded before privileges go."""
    prepare_places(store)
    sudden_death.prepare()
    logging.disable()  # what is interrupted is told at length
    for place in places():
        with TemporaryDirectory() as folder:
            write_article(Path(folder) / "articles")
            state = Path(folder) / "site"
            indexer = Indexer(a_plan(state, Path(folder) / "articles", store=place.address(state)), Clock())
            indexer.refresh()
            indexer.close()
            observed(place.address(state))
            place.drop(state)
    # Its process was started with the rights of root, and would read files that this process may not read.
    close_process_pool()


def carried_out(seed: int) -> Outcome:
    """The outcome of the history of a seed; of one that fails, with its steps, shortened."""
    history = a_history(seed)
    try:
        return Outcome(seed, _deaths(history))
    except Exception:  # whatever it is, it belongs to this seed
        failure = traceback.format_exc()
    shorter = shortened(history)
    how = ""
    try:
        _deaths(shorter)
    except Exception:
        how = f"shortened:\n{shorter}\n{traceback.format_exc()}"
    return Outcome(seed, 0, f"{history}\n{failure}\n{how}")


def _deaths(history: History) -> int:
    # Root may read everything; nobody may not.
    with unprivileged():
        return carry_out(history)


def shortened(history: History) -> History:
    """A history that fails as well, and no more when any one step is left out; or what time allows."""
    end = time.monotonic() + SHORTENING
    size = len(history.steps) // 2
    while size:
        start = 0
        while start < len(history.steps) and time.monotonic() < end:
            shorter = history._replace(steps=history.steps[:start] + history.steps[start + size :])
            if _fails(shorter):
                history = shorter
            else:
                start += size
        size //= 2
    return history


def _fails(history: History) -> bool:
    try:
        _deaths(history)
    except Exception:
        return True
    return False


def outcomes(seeds: Sequence[int], processes: int, store: str) -> Iterator[Outcome]:
    """The outcomes of histories, as they come."""
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=prepare, initargs=(store,)) as pool:
        for future in as_completed([pool.submit(carried_out, seed) for seed in seeds]):
            yield future.result()


def main() -> int:
    """Run histories and print what became of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000, help="how many")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--processes", type=int, default=2, help="that carry them out")
    parser.add_argument("--store", choices=(FILES, POSTGRESQL, BOTH), default=FILES)
    options = parser.parse_args()
    say(f"{options.count:,} histories from seed {options.seed}; missing tools: {tools_missing() or 'none'}")
    begun, deaths, failed = time.monotonic(), 0, []
    seeds = range(options.seed, options.seed + options.count)
    for done, outcome in enumerate(outcomes(seeds, options.processes, options.store), 1):
        deaths += outcome.deaths
        if done % TOLD_EACH == 0:
            say(f"{done:,} done in {time.monotonic() - begun:.0f} s")
        if outcome.failure:
            failed.append(outcome.seed)
            again = f"--count 1 --seed {outcome.seed} --store {options.store}"
            say(f"FAILED: python tests/histories.py {again}\n{outcome.failure}")
    seconds = time.monotonic() - begun
    summary = (
        f"{options.count:,} histories on {options.store} with {deaths:,} sudden deaths in {seconds:.0f} s"
    )
    say(f"{summary}, {len(failed)} failed{': ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201  the command's answer


if __name__ == "__main__":
    sys.exit(main())
