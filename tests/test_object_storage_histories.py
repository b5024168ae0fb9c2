"""Random histories of exports to object storage, each of which may be killed at any request."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

obstore = pytest.importorskip("obstore", reason="obstore is not installed (feedserver[object-storage])")

from feedserver.errors import StorageError  # noqa: E402  needs obstore
from feedserver.export import run  # noqa: E402  needs obstore
from feedserver.export.object_form import ObjectForm  # noqa: E402  needs obstore
from feedserver.export.site import Unit  # noqa: E402  needs obstore
from feedserver.export.storage import client as storing  # noqa: E402  needs obstore
from feedserver.export.storage import uploads  # noqa: E402  needs obstore
from feedserver.export.storage.bucket import Bucket  # noqa: E402  needs obstore
from feedserver.export.target import OWN, Made  # noqa: E402  needs obstore
from feedserver.feeds.representation import Representation, digest  # noqa: E402  needs obstore
from feedserver.site.caching import CachePolicy  # noqa: E402  needs obstore

URL = "s3://bucket/site"
FORM = ObjectForm(CachePolicy(max_age=1, stale_while_revalidate=1, stale_if_error=1, page_max_age=1))

# The documents of each unit: path -> content.
State = Mapping[str, Mapping[str, int]]


class Killed(BaseException):
    """The end of a process, at a request."""


class Site:
    """A site of given documents, as `ExportSite` is one of articles."""

    def __init__(self, state: State) -> None:
        self.plan: Any = SimpleNamespace(objects=FORM)
        self._state = state

    def revision(self) -> str:
        """Of the whole site."""
        return repr(self._state)

    def units(self) -> list[Unit]:
        """All units."""
        return [Unit(name=name, signature=repr(documents)) for name, documents in self._state.items()]

    def signature(self, unit: Unit) -> str:
        """Of one unit."""
        return repr(self._state[unit.name])

    def documents(self, unit: Unit, _: Collection[str]) -> Iterator[Made]:
        """The documents of a unit."""
        for path, content in self._state[unit.name].items():
            body = str(content).encode()
            yield Made(path, Representation(body, "text/plain", digest(body)))


def paths(unit: int) -> st.SearchStrategy[dict[str, int]]:
    """The documents that a unit may have."""
    return st.dictionaries(
        st.integers(0, 3).map(lambda number: f"u{unit}/{number}"), st.integers(0, 1), max_size=4
    )


states = st.fixed_dictionaries({}, optional={f"u{unit}": paths(unit) for unit in range(3)})

# The requests after which an export is killed; most are not.
deaths = st.one_of(st.just(1000), st.integers(0, 15))


@contextlib.contextmanager
def dying_after(requests: int) -> Iterator[None]:
    """Let a process die at a request that changes something, and let none after it through."""
    left = requests

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def request(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return original(*arguments, **options)

        return request

    with mock.patch.multiple(obstore, put=dying(obstore.put), delete=dying(obstore.delete)):
        yield


def export(state: State, folder: Path) -> run.ExportSummary:
    """Bring the bucket up to date with a state of the site."""
    site: Any = Site(state)
    with Bucket(URL, folder) as target:
        return run.bring_up_to_date(target, site)


def stored(place: Any) -> dict[str, int]:
    """The documents in the bucket."""
    names = [one["path"] for some in obstore.list(place) for one in some]
    return {name: int(bytes(obstore.get(place, name).bytes())) for name in names if not name.startswith(OWN)}


@settings(max_examples=300, deadline=None)
@given(
    known=st.lists(states, min_size=2, max_size=2),
    exports=st.lists(st.tuples(st.booleans(), deaths), min_size=1, max_size=6),
    is_last=st.booleans(),
    most_rounds=st.integers(1, 4),
)
# A document was replaced without a record, and is to be again as it was before.
@example(
    known=[{"u0": {"u0/0": 0}}, {"u0": {"u0/0": 1}}],
    exports=[(False, 1000), (True, 3)],
    is_last=False,
    most_rounds=4,
)
def test_whenever_exports_are_killed_no_live_document_is_lost_and_the_next_one_makes_it_right(
    known: list[State], exports: list[tuple[bool, int]], is_last: bool, most_rounds: int
) -> None:
    # The site goes back and forth between two states: what was stored is often right again.
    history = [(known[is_second], requests) for is_second, requests in exports]
    last = known[is_last]
    place = obstore.store.MemoryStore()
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(storing, "_opened", mock.Mock(return_value=place)),
        mock.patch.object(uploads, "BATCH_DOCUMENTS", 2),
        mock.patch("feedserver.export.storage.ledger._MOST_ROUNDS", most_rounds),
    ):
        for state, requests in history:
            live = {path for documents in state.values() for path in documents}
            before = stored(place)
            with contextlib.suppress(Killed, StorageError), dying_after(requests):
                export(state, Path(name))
            assert before.keys() & live <= stored(place).keys()

        export(last, Path(name))

        assert stored(place) == {path: n for documents in last.values() for path, n in documents.items()}
        assert export(last, Path(name)).written == 0
