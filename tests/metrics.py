"""Measures the size of the code, the depth of its imports and the plainness of its prose.

    python tests/metrics.py                  # a table, for this checkout
    python tests/metrics.py --sentences      # and the sentences with such a subject
    python tests/metrics.py --checkout PATH  # another checkout

`tests/test_metrics.py` holds limits for the rows of the table. How each is counted:

- Modules and packages at the top level are those directly in `feedserver/`; `__init__` is not counted.
- Import depth is the number of names in the longest chain of imports: once among the packages and modules of
  the top level, and once among all modules. Imports within functions count too.
- The length of a function is its lines from `def` to the last one, docstring included, decorators not. The
  length of a module is all its lines. Nested functions, methods and `__init__` modules count.
- Prose is the running text of `README.md` and `docs/`, without code, tables and headings, and apart from it
  the docstrings and comments in `feedserver/`. A sentence has *who*, *what*, *whoever* or *whatever* as a
  subject if it is no question and one of these words begins the sentence or a clause, without an article or a
  pronoun after it (in "what a request costs" it is the object). Rows of words count all sentences that
  contain one of these words and are no questions.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median
from typing import NamedTuple

import grimp

PACKAGE = "feedserver"
LONG_FUNCTION = 40

_FENCED = re.compile(r"```.*?```|<!--.*?-->", re.DOTALL)
_BLOCK_START = re.compile(r"^\s*(?:[-*]|\d+\.) ")
_CODE_AND_ADDRESSES = re.compile(r"`[^`]*`|(?<=\])\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+")
_WORD = r"(?:who|what|whoever|whatever)\b"
_CLAUSE_START = r"(?:^\W*|[,;:(–]\s*|\b(?:and|as|because|but|for|if|is|or|so|than|that|when|while)\s+)"
_OBJECT = (
    r"(?!\s+(?:an?|each|every|he|I|it|its|no|our|she|that|the|their|these|they|this|those|we|you|your)\b)"
)
_SUBJECT = re.compile(_CLAUSE_START + _WORD + _OBJECT, re.IGNORECASE)
_ANYWHERE = re.compile(rf"\b{_WORD}", re.IGNORECASE)


class Prose(NamedTuple):
    """How many sentences some text has, and which of them are counted for their words."""

    sentences: int
    subjects: Sequence[str]
    words: Sequence[str]

    @property
    def subjects_percent(self) -> float:
        return 100 * len(self.subjects) / self.sentences

    @property
    def words_percent(self) -> float:
        return 100 * len(self.words) / self.sentences


class Metrics(NamedTuple):
    """The rows of the table."""

    top_level_modules: int
    top_level_packages: int
    top_level_chain: tuple[str, ...]
    longest_chain: tuple[str, ...]
    functions: Mapping[str, int]
    modules: Mapping[str, int]
    documents: Prose
    comments: Prose

    @property
    def long_functions_percent(self) -> float:
        return 100 * sum(length > LONG_FUNCTION for length in self.functions.values()) / len(self.functions)


def measure(checkout: Path) -> Metrics:
    """The metrics of a checkout, whose package must be the one that Python imports."""
    sources = {
        path.relative_to(checkout).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((checkout / PACKAGE).rglob("*.py"))
    }
    top_level = list((checkout / PACKAGE).iterdir())
    return Metrics(
        top_level_modules=sum(path.suffix == ".py" and path.stem != "__init__" for path in top_level),
        top_level_packages=sum((path / "__init__.py").exists() for path in top_level),
        top_level_chain=longest_chain(imports_of_the_top_level()),
        longest_chain=longest_chain(imports_of_all()),
        functions=dict(lengths_of_functions(sources)),
        modules={name: len(text.splitlines()) for name, text in sources.items()},
        documents=prose_of(blocks_of_documents(checkout)),
        comments=prose_of(block for source in sources.values() for block in blocks_of_code(source)),
    )


def lengths_of_functions(sources: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for name, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                last = node.end_lineno or node.lineno
                yield f"{name}:{node.lineno} {node.name}", last - node.lineno + 1


def imports_of_all() -> Mapping[str, frozenset[str]]:
    """Each module with the modules of the package that it imports."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    return {name: frozenset(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def imports_of_the_top_level() -> Mapping[str, frozenset[str]]:
    """Each package and module of the top level with those that it imports."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    names = graph.find_children(PACKAGE)
    for name in names:
        graph.squash_module(name)
    return {name: frozenset(graph.find_modules_directly_imported_by(name) & names - {name}) for name in names}


def longest_chain(imports: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The longest chain of imports, from the module that imports to one that imports nothing.

    Raises graphlib.CycleError if there is a cycle, which the import contracts forbid.
    """
    chains: dict[str, tuple[str, ...]] = {}
    for name in TopologicalSorter(imports).static_order():
        imported = (chains[other] for other in sorted(imports[name]))
        chains[name] = (name, *max(imported, key=len, default=()))
    return max(chains.values(), key=len)


def prose_of(blocks: Iterable[str]) -> Prose:
    """Counts the sentences of paragraphs, each of which is on one line."""
    sentences = [
        sentence
        for block in blocks
        for sentence in _SENTENCE_END.split(_CODE_AND_ADDRESSES.sub("…", block.replace("**", "")))
        if re.search(r"\w{2}", sentence)
    ]
    statements = [sentence for sentence in sentences if not sentence.endswith("?")]
    return Prose(
        sentences=len(sentences),
        subjects=[sentence for sentence in statements if _SUBJECT.search(sentence)],
        words=[sentence for sentence in statements if _ANYWHERE.search(sentence)],
    )


def blocks_of_documents(checkout: Path) -> Iterator[str]:
    for page in (checkout / "README.md", *sorted((checkout / "docs").rglob("*.md"))):
        yield from blocks_of(page.read_text(encoding="utf-8"))


def blocks_of_code(source: str) -> Iterator[str]:
    """The paragraphs of the docstrings and comments of a module, each on one line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from blocks_of(ast.get_docstring(node) or "")
    lines = [""] * (source.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = token.string.lstrip("# ")
    yield from blocks_of("\n".join(lines))


def blocks_of(text: str) -> Iterator[str]:
    """The paragraphs and list items of a page, each on one line."""
    lines: list[str] = []
    for line in [*_FENCED.sub("", text).splitlines(), ""]:
        is_prose = bool(line.strip()) and not line.startswith(("|", "#"))
        if lines and (not is_prose or _BLOCK_START.match(line)):
            yield " ".join(lines)
            lines = []
        if is_prose:
            lines.append(_BLOCK_START.sub("", line, count=1).strip())


def rows(metrics: Metrics) -> Iterator[tuple[str, str]]:
    longest_function = max(metrics.functions, key=metrics.functions.__getitem__)
    longest_module = max(metrics.modules, key=metrics.modules.__getitem__)
    yield "modules at the top level", str(metrics.top_level_modules)
    yield "packages at the top level", str(metrics.top_level_packages)
    yield "import depth, top level", f"{len(metrics.top_level_chain)}: {' > '.join(metrics.top_level_chain)}"
    yield "import depth, all modules", f"{len(metrics.longest_chain)}: {' > '.join(metrics.longest_chain)}"
    yield "functions", str(len(metrics.functions))
    yield "function length, median", f"{median(metrics.functions.values()):g}"
    yield "function length, maximum", f"{metrics.functions[longest_function]}: {longest_function}"
    yield f"functions over {LONG_FUNCTION} lines", f"{metrics.long_functions_percent:.1f} %"
    yield "modules", str(len(metrics.modules))
    yield "module length, median", f"{median(metrics.modules.values()):g}"
    yield "module length, maximum", f"{metrics.modules[longest_module]}: {longest_module}"
    for name, prose in (("documents", metrics.documents), ("comments", metrics.comments)):
        yield f"sentences in {name}", str(prose.sentences)
        yield "  such subjects per 100", f"{prose.subjects_percent:.1f} ({len(prose.subjects)})"
        yield "  such words per 100", f"{prose.words_percent:.1f} ({len(prose.words)})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkout", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--sentences", action="store_true", help="print the sentences with such a subject")
    options = parser.parse_args()
    sys.path.insert(0, str(options.checkout.resolve()))
    metrics = measure(options.checkout)
    for name, value in rows(metrics):
        print(f"{name:28} {value}")  # noqa: T201  its output is a table
    if options.sentences:
        print(*metrics.documents.subjects, *metrics.comments.subjects, sep="\n")  # noqa: T201  as above


if __name__ == "__main__":
    main()
