"""Selections equal a plain filter over the articles, after any history; hidden articles are not found.

The filter here is independent of the program: it looks at sets and at words that the test itself chose.
"""

from __future__ import annotations

import random
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from builders import START, a_change, a_loss, a_selection, an_article, at, let_readers_look
from stores import address_of, files_only

from feedserver.articles.selections.parameters import PARAMETERS, parse_request
from feedserver.articles.selections.values import Criteria, ListingRules, Sort
from feedserver.errors import SelectionError
from feedserver.index.facts import BuildFacts
from feedserver.index.file_values import FileChange
from feedserver.index.selection_reader import SelectionReader
from feedserver.index.stores import open_store
from feedserver.index.writer import IndexWriter
from feedserver.model import Kind, ListingKey, Person, Provider, Term, Verdict

NOW = START + 100_000
EVERYTHING = ListingKey(kind=Kind.ARTICLES)
TOPICS = ("ai", "bees", "cars", "rare")
PROVIDERS = {"wired": "wired.example", "gazette": ""}
AUTHORS = ("Ann", "Bo")
LANGUAGES = ("de", "en-gb", "")
TYPES = ("video", "news", "")

# As an article says it, and as a search asks for it.
WORDS = {
    "robot": "robot",
    "Café": "cafe",
    "arm": "ARM",
    "機械学習": "機械学習",
    "Straße": "strasse",
    "การเรียนรู้": "เรียนรู้",
}
SEEDS = range(24)


class Case(NamedTuple):
    """An article, as the filter sees it: its facts in plain types."""

    path: str
    published: int
    topics: frozenset[str]
    provider: str
    authors: frozenset[str]
    language: str
    type: str
    said: frozenset[str]
    titled: frozenset[str]
    quality: int
    heat: int
    is_hidden: bool


def a_case(chance: random.Random, number: int) -> Case:
    said = frozenset(chance.sample(sorted(WORDS), chance.randrange(4)))
    return Case(
        path=f"{number}.md",
        published=START + chance.choice((1, 1, 2, 3, 50_000, 200_000)),  # the last one is not published yet
        topics=frozenset(topic for topic in TOPICS if chance.random() < (0.05 if topic == "rare" else 0.4)),
        provider=chance.choice((*PROVIDERS, "")),
        authors=frozenset(author for author in AUTHORS if chance.random() < 0.3),
        language=chance.choice(LANGUAGES),
        type=chance.choice(TYPES),
        said=said,
        titled=frozenset(word for word in said if chance.random() < 0.3),
        quality=chance.randrange(4),
        heat=chance.randrange(3),
        is_hidden=chance.random() < 0.15,
    )


def change_of(case: Case, rules: ListingRules) -> FileChange:
    """The case as a file that was read."""
    if case.is_hidden:
        return a_change(case.path, verdict=Verdict.HIDDEN, rules=rules)
    article = an_article(
        f"news/{case.path}",
        title=f"Title {' '.join(sorted(case.titled))}",
        body_html=f"<p>Text <b>{' '.join(sorted(case.said - case.titled))}</b>.</p>",
        published=at(case.published),
        topics=tuple(Term(name=topic.title(), slug=topic) for topic in sorted(case.topics)),
        provider=Provider(name=case.provider, slug=case.provider, domain=PROVIDERS[case.provider])
        if case.provider
        else None,
        authors=tuple(Person(name=author) for author in sorted(case.authors)),
        language=case.language,
        kind=case.type,
    )
    return a_change(case.path, article, rules=rules, quality=case.quality, heat=case.heat)


PLAIN = {"topic": TOPICS, "provider": tuple(PROVIDERS), "author": AUTHORS, "type": TYPES[:2]}


def a_query(chance: random.Random) -> dict[str, Any]:
    """A random selection, as names and values of parameters."""
    words = sorted(WORDS)
    query: dict[str, Any] = {
        f"{prefix}{name}": chance.sample(pool, chance.randint(1, 2))
        for name, pool in PLAIN.items()
        for prefix in ("", "not_")
    } | {
        "language": [chance.choice(("de", "en", "en-GB"))],
        "without": chance.choice(words),
        "min_quality": chance.randrange(3),
        "min_heat": chance.randrange(3),
    }
    query = {name: value for name, value in query.items() if chance.random() < 0.2}
    if chance.random() < 0.4:
        query["q"] = [chance.sample(words, chance.randint(1, 2)) for _ in range(chance.randint(1, 2))]
    query["sort"] = chance.choice([sort for sort in Sort if sort is not Sort.RELEVANCE or "q" in query])
    query["limit"] = chance.choice((1, 3, 500))
    return query


def criteria_of(query: dict[str, Any]) -> Criteria | None:
    """The criteria of a query; None if it contradicts itself."""
    pairs = [f"{name}={','.join(query[name])}" for name in query if name in PARAMETERS[:14]]
    groups = [" OR ".join(WORDS[word] for word in group) for group in query.get("q", ())]
    if "without" in query:
        groups.append(f"-{WORDS[query['without']]}")
    pairs += [f"q={' '.join(groups)}"] * bool(groups)
    pairs += [f"{name}={query[name]}" for name in ("min_quality", "min_heat", "limit") if name in query]
    pairs.append(f"sort={query['sort'].value}")
    if any(set(query[name]) <= set(query.get(f"not_{name}", ())) for name in PLAIN if name in query):
        with pytest.raises(SelectionError, match="excludes what"):
            parse_request(EVERYTHING, "&".join(pairs), 50)
        return None
    return parse_request(EVERYTHING, "&".join(pairs), 50, is_reduced=False).criteria


def expected(cases: list[Case], query: dict[str, Any]) -> list[Case]:
    """The cases that a plain filter selects."""
    found = [case for case in cases if not case.is_hidden and case.published <= NOW and _meets(case, query)]
    return sorted(found, key=lambda case: _order(case, query), reverse=True)[: query["limit"]]


def _meets(case: Case, query: dict[str, Any]) -> bool:
    facts = {
        "topic": case.topics,
        "provider": {case.provider},
        "author": case.authors,
        "type": {case.type},
    }
    tags = {(case.language or "fr"), (case.language or "fr").partition("-")[0]}
    return (
        all(set(query[name]) & set(has) for name, has in facts.items() if name in query)
        and not any(set(query.get(f"not_{name}", ())) & set(has) for name, has in facts.items())
        and (not query.get("language") or query["language"][0].lower() in tags)
        and all(set(group) & case.said for group in query.get("q", ()))
        and query.get("without") not in case.said
        and case.quality >= query.get("min_quality", 0)
        and case.heat >= query.get("min_heat", 0)
    )


def _order(case: Case, query: dict[str, Any]) -> tuple[Any, ...]:
    is_titled = all(set(group) & case.titled for group in query.get("q", ()))
    first = {Sort.HEAT: case.heat, Sort.QUALITY: case.quality, Sort.RELEVANCE: is_titled}
    return first.get(query["sort"], 0), case.published, f"news/{case.path}"


class Site:
    """An index with its writer and a reader."""

    def __init__(self, folder: Path, rules: ListingRules) -> None:
        address = address_of(folder)
        self.rules = rules
        self.builds = open_store(address).builds()
        self.history = self.builds.open_history()
        build = self.builds.begin()
        self.writer = IndexWriter(self.builds.write(build), self.history, rules)
        self.writer.create(BuildFacts(), NOW)
        self.writer.publish_staged(NOW)
        self.builds.publish(build)
        self.reader = SelectionReader(open_store(address))

    def find(self, criteria: Criteria, base: ListingKey = EVERYTHING) -> list[str]:
        if self.reader.selection_state(base, criteria) is None:
            return []
        found = self.reader.find(base, criteria, published=None, limit=criteria.limit or 50, most_seconds=60)
        return [one.entry.article.id.partition("news/")[2] for one in found]

    def close(self) -> None:
        self.reader.close()
        self.builds.close()
        self.history.close()


FEED = a_selection("mine", any=[{"topic": "ai", "q": "robot"}, {"min_heat": 2}], none=[{"q": "ARM"}])
RULES = ListingRules(feeds=(FEED,), language="fr", has_terms=True, is_searched=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_selection_equals_a_plain_filter_after_any_history(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    cases: dict[str, Case] = {}
    with tempfile.TemporaryDirectory() as folder, closing(Site(Path(folder), RULES)) as site:
        for _ in range(4):
            changed = [a_case(chance, number) for number in chance.sample(range(60), 25)]
            lost = chance.sample(sorted(cases), min(len(cases), 4))
            gone = [path for path in lost if path not in {case.path for case in changed}]
            cases = {path: case for path, case in cases.items() if path not in gone}
            cases |= {case.path: case for case in changed}
            site.writer.apply([*(change_of(case, RULES) for case in changed), *map(a_loss, gone)], NOW)
            let_readers_look()
            for _ in range(20):
                query = a_query(chance)
                criteria = criteria_of(query)
                if criteria is None:
                    continue
                wanted = [case.path for case in expected(list(cases.values()), query)]
                found = site.find(criteria)
                if criteria.sort is Sort.UPDATED:  # the filter does not know when an article changed
                    assert len(found) == len(wanted)
                    continue
                assert found == wanted, query
            mine = {
                case.path
                for case in cases.values()
                if not case.is_hidden
                and case.published <= NOW
                and (("ai" in case.topics and "robot" in case.said) or case.heat >= 2)
                and "arm" not in case.said
            }
            assert set(site.find(Criteria(limit=500), ListingKey(kind=Kind.FEED, slug="mine"))) == mine


@pytest.mark.parametrize("seed", SEEDS)
def test_a_selection_that_changed_has_another_revision(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  no secret
    queries = [query for query in (a_query(chance) for _ in range(12)) if criteria_of(query) is not None]
    before: dict[int, tuple[object, object]] = {}
    with tempfile.TemporaryDirectory() as folder, closing(Site(Path(folder), RULES)) as site:
        for step in range(8):
            changed = [a_case(chance, number) for number in chance.sample(range(20), 2 if step else 20)]
            site.writer.apply([change_of(case, RULES) for case in changed], NOW + step)
            let_readers_look()
            for number, query in enumerate(queries):
                criteria = criteria_of(query)
                assert criteria is not None
                state = site.reader.selection_state(EVERYTHING, criteria)
                found = None
                if state is not None:
                    entries = site.reader.find(
                        EVERYTHING, criteria, published=None, limit=criteria.limit or 50, most_seconds=60
                    )
                    found = [(one.entry.article.id, one.entry.digest) for one in entries]
                now = None if state is None else state.revision
                if number in before and before[number][0] == now:
                    assert before[number][1] == found, query
                before[number] = (now, found)


@files_only  # PostgreSQL takes a limit of 0 ms for none
def test_a_query_that_takes_too_long_is_an_error_with_advice(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311  no secret
    with closing(Site(tmp_path, RULES)) as site:
        site.writer.apply([change_of(a_case(chance, number), RULES) for number in range(200)], NOW)
        let_readers_look()
        criteria = Criteria(sort=Sort.UPDATED)
        with pytest.raises(SelectionError, match="takes longer than 0 s; ask for a rarer topic"):
            site.reader.find(EVERYTHING, criteria, published=None, limit=500, most_seconds=0)
        assert site.find(msgspec.structs.replace(criteria, limit=1))
