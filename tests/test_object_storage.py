"""The exported site in object storage: the documents that are served, each once, and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
import storage_server
from builders import wait_for
from servers import BASE_URL, REPOSITORY, feedserver, index, quiet_app, settings_of, started, write_story
from storage_server import KEY, Request, Storage, bucket_behind_proxy, moto_server

from feedserver.errors import ExportError, StorageError
from feedserver.export import run
from feedserver.export.object_form import key_of
from feedserver.export.site import ExportSite, Scope, Unit
from feedserver.export.target import OWN, Made
from feedserver.settings.sources import Settings
from feedserver.wiring.exporting import make_export_plan

pytestmark = storage_server.pytestmark

LONG = "A text that is long enough to be worth an encoding. " * 30
LEASE = f"{OWN}/lease"
# Documents that only a server has, or that it has in another form.
DIFFERENT = {"404.html", "status", "status.json"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server for all tests."""
    with moto_server(tmp_path_factory.mktemp("moto")) as port:
        yield port


@pytest.fixture
def storage(moto: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """An empty bucket, which the environment of this process names."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)
    with bucket_behind_proxy(moto) as storage:
        for name, value in storage.environ.items():
            monkeypatch.setenv(name, value)
        yield storage


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """Some articles with many topics, in two months that have ended; one of them is hidden."""
    folder = tmp_path / "articles"
    for number in range(12):
        write_story(folder, f"_news/a{number}", title=f"Number {number}", topics=[f"T{number}"], body=LONG)
    write_story(folder, "_news/two", title="Second", date="2024-03-02T10:00:00Z", topics=["AI"])
    write_story(folder, "_news/three", title="Third", topics=["Bees"], provider=("Herald", "herald.example"))
    write_story(folder, "_news/hidden", title="Hushed", topics=["Secrecy"], draft=True)
    return folder


@pytest.fixture
def settings(tmp_path: Path, articles: Path) -> Settings:
    """The settings of a site of these articles, indexed."""
    settings = settings_of(tmp_path / "state", articles)
    index(settings)
    return settings


def export(settings: Settings, url: str, *, gzip: bool = False) -> run.ExportSummary:
    """Bring a bucket up to date."""
    return run.export(make_export_plan(settings, Scope(), url, gzip=gzip), url)


def documents(settings: Settings, folder: Path) -> dict[str, bytes]:
    """The documents of the site by key, as an export to a new folder has them."""
    run.export(make_export_plan(settings, Scope()), folder)
    return {
        key_of(path.relative_to(folder).as_posix()): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".gz", ".br") and OWN not in path.parts
    }


# --- Stored objects -------------------------------------------------------------------------------


def test_each_document_is_one_object_with_the_bytes_that_the_server_sends(
    settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    summary = export(settings, storage.url)

    objects, client = storage.objects(), quiet_app(settings).test_client()
    assert objects == documents(settings, tmp_path / "out")
    assert summary == run.ExportSummary(documents=len(objects), written=len(objects), removed=0)
    assert {"index.html", "topics/ai", "topics/ai.rss", "topics/ai/2024-03.1.atom", "topics"} < objects.keys()
    for key, body in objects.items():
        if key not in DIFFERENT:
            address = "/" if key == "index.html" else f"/{key}"
            assert client.get(address, headers={"Accept-Encoding": "identity"}).data == body, key


def test_objects_have_the_type_and_the_cache_control_that_the_server_sends(
    settings: Settings, storage: Storage
) -> None:
    export(settings, storage.url)

    client = quiet_app(settings).test_client()
    for key in storage.objects():
        headers, _ = storage.head(key)
        address = "/" if key == "index.html" else f"/{key}"
        served = client.get("/nowhere" if key == "404.html" else address).headers
        assert headers["content-type"] == served["Content-Type"], key
        if key not in ("status", "status.json"):  # of the server: not to be cached
            assert headers["cache-control"] == served["Cache-Control"], key
        assert "content-encoding" not in headers, key
        assert not any(name.startswith("x-amz-meta-") for name in headers), key


def test_in_gzip_each_object_says_so_and_those_that_gzip_does_not_make_smaller_stay_plain(
    settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    export(settings, storage.url, gzip=True)

    plain = documents(settings, tmp_path / "out")
    packed = 0
    for key, body in storage.objects().items():
        headers, _ = storage.head(key)
        is_packed = headers.get("content-encoding") == "gzip"
        packed += is_packed
        assert (gzip.decompress(body) if is_packed else body) == plain[key], key
        assert len(body) <= len(plain[key])
    assert packed > 20
    assert "content-encoding" not in storage.head("apple-touch-icon.png")[0]


def test_another_age_in_the_settings_stores_the_documents_that_state_it_anew(
    settings: Settings, storage: Storage
) -> None:
    export(settings, storage.url)
    before = len(storage.uploads())

    export(
        settings.model_copy(update={"http": settings.http.model_copy(update={"max_age": 77})}), storage.url
    )

    again = storage.uploads()[before:]
    assert "max-age=77," in storage.head("articles.rss")[0]["cache-control"]
    assert "topics/ai.json" in again
    assert not any(key.startswith("static/") for key in again)


def test_cache_tags_are_metadata_if_the_settings_ask_for_them(
    articles: Path, storage: Storage, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path / "state", articles, http={"cache_tags": "cache-tag"})
    index(settings)
    export(settings, storage.url)

    def tags(key: str) -> str | None:
        return storage.head(key)[0].get("x-amz-meta-cache-tag")

    assert tags("topics/ai.rss") == tags("topics/ai") == "feedserver,topics-ai"
    assert tags("topics/ai/2024-03.1.rss") == "feedserver,archives-topics-ai"
    assert tags("topics.opml") == "feedserver,topics"
    assert tags("index.html") == "feedserver,directory"
    assert tags("static/style.css") is None


def test_what_is_hidden_is_in_no_object_and_in_no_key(
    settings: Settings, articles: Path, storage: Storage
) -> None:
    export(settings, storage.url)
    write_story(articles, "_news/three", title="Third", topics=["Bees"], draft=True)
    index(settings)
    export(settings, storage.url)

    for key in storage.names():
        headers, body = storage.head(key)
        if key.startswith(OWN) and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        everything = f"{key} {headers}".encode() + body
        for word in (b"hushed", b"secrecy", b"third"):
            assert word not in everything.lower(), key


# --- Uploads ---------------------------------------------------------------------------------------


def test_nothing_is_uploaded_when_nothing_changed(settings: Settings, storage: Storage) -> None:
    first = export(settings, storage.url)
    storage.requests.clear()

    second = export(settings, storage.url)

    assert second == run.ExportSummary(documents=first.documents, written=0, removed=0)
    assert {one.path for one in storage.requests if one.method not in ("GET", "HEAD")} == {LEASE}


def test_a_changed_article_uploads_only_the_documents_that_show_it(
    settings: Settings, articles: Path, storage: Storage, tmp_path: Path
) -> None:
    export(settings, storage.url)
    before = documents(settings, tmp_path / "before")
    write_story(articles, "_news/a3", title="Number 3, again", topics=["T3"], body=LONG)
    index(settings)
    storage.requests.clear()

    summary = export(settings, storage.url)

    after = documents(settings, tmp_path / "after")
    changed = {key for key in after if after[key] != before.get(key)}
    assert sorted(storage.uploads()) == sorted(changed)
    assert summary.written == len(changed) < len(after)
    assert storage.objects() == after


def test_what_is_retracted_is_removed_when_all_else_is_uploaded(
    settings: Settings, articles: Path, storage: Storage, tmp_path: Path
) -> None:
    export(settings, storage.url)
    (articles / "_news/three.md").unlink()
    index(settings)
    storage.requests.clear()

    summary = export(settings, storage.url)

    assert storage.objects() == documents(settings, tmp_path / "out")
    assert summary.removed > 0
    removals = [number for number, one in enumerate(storage.requests) if one.method in ("POST", "DELETE")]
    assert not [one for one in storage.requests[removals[0] :] if one.path in storage.uploads()]


def test_a_document_that_cannot_be_made_stays_until_an_article_is_hidden(
    settings: Settings, articles: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(settings, storage.url)
    before = storage.objects()
    made = ExportSite.documents

    def failing(one: ExportSite, unit: Unit, known: Collection[str]) -> Iterator[Made | str]:
        if unit.name == "/topics/t3":
            raise ValueError("nothing can be made of it")
        yield from made(one, unit, known)

    monkeypatch.setattr(ExportSite, "documents", failing)
    write_story(articles, "_news/another", title="Another", topics=["T3"])
    index(settings)
    with pytest.raises(ExportError, match="/topics/t3 cannot be written: ValueError"):
        export(settings, storage.url)
    assert storage.objects()["topics/t3.rss"] == before["topics/t3.rss"]

    write_story(articles, "_news/another", title="Another", topics=["T3"], draft=True)
    index(settings)
    with pytest.raises(ExportError, match="/topics/t3 cannot be written: ValueError"):
        export(settings, storage.url)
    assert not [key for key in storage.names() if re.match(r"topics/t3\b", key)]

    monkeypatch.setattr(ExportSite, "documents", made)
    export(settings, storage.url)
    assert storage.objects().keys() == before.keys()


def test_a_pool_of_processes_stores_the_same(
    settings: Settings, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LEAST_FOR_POOL", 0)
    monkeypatch.setattr(run, "PIECE_WEIGHT", 1)
    monkeypatch.setattr(run, "cores", lambda: 2)

    export(settings, storage.url)

    assert storage.objects() == documents(settings, tmp_path / "out")


def test_some_requests_run_at_a_time_and_never_more_than_the_bound(
    settings: Settings, storage: Storage
) -> None:
    from feedserver.export.storage.client import CONCURRENCY

    storage.delay = 0.02

    export(settings, storage.url)

    assert 1 < storage.most_at_once <= CONCURRENCY + 1  # the lease is renewed beside them


def test_a_request_that_fails_is_tried_again(settings: Settings, storage: Storage, tmp_path: Path) -> None:
    seen: set[str] = set()

    def refuse_once(request: Request) -> int | None:
        if request.method != "PUT" or len(seen) == 20 or request.path in seen:
            return None
        seen.add(request.path)
        return 503

    storage.before = refuse_once

    export(settings, storage.url)

    assert len(seen) == 20
    assert storage.objects() == documents(settings, tmp_path / "out")


# --- After a kill ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 70, 100])
def test_an_export_that_was_killed_is_finished_by_the_next_one_with_the_rest(
    settings: Settings, articles: Path, storage: Storage, tmp_path: Path, count: int
) -> None:
    from feedserver.export.storage.client import CONCURRENCY
    from feedserver.export.storage.uploads import BATCH_DOCUMENTS

    before = documents(settings, tmp_path / "before")
    assert len(before) > 100
    command = [
        *(sys.executable, "-m", "feedserver", "export", storage.url, str(articles)),
        *("--state-dir", str(settings.state.dir), "--base-url", BASE_URL),
    ]
    environ = {**os.environ, **storage.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ) as process:

        def kill(_: Request) -> int | None:
            if len(storage.uploads()) >= count:
                process.send_signal(signal.SIGKILL)
            return None

        storage.before = kill
        assert process.wait() == -signal.SIGKILL
    storage.before = lambda _: None
    uploaded = len(storage.uploads())
    storage.requests.clear()
    # An article that it may have uploaded is gone by the time of the next export.
    (articles / "_news/three.md").unlink()
    index(settings)

    export(settings, storage.url)

    after = documents(settings, tmp_path / "after")
    assert storage.objects() == after
    # Those of the last batch and those that showed the article are uploaded again.
    changed = {key for key in before if before[key] != after.get(key)}
    assert len(storage.uploads()) <= len(before) - uploaded + BATCH_DOCUMENTS + CONCURRENCY + len(changed)
    assert export(settings, storage.url).written == 0


def test_no_live_document_is_removed_after_a_kill(
    settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """A kill, for this process."""

    def kill(_: run.ExportProgress) -> None:
        raise Killed

    plan = make_export_plan(settings, Scope(), storage.url)
    with pytest.raises(Killed):
        run.export(plan, storage.url, kill)
    storage.requests.clear()

    export(settings, storage.url)

    assert storage.objects() == documents(settings, tmp_path / "out")
    assert not [one for one in storage.requests if one.method == "DELETE"]
    assert len(storage.uploads()) < len(storage.objects())


# --- Whose bucket ---------------------------------------------------------------------------------


def test_a_place_with_objects_of_others_is_refused_and_left_alone(
    settings: Settings, storage: Storage
) -> None:
    storage.client().put_object(Bucket=storage.bucket, Key="site/index.html", Body=b"theirs")
    storage.client().put_object(Bucket=storage.bucket, Key="elsewhere", Body=b"theirs")

    with pytest.raises(ExportError, match="holds something else than an export"):
        export(settings, storage.url)
    assert storage.names() == ["index.html"]

    other = storage.url.replace("/site", "/site/below")
    export(settings, other)
    assert "below/articles.rss" in storage.names()
    assert storage.objects()["index.html"] == b"theirs"


def test_two_exports_of_one_state_folder_at_a_time_are_refused(settings: Settings, storage: Storage) -> None:
    from feedserver.export.storage.bucket import Bucket

    with (
        Bucket(storage.url, settings.state.dir),
        pytest.raises(ExportError, match="another export is writing"),
    ):
        export(settings, storage.url)
    assert export(settings, storage.url).written > 0


def test_two_exports_of_different_machines_at_a_time_are_refused(storage: Storage, tmp_path: Path) -> None:
    from feedserver.export.storage.client import StorageClient
    from feedserver.export.storage.lease import Lease, LeaseTimes

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    often = LeaseTimes(holds=60, renewed_every=0.05, looked_at_every=0.05)
    with contextlib.closing(StorageClient(storage.url)) as store:
        first = Lease(store, tmp_path / "one", often)
        with pytest.raises(ExportError, match="another export is writing to it"):
            Lease(store, tmp_path / "two", often)
        assert first.is_ours()
        first.release()

        second = Lease(store, tmp_path / "two", often)
        assert second.is_ours()
        second.release()


def test_the_lease_of_a_dead_machine_runs_out_and_it_finds_out_when_it_is_back(
    storage: Storage, tmp_path: Path
) -> None:
    from feedserver.export.storage.client import StorageClient
    from feedserver.export.storage.lease import Lease, LeaseTimes

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with contextlib.closing(StorageClient(storage.url)) as store:
        # It renews too late, as a machine does that was paused.
        first = Lease(store, tmp_path / "one", LeaseTimes(holds=1000, renewed_every=3))
        second = Lease(store, tmp_path / "two", LeaseTimes(holds=0.5, renewed_every=0.1, looked_at_every=0.1))
        wait_for(lambda: not first.is_ours())
        with pytest.raises(StorageError, match="the lease was lost"):
            first.check()
        assert second.is_ours()
        first.release()
        assert second.is_ours()
        second.release()


def test_an_export_that_lost_its_lease_is_found_out_and_put_right_by_the_next_one(
    settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    from feedserver.export.storage import journal
    from feedserver.export.storage.journal import JournalEntry

    export(settings, storage.url)
    plan = make_export_plan(settings, Scope(), storage.url)

    def intrude(_: run.ExportProgress) -> None:
        # A machine that was paused goes on with its round: an older document, and its entry before that.
        entry = journal.encoded(JournalEntry(begun=("topics/ai.rss",)))
        name = journal.name_of(journal.session_of(1, "0123456789abcdef"), "w1-00000000")
        for key, body in ((name, entry), ("topics/ai.rss", b"older")):
            storage.client().put_object(Bucket=storage.bucket, Key=f"site/{key}", Body=body)

    write_story(tmp_path / "articles", "_news/a1", title="Another", topics=["T1"])
    index(settings)
    with pytest.raises(ExportError, match="another export wrote to it at the same time"):
        run.export(plan, storage.url, intrude)
    assert storage.objects()["topics/ai.rss"] == b"older"

    export(settings, storage.url)

    assert storage.objects() == documents(settings, tmp_path / "out")


@pytest.mark.parametrize("name", ["records", "journal/0000000001-00/m00000000"])
def test_damaged_notes_are_named(settings: Settings, storage: Storage, name: str) -> None:
    storage.client().put_object(Bucket=storage.bucket, Key=f"site/{OWN}/{name}", Body=b"nonsense")

    with pytest.raises(ExportError, match=f"{name} is damaged|{name}: is damaged"):
        export(settings, storage.url)


# --- The command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "environ", "message"),
    [
        ("s3://no-such-bucket/site", {}, r"there is no such bucket"),
        ("s3://", {}, r"must be like s3://bucket or s3://bucket/prefix"),
        ("s3://bucket//site", {}, r"must be like s3://bucket or s3://bucket/prefix"),
        (
            "s3://bucket/site",
            {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"},
            r"no credentials for S3 were found: see docs/guides/object-storage.md",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(
    storage: Storage, tmp_path: Path, target: str, environ: dict[str, str], message: str
) -> None:
    write_story(tmp_path / "articles", "_news/one")
    variables = {**storage.environ, "HOME": str(tmp_path), **environ}

    done = feedserver(tmp_path, "export", target, "articles", "--base-url", BASE_URL, environ=variables)

    assert done.returncode == 1
    assert re.fullmatch(f"feedserver: {target}: {message}\n", done.stderr), done.stderr


def test_wrong_credentials_are_said_in_one_sentence(articles: Path, tmp_path: Path) -> None:
    # From its second request on, this server asks for the keys of users that it knows, and it knows none.
    with (
        moto_server(tmp_path / "moto", INITIAL_NO_AUTH_ACTION_COUNT="1", **KEY) as port,
        bucket_behind_proxy(port) as storage,
    ):
        done = feedserver(
            tmp_path, "export", storage.url, str(articles), "--base-url", BASE_URL, environ=storage.environ
        )

    assert done.returncode == 1
    assert done.stderr == (
        f"feedserver: {storage.url}: access was denied (InvalidAccessKeyId): "
        "check the credentials and the rights that they have\n"
    )


def test_gzip_is_refused_for_a_folder(articles: Path, tmp_path: Path) -> None:
    done = feedserver(tmp_path, "export", "out", str(articles), "--gzip")

    assert done.returncode == 2
    assert "--gzip is for object storage" in done.stderr


def test_the_objects_follow_the_articles_under_watch(
    articles: Path, storage: Storage, tmp_path: Path
) -> None:
    def shows(text: bytes, key: str) -> Callable[[], bool]:
        return lambda: key in storage.names() and text in storage.head(key)[1]

    command = [
        *(sys.executable, "-m", "feedserver", "export", storage.url, str(articles), "--watch"),
        *("--base-url", BASE_URL, "--state-dir", str(tmp_path / "state")),
    ]
    (tmp_path / "watch").mkdir()
    with started(command, 0, tmp_path / "watch", storage.environ) as process:
        process.wait_for(shows(b"Number 3", "topics/t3.json"))
        for number in range(3):
            write_story(articles, "_news/a3", title=f"Edit {number}", topics=["T3"], body=LONG)
            process.wait_for(shows(f"Edit {number}".encode(), "topics/t3.json"))
        (articles / "_news/a3.md").unlink()
        process.wait_for(lambda: "topics/t3/2024-05.1.json" not in storage.names())
        other = feedserver(
            tmp_path, "export", storage.url, str(articles), "--base-url", BASE_URL,
            "--state-dir", str(tmp_path / "state"), environ=storage.environ,
        )  # fmt: skip
        assert (other.returncode, other.stderr.count("\n")) == (1, 1)
        assert "another export is writing to it" in other.stderr
        assert process.stop() == 0
    settings = settings_of(tmp_path / "state", articles, site={"base_url": BASE_URL, "title": "Feeds"})
    index(settings)
    assert storage.objects() == documents(settings, tmp_path / "out")
