"""The status: counts for everybody, paths and reasons for who is on this machine or has the token."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from builders import write_file
from flask import Flask
from flask.testing import FlaskClient
from servers import index, quiet_app, settings_of, write_story
from stores import files_only

from feedserver import __version__
from feedserver.feeds import feed_renderer

TOKEN = "open sesame"  # noqa: S105  no secret, a test
PROXY_HEADERS = [
    {"X-Forwarded-For": "192.0.2.1"},
    {"X-Forwarded-For": ""},
    {"Forwarded": "for=192.0.2.1"},
    {"X-Real-IP": "192.0.2.1"},
    {"Via": "1.1 proxy"},
    {"X-Forwarded-Proto": "https"},
    {"x-forwarded-host": "feeds.example"},
    {"CF-Connecting-IP": "192.0.2.1"},
    {"Host": "feeds.example"},
    {"Host": "feeds.example:8000"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
]
SECRETS = ("broken.md", "undated.md", "articles/", "yaml", "hidden", "undated", "problems", "files")


LOCAL = {"base_url": "http://127.0.0.1:8000"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("status")
    articles = folder / "articles"
    write_story(articles, "good")
    write_story(articles, "hidden", draft=True)
    write_file(articles, "broken.md", '---\ntitle: "x\ndate: 2024-05-01\n---\nText.\n')
    write_file(articles, "undated.md", "---\ntitle: x\nlink: https://example.org/x\n---\nText.\n")
    settings = settings_of(folder / "state", articles, site=LOCAL, status={"token": TOKEN})
    index(settings)
    return quiet_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_everybody_may_know_how_fresh_the_index_is_and_what_it_holds(client: FlaskClient) -> None:
    status = client.get("/status.json", headers=PROXY_HEADERS[0]).get_json()
    assert status["version"] == __version__
    assert status["articles"] == 1
    assert status["listings"] == {
        "articles": 1,
        "topics": 1,
        "providers": 1,
        "domains": 1,
        "categories": 0,
        "feeds": 0,
    }
    assert status["newest_change"] == "2024-05-01T10:00:00Z"
    assert status["last_scan"]["started"] <= status["last_scan"]["finished"]
    assert set(status) == {
        "version",
        "articles",
        "listings",
        "newest_change",
        "last_scan",
        "last_change",
        "publication_history",
        "ready_answers_of_this_process",
        "stale_answers_of_this_process",
        "cache_failures_of_this_process",
    }


def test_behind_a_public_url_loopback_proves_nothing_and_the_token_does(tmp_path: Path) -> None:
    """A proxy on the same machine may pass requests on without any sign of itself."""
    write_file(tmp_path, "blog/broken.md", '---\ntitle: "x\n---\n')
    settings = settings_of(tmp_path / "state", tmp_path / "blog", status={"token": TOKEN})
    index(settings)
    client = quiet_app(settings).test_client()
    assert "problems" not in client.get("/status.json").get_json()
    assert "problems" in client.get(f"/status.json?token={TOKEN}").get_json()


@pytest.mark.parametrize("path", ["/status", "/status.json"])
@pytest.mark.parametrize("headers", PROXY_HEADERS)
def test_through_a_proxy_nobody_learns_of_files(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    text = client.get(path, headers=headers).get_data(as_text=True)
    assert not [word for word in SECRETS if word in text.lower()]


@pytest.mark.parametrize("path", ["/status", "/status.json"])
@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": "::ffff:192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "unix:"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
    ],
)
def test_whoever_is_not_certainly_on_this_machine_learns_nothing_of_files(
    client: FlaskClient, path: str, environ: dict[str, str]
) -> None:
    text = client.get(path, environ_overrides=environ).get_data(as_text=True)
    assert not [word for word in SECRETS if word in text.lower()]


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "127.8.8.8"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_whoever_is_on_this_machine_sees_the_problems(client: FlaskClient, peer: str, host: str) -> None:
    response = client.get("/status.json", headers={"Host": host}, environ_overrides={"REMOTE_ADDR": peer})
    status = response.get_json()
    assert status["files"] == {"article": 1, "hidden": 1, "undated": 1, "broken": 1}
    assert status["files_waiting"] == 0
    problems = {Path(one["path"]).name: one["finding"] for one in status["problems"]}
    assert problems["broken.md"]["severity"] == "error"
    assert problems["undated.md"]["code"] == "undated"
    page = client.get("/status", headers={"Host": host}, environ_overrides={"REMOTE_ADDR": peer})
    assert "broken.md" in page.get_data(as_text=True)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?token=open+sesame", {}),
        ("", {"Authorization": f"Bearer {TOKEN}"}),
        ("", {"Authorization": f"bearer {TOKEN}"}),
        ("?token=open+sesame", {"Authorization": "Basic dXNlcjpwYXNz"}),
        ("?token=open+sesame", {"Authorization": "Bearer wrong"}),
    ],
)
def test_the_token_opens_the_status_from_anywhere(
    client: FlaskClient, query: str, headers: dict[str, str]
) -> None:
    response = client.get(f"/status.json{query}", headers={**PROXY_HEADERS[0], **headers})
    assert "problems" in response.get_json()


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?token=", {}),
        ("?token=open", {}),
        ("?token=%FF", {}),
        ("", {"Authorization": "Bearer "}),
        ("", {"Authorization": "Bearer"}),
        ("", {"Authorization": TOKEN}),
        ("", {"Authorization": "Basic b3BlbiBzZXNhbWU="}),
        ("", {"Authorization": "Digest x"}),
        ("", {"Cookie": "token=open sesame"}),
    ],
)
def test_nothing_but_the_token_does(client: FlaskClient, query: str, headers: dict[str, str]) -> None:
    response = client.get(f"/status.json{query}", headers={**PROXY_HEADERS[0], **headers})
    assert response.status_code == 200
    assert "problems" not in response.get_json()


@pytest.mark.parametrize("shown", ["", "?token=", "?token=None"])
def test_without_a_token_in_the_settings_none_fits(tmp_path: Path, shown: str) -> None:
    write_story(tmp_path / "articles", "good")
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    response = quiet_app(settings).test_client().get(f"/status.json{shown}", headers=PROXY_HEADERS[0])
    assert "problems" not in response.get_json()


def test_the_status_tells_how_long_a_change_took_to_be_published(tmp_path: Path) -> None:
    articles = tmp_path / "articles"
    write_story(articles, "good")
    [file] = articles.rglob("good.md")
    settings = settings_of(tmp_path / "state", articles, site=LOCAL)
    index(settings)
    client = quiet_app(settings).test_client()
    assert client.get("/status.json").get_json()["last_change"] == {"published": None, "lag_seconds": None}
    file.write_text(file.read_text(encoding="utf-8").replace("title: ", "title: New "), encoding="utf-8")
    index(settings, lambda: file.stat().st_ctime + 2.5)
    change = client.get("/status.json").get_json()["last_change"]
    assert change["lag_seconds"] == pytest.approx(2.5, abs=0.01)
    assert change["published"] is not None


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_the_status_is_never_cached(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_problems_name_the_folder_as_the_settings_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_file(tmp_path, "blog/broken.md", '---\ntitle: "x\n---\n')
    settings = settings_of(tmp_path / "state", Path("blog"), site=LOCAL)
    index(settings)
    (problem,) = quiet_app(settings).test_client().get("/status.json").get_json()["problems"]
    assert problem["path"] == "blog/broken.md"


def test_the_status_shows_that_the_cache_fails(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "good")
    settings = settings_of(tmp_path / "state", tmp_path / "articles")
    index(settings)
    (tmp_path / "state" / "cache").write_text("no folder")
    client = quiet_app(settings).test_client()
    assert client.get("/topics/ai.rss").status_code == 200
    assert client.get("/status.json").get_json()["cache_failures_of_this_process"] > 0


def test_old_bytes_are_counted_for_everybody_and_explained_to_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ValueError("a reason")

    settings = settings_of(tmp_path / "state", tmp_path / "articles", status={"token": TOKEN})
    write_story(tmp_path / "articles", "one")
    index(settings)
    client = quiet_app(settings).test_client()
    good = client.get("/topics/ai.rss")
    write_story(tmp_path / "articles", "two")
    index(settings)
    monkeypatch.setattr(feed_renderer, "render", fail)
    served = client.get("/topics/ai.rss")
    assert (served.status_code, served.data) == (200, good.data)
    assert client.get("/topics/ai.rss", headers={"If-None-Match": good.headers["ETag"]}).status_code == 304
    public = client.get("/status.json", headers=PROXY_HEADERS[0]).get_json()
    assert public["stale_answers_of_this_process"] == 2
    assert "a reason" not in str(public)
    inside = client.get("/status.json", headers={"Authorization": f"Bearer {TOKEN}"}).get_json()
    assert inside["last_reason_of_a_stale_answer"] == "/topics/ai.rss: ValueError: a reason"
    assert "a reason" in client.get("/status", headers={"Authorization": f"Bearer {TOKEN}"}).text


@files_only
def test_the_status_tells_of_a_clock_that_was_set_and_of_a_history_that_was_lost(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "good")
    settings = settings_of(tmp_path / "state", tmp_path / "articles", site=LOCAL)
    client = quiet_app(settings).test_client()
    index(settings, lambda: time.time() + 400 * 86_400)
    for file in [*settings.state.dir.glob("history.sqlite*"), *settings.state.dir.glob("index-*")]:
        file.unlink()
    index(settings, lambda: time.time() + 300)
    index(settings)
    status = client.get("/status.json").get_json()
    assert status["publication_history"]["state"] == "lost, and begun anew"
    assert status["publication_history"]["copied"] is None
    assert -301 <= status["last_jump_of_the_clock"]["seconds"] <= -290
    page = client.get("/status").get_data(as_text=True)
    assert "lost, and begun anew" in page
    assert "last jump of the clock" in page
