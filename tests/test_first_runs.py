"""The first minutes: other folders in the same place, folders without articles, a first settings file."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import pytest
from builders import wait_for, write_file
from click.testing import CliRunner, Result
from servers import PATIENCE, Server, free_port, serve, started, write_story

from feedserver.cli import browser
from feedserver.cli.group import SUMMARIES, main
from feedserver.settings.sources import load_settings


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two folders of articles, and an empty one."""
    write_story(tmp_path / "tides", "one", title="High water", topics=["Tides"])
    write_story(tmp_path / "boats", "one", title="A boat", topics=["Boats"])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, environ: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(main, arguments, env=environ, prog_name="feedserver")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def page(server: Server, address: str) -> str:
    return server.ask(address).body.decode()


def state_folders(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if path.name.startswith(".feedserver"))


# --- Other folders in the same place


def test_another_folder_is_served_from_where_one_was_served_before(place: Path) -> None:
    with serve(place, "tides") as server:
        assert b"High water" in server.ask("/articles.rss").body
    with serve(place, "boats") as server:
        assert b"A boat" in server.ask("/articles.rss").body
        assert ".feedserver belongs to other folders of articles" in server.said()
    with serve(place, "tides") as server:
        assert b"High water" in server.ask("/articles.rss").body
    assert len(state_folders(place)) == 2


def test_each_folder_finds_its_own_index_again(place: Path) -> None:
    for _ in range(2):
        for folder, title in (("tides", "High water"), ("boats", "A boat")):
            assert title in run("list", "articles", folder).stdout
            assert title in run("render", "/articles.json", folder).stdout
    assert len(state_folders(place)) == 2


def test_the_order_of_folders_makes_no_other_site(place: Path) -> None:
    run("index", "empty")
    run("index", "tides", "boats")
    run("index", "boats", "tides")

    assert len(state_folders(place)) == 2


@pytest.mark.parametrize(
    "options",
    [["--base-url", "https://feeds.example"], ["--state-dir", ".feedserver"]],
    ids=["public", "named"],
)
def test_a_public_site_or_a_named_state_folder_is_not_replaced_unasked(
    place: Path, options: list[str]
) -> None:
    run("index", "tides")
    told = run("index", "boats", *options)

    assert told.exit_code == 1
    assert "--state-dir" in told.stderr
    assert "--adopt-state" in told.stderr
    assert state_folders(place) == [".feedserver"]


def test_adopting_a_state_folder_makes_no_other_one(place: Path) -> None:
    run("index", "tides")
    assert run("index", "boats", "--adopt-state").exit_code == 0
    assert state_folders(place) == [".feedserver"]


# --- Folders that are missing or have no article


@pytest.mark.parametrize(
    "command", ["serve", "index", "check", "config", "list topics", "render /articles.rss"]
)
def test_a_missing_folder_on_the_command_line_is_refused(place: Path, command: str) -> None:
    told = run(*command.split(), "tiddes")

    assert told.exit_code == 2
    assert "tiddes" in told.stderr
    assert state_folders(place) == []


def test_an_empty_folder_is_explained_in_the_log_on_the_page_and_in_the_status(place: Path) -> None:
    with serve(place, "empty") as server:
        server.wait_for(lambda: "There are no article files" in server.said())
        assert "feedserver check" in page(server, "/")
        server.wait_for(lambda: "There are no article files" in page(server, "/status"))
        write_story(place / "empty", "one", title="First")
        server.wait_for(lambda: b"First" in server.ask("/articles.rss").body)
        assert "tells why there is no article" not in page(server, "/")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Just text.\n", "1 has no front matter"),
        ("---\ntitle: x\nlink: https://e.example/\n---\n", "1 has no date"),
        ("---\ntitle: x\ndate: 2024-05-01\n---\n", "1 has no address"),
        ("---\ntitle: x\ndate: 2024-05-01\nlink: https://e.example/\ndraft: true\n---\n", "1 is hidden"),
        ("---\ntitle: x\ndate: 2999-05-01\nlink: https://e.example/\n---\n", "are of the future"),
    ],
)
def test_a_folder_without_an_article_is_explained_by_the_first_index(
    place: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    write_file(place, "empty/one.md", text)
    run("index", "empty")

    assert reason in caplog.text


def test_the_public_status_says_nothing_of_hidden_articles(place: Path) -> None:
    write_file(place, "empty/one.md", "---\ntitle: x\ndate: 2024-05-01\ndraft: true\n---\n")
    with serve(place, "empty", "--base-url", "https://feeds.example") as server:
        server.wait_for(lambda: "is hidden by a key" in server.said())
        assert "by a key" not in page(server, "/")
        assert "by a key" not in page(server, "/status")
        assert "by a key" not in page(server, "/status.json")


# --- A first settings file


def test_init_writes_settings_for_the_folder_that_is_here(place: Path) -> None:
    write_story(place / "articles", "one")
    told = run("init")

    assert told.exit_code == 0
    assert "1 file, 1 article" in told.stderr
    settings = load_settings(config_file=place / "feedserver.yaml", environ={})
    assert [str(root.path) for root in settings.articles] == ["articles"]
    assert run("check").exit_code == 0


def test_every_proposal_of_a_first_settings_file_is_a_setting(place: Path) -> None:
    run("init", "tides")
    path = place / "feedserver.yaml"
    written = path.read_text(encoding="utf-8")
    proposed = re.sub(r"^( *)# ?( *[a-z_]+:|  *- )", r"\1\2", written, flags=re.MULTILINE)
    path.write_text(proposed, encoding="utf-8")
    settings = load_settings(config_file=path, environ={})

    assert settings.site.base_url == "https://feeds.example.org"
    assert settings.articles[0].url == "/{section}/{slug}/"
    assert settings.fields == {"published": ("published_on",)}
    assert list(settings.feeds.selections) == ["tides"]


def test_init_takes_dates_from_names_where_articles_have_none(place: Path) -> None:
    write_file(place, "empty/2024-05-01-one.md", "---\ntitle: x\nlink: https://e.example/\n---\n")
    run("init", "empty")

    assert load_settings(config_file=place / "feedserver.yaml", environ={}).dates.from_file_name
    assert "1 article without a finding" in run("check").stderr


def test_init_recognises_a_site_generator(place: Path) -> None:
    write_file(place, "blog/hugo.toml", 'baseURL = "https://blog.example/"\ntitle = "Mine"\n')
    write_file(place, "blog/content/posts/one.md", '+++\ntitle = "One"\ndate = 2024-05-01\n+++\nText.\n')
    run("init", "blog")

    assert "Recognised as a folder of Hugo" in (place / "feedserver.yaml").read_text(encoding="utf-8")
    assert load_settings(config_file=place / "feedserver.yaml", environ={}).site.title == "Mine"


def test_init_replaces_no_file_unasked(place: Path) -> None:
    write_file(place, "feedserver.yaml", "site: {title: Mine}\n")
    assert run("init", "tides").exit_code == 2
    assert load_settings(config_file=place / "feedserver.yaml", environ={}).site.title == "Mine"
    assert run("init", "tides", "--force").exit_code == 0
    assert load_settings(config_file=place / "feedserver.yaml", environ={}).site.title == "Feeds"


def test_init_without_articles_asks_for_a_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "empty")
    told = run("init")

    assert told.exit_code == 2
    assert "feedserver init FOLDER" in told.stderr


# --- The address, and the browser


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("::1", "http://[::1]:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),  # noqa: S104  nothing listens there
        ("::", "http://[::1]:8000/"),
    ],
)
def test_the_printed_address_is_one_that_is_served(
    place: Path, monkeypatch: pytest.MonkeyPatch, host: str, address: str
) -> None:
    monkeypatch.setattr("feedserver.cli.serve.check_port", lambda *_: None)
    monkeypatch.setattr("feedserver.cli.serve.Server.run", lambda _: None)
    for options in ([], ["--base-url", "https://feeds.example"]):
        told = run("serve", "tides", "--host", host, *options, "--adopt-state")
        assert f"is at {address}\n" in told.stdout
        assert ("https://feeds.example" in told.stdout) == bool(options)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_printed_address_answers(place: Path, host: str) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError:
        pytest.skip(f"this machine cannot listen at {host}")
    command = [sys.executable, "-m", "feedserver", "serve", "tides", "--host", host]
    port = free_port()
    with started([*command, "--port", str(port)], port, place) as server:
        server.wait_for(lambda: "Listening at" in server.said())
        found = re.search(r"is at http://(\S+):(\d+)/", server.said())
        assert found is not None
        with socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=PATIENCE):
            pass


def test_the_browser_is_opened_once_something_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert browser.wait_and_open("127.0.0.1", port, "http://127.0.0.1/") == 0
    assert opened == ["http://127.0.0.1/"]


def test_no_browser_is_opened_where_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(browser, "WAIT_SECONDS", 0.0)
    assert browser.wait_and_open("127.0.0.1", free_port(), "http://127.0.0.1/") == 0
    assert opened == []


def test_open_starts_the_browser_that_the_environment_names(place: Path) -> None:
    write_file(place, "browser.sh", '#!/bin/sh\necho "$1" > opened.txt\n').chmod(0o755)
    with serve(place, "tides", "--open", environ={"BROWSER": f"{place}/browser.sh %s"}) as server:
        server.wait_for((place / "opened.txt").exists)
        wait_for(lambda: bool((place / "opened.txt").read_text(encoding="utf-8")))
        assert (place / "opened.txt").read_text(encoding="utf-8") == f"http://127.0.0.1:{server.port}/\n"


# --- Commands


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("checks", "check"), ("lint", "check"), ("build", "export"), ("sevre", "serve"), ("ls", "list")],
)
def test_an_unknown_command_proposes_the_one_that_was_meant(typed: str, meant: str) -> None:
    told = run(typed)

    assert told.exit_code == 2
    assert f"Did you mean {meant!r}?" in told.stderr


@pytest.mark.parametrize("command", [name for name in SUMMARIES if name not in ("history", "state")])
def test_the_help_of_each_command_has_examples(command: str) -> None:
    assert f"  feedserver {command}" in run(command, "--help").stdout


@pytest.mark.parametrize(
    "command",
    [
        "index tides",
        "list topics tides",
        "list articles tides",
        "check tides",
        "config tides",
        "export out tides",
    ],
)
def test_commands_speak_json(place: Path, command: str) -> None:
    told = run(*command.split(), "--json")

    assert told.exit_code == 0
    json.loads(told.stdout)


def test_history_copies_speak_json(place: Path) -> None:
    run("index", "tides")
    assert json.loads(run("history", "copies", "--json").stdout) == []


def test_quiet_commands_print_results_alone(place: Path) -> None:
    run("index", "tides")
    for command in ("list topics boats", "check boats", "index boats"):
        told = run(*command.split(), "--quiet")
        assert told.stderr == ""


def test_articles_are_listed_newest_first_up_to_a_limit(place: Path) -> None:
    for day in range(1, 4):
        write_story(place / "tides", f"day{day}", title=f"Day {day}", date=f"2025-01-0{day}T00:00:00Z")
    told = run("list", "articles", "tides", "--limit", "2")

    assert [line.rpartition("  ")[2] for line in told.stdout.splitlines()] == ["Day 3", "Day 2"]
    assert "The newest 2 of 4 articles" in told.stderr
    (row, *_) = json.loads(run("list", "articles", "tides", "--json").stdout)
    assert (row["title"], row["published"]) == ("Day 3", "2025-01-03T00:00:00Z")


def completed(words: str) -> list[str]:
    place = str(words.count(" "))
    environ = {"_FEEDSERVER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": place}
    result = run(environ=environ)
    assert result.stderr == ""
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


def test_addresses_are_completed_from_the_index(place: Path) -> None:
    run("index", "tides")

    assert completed("feedserver render /to") == ["/topics/"]
    assert completed("feedserver render /topics/ti") == [
        f"/topics/tides.{fmt}" for fmt in ("rss", "atom", "json")
    ]
    assert completed("feedserver render /topics/tides.a") == ["/topics/tides.atom"]
    assert completed("feedserver render /topics/nothing") == []
    assert "/providers/gazette.example.rss" in completed("feedserver render /providers/gazette.e")


def test_completing_makes_no_index(place: Path) -> None:
    assert completed("feedserver render /topics/ti") == []
    assert state_folders(place) == []


def test_kinds_and_parts_of_an_export_are_completed(place: Path) -> None:
    assert completed("feedserver list to") == ["topics"]
    assert completed("feedserver export out --kinds topics,pro") == ["topics,providers"]
    assert completed("feedserver export out --only a") == ["atom", "archives"]


def test_verbose_commands_tell_what_they_use(place: Path) -> None:
    run("index", "tides")
    told = run("list", "topics", "boats", "--verbose").stderr

    assert "articles: boats" in told
    assert "state folder: .feedserver-boats-" in told
    assert "verdicts: 1 article" in run("check", "boats", "--verbose").stderr
