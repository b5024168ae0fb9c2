"""Settings: sources and their order, all problems at once, and the two documents that list every key."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from feedserver.articles.field_keys import KEYS as FIELD_KEYS
from feedserver.articles.selections.parameters import TERMS
from feedserver.errors import SettingsError
from feedserver.settings.kinds import FIELD_NAMES
from feedserver.settings.schema import ELEMENTS, KEYS
from feedserver.settings.sources import Settings, load_settings, origins, variable_of
from feedserver.wiring.planning import is_local

PROJECT = Path(__file__).parent.parent
CONFIG = PROJECT / "config" / "feedserver.yaml"
NO_BASE_URL = "must be an http:// or https:// URL in ASCII, without user, query and fragment"
UNCLOSED = "is not valid YAML: expected ',' or ']', but got '<stream end>' in line 1"


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(
    text: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> Settings:
    file = Path("settings.yaml")
    file.write_text(text, encoding="utf-8")
    return load_settings(config_file=file, environ=environ or {}, overrides=overrides)


def problems(
    text: str = "", environ: Mapping[str, str] | None = None, overrides: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(text, environ, overrides)
    return caught.value.problems


# --- Sources


def test_no_source_at_all_gives_the_defaults() -> None:
    assert load_settings(environ={}) == Settings()


def test_option_beats_environment_beats_file_beats_default() -> None:
    text = "site: {title: file, rights: file, author: file}"
    environ = {"FEEDSERVER_SITE__TITLE": "environment", "FEEDSERVER_SITE__RIGHTS": "environment"}
    site = load(text, environ, {"site": {"title": "option"}}).site
    assert (site.title, site.rights, site.author, site.language) == ("option", "environment", "file", "en")


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEEDSERVER_SITE__TITLE", "From outside")
    assert load_settings().site.title == "From outside"


def test_the_file_is_the_argument_then_the_variable_then_the_two_usual_places(
    working_directory: Path,
) -> None:
    places = ("argument.yaml", "variable.yaml", "feedserver.yaml", "config/feedserver.yaml")
    (working_directory / "config").mkdir()
    for place in places:
        (working_directory / place).write_text(f"site: {{title: {place}}}")
    environ = {"FEEDSERVER_CONFIG": "variable.yaml"}
    assert load_settings(config_file=Path("argument.yaml"), environ=environ).site.title == "argument.yaml"
    assert load_settings(environ=environ).site.title == "variable.yaml"
    assert load_settings(environ={"FEEDSERVER_CONFIG": ""}).site.title == "feedserver.yaml"
    (working_directory / "feedserver.yaml").unlink()
    assert load_settings(environ={}).site.title == "config/feedserver.yaml"


@pytest.mark.parametrize(
    "arguments", [{"config_file": Path("no.yaml")}, {"environ": {"FEEDSERVER_CONFIG": "no.yaml"}}]
)
def test_a_named_file_must_exist(arguments: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"no\.yaml: cannot be read: No such file"):
        load_settings(**{"environ": {}, **arguments})  # type: ignore[arg-type]


def test_a_variable_holds_lists_mappings_numbers_and_truth_values_as_yaml() -> None:
    settings = load(
        environ={
            "FEEDSERVER_SCAN__EXTENSIONS": "[.md, .html]",
            "FEEDSERVER_SCAN__WATCH": "false",
            "FEEDSERVER_SERVER__PORT": "9000",
            "FEEDSERVER_REDIRECTS": "{/old: /new}",
            "FEEDSERVER_DATES__FALLBACK": "mtime",
        }
    )
    assert settings.scan.extensions == (".md", ".html")
    assert settings.scan.watch is False
    assert settings.server.port == 9000
    assert settings.redirects == {"/old": "/new"}
    assert settings.dates.fallback == "mtime"


@given(title=st.text(min_size=1))
def test_a_variable_for_text_is_taken_as_it_is(title: str) -> None:
    assert load_settings(environ={"FEEDSERVER_SITE__TITLE": title}).site.title == title


def test_an_empty_variable_is_empty_text_or_counts_as_not_set() -> None:
    environ = {"FEEDSERVER_CACHE__URL": "", "FEEDSERVER_SITE__BASE_URL": "", "FEEDSERVER_SERVER__PORT": ""}
    settings = load("{cache: {url: 'null://'}, server: {port: 81}}", environ)
    assert (settings.cache.url, settings.site.base_url, settings.server.port) == ("", None, 81)


def test_a_key_or_section_without_value_counts_as_not_set() -> None:
    assert load("site:\nfeeds:\n  limit:\narticles:\n") == Settings()


def test_an_option_that_was_not_given_counts_as_not_set() -> None:
    overrides = {"server": {"port": None}, "site": None, "articles": None}
    assert load("server: {port: 81}", overrides=overrides).server.port == 81


def test_an_empty_file_and_a_byte_order_mark_are_fine() -> None:
    assert load("") == Settings()
    assert load("\ufeffsite:\n  title: With a mark\n").site.title == "With a mark"


def test_settings_travel_to_other_processes_and_cannot_be_changed() -> None:
    settings = load("feeds: {selections: {ai: {title: AI, topics: [ai]}}}")
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - what a spawned process does
    with pytest.raises(ValidationError):
        settings.site.title = "other"


# --- Where each value came from


def test_origins_name_every_key_with_its_source() -> None:
    file = Path("settings.yaml")
    file.write_text("site:\n  title: File\n")
    found = {
        origin.key: (origin.value, origin.source)
        for origin in origins(
            config_file=file,
            environ={"FEEDSERVER_SERVER__PORT": "81"},
            overrides={"state": {"dir": Path("kept")}},
        )
    }
    assert set(found) == set(KEYS)
    assert found["site.title"] == ("File", "file settings.yaml line 2")
    assert found["server.port"] == (81, "environment FEEDSERVER_SERVER__PORT")
    assert found["state.dir"] == ("kept", "option")
    assert found["server.workers"] == (2, "default")


def test_origins_can_be_written_as_yaml() -> None:
    values = {origin.key: origin.value for origin in origins(environ={})}
    assert yaml.safe_load(yaml.safe_dump(values)) == values


@pytest.mark.parametrize(
    "url", ["redis://user:hush@host/0", "redis://:hu@sh@host/0", "rediss://host?db=1&password=hush"]
)
def test_origins_and_problems_keep_secrets(url: str) -> None:
    environ = {
        "FEEDSERVER_STATUS__TOKEN": "hush",
        "FEEDSERVER_CACHE__URL": url,
        "FEEDSERVER_CACHE__PASSWORD": "hush",
    }
    shown = {origin.key: origin.value for origin in origins(environ=environ)}
    assert shown["status.token"] == shown["cache.password"] == "***"
    assert "hu" not in str(shown["cache.url"])
    assert "host" in str(shown["cache.url"])
    assert "hush" not in str(problems("status: {token: [hush]}", {"FEEDSERVER_CACHE__URL": f"x{url}"}))


# --- Problems


def test_all_problems_of_all_sources_are_reported_at_once() -> None:
    text = """\
site:
  titles: Feeds
  base_url: ftp://feeds.example
  language: no
feeds:
  limit: 5
  max_bytes: -1
server:
  port: "80"
  port: 81
redirects: {/a: /b, /b: /a}
state: here
"""
    environ = {
        "FEEDSERVER_SITE__TITLES": "x",
        "FEEDSERVER_SCAN__WATCH": "perhaps",
        "FEEDSERVER_RETIRED": "[a",
    }
    assert sorted(problems(text, environ, {"server": {"workers": 0}})) == [
        "FEEDSERVER_SITE__TITLES: is not a variable of feedserver; did you mean FEEDSERVER_SITE__TITLE?",
        "feeds.max_bytes: should be greater than or equal to 1 (file settings.yaml line 7)",
        "feeds.min_entries: must not be more than feeds.limit, which is 5 (default)",
        "port: is given twice, again in line 10 (file settings.yaml)",
        "redirects: /a leads round in a circle (file settings.yaml line 11)",
        f"retired: {UNCLOSED} (environment FEEDSERVER_RETIRED)",
        "scan.watch: should be true or false (environment FEEDSERVER_SCAN__WATCH)",
        "server.workers: should be greater than or equal to 1 (option)",
        f"site.base_url: {NO_BASE_URL} (file settings.yaml line 3)",
        "site.language: should be text; put it in quotes (file settings.yaml line 4)",
        "site.titles: is not a setting; did you mean site.title? (file settings.yaml line 2)",
        "state: should be a mapping of keys (file settings.yaml line 12)",
    ]


def test_an_unknown_key_inside_a_list_or_mapping_is_named_with_its_place() -> None:
    text = (
        "articles: [a, {path: b, id_prefix: b, baseurl: x}]\nfeeds: {selections: {ai: {title: a, topik: b}}}"
    )
    assert problems(text) == (
        "articles[1].baseurl: is not a setting; did you mean base_url? (file settings.yaml line 1)",
        "feeds.selections.ai.topik: is not a setting; did you mean topic? (file settings.yaml line 2)",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("site:\n  title: [", "settings.yaml: is not valid YAML: .* in line 2"),
        ("site:\n\ttitle: x", "settings.yaml: is not valid YAML: .* in line 2"),
        ("a: 1\n---\nb: 2", "settings.yaml: is not valid YAML: but found another document in line 2"),
        ("site: {title: 2025-13-01}", "settings.yaml: is not valid YAML: month must be in 1..12"),
        ("site: {title: !!python/name:os.system x}", "settings.yaml: is not valid YAML: could not determine"),
        ("[1, 2]", "settings.yaml: should be a mapping of keys"),
        ("[" * 5000, "settings.yaml: is not valid YAML"),
        ("'\x00'", "settings.yaml: is not valid YAML"),
        ("articles: &a [*a]", r"articles\[0\]"),
        ("1: 2", r"1: is not a setting \(file settings.yaml line 1\)"),
        ("[a]: b", "settings.yaml: is not valid YAML: found unhashable key in line 1"),
    ],
)
def test_a_file_that_is_no_mapping_in_yaml_is_a_problem(text: str, reason: str) -> None:
    assert re.match(reason, problems(text)[0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("site: {title: ''}", "site.title: must not be empty"),
        ("site: {title: 2025}", "site.title: should be text; put it in quotes"),
        ("site: {base_url: 'https://user@feeds.example'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://feeds.example/?a=b'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://bücher.example'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://[::1'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://[1:2]/'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://[....]/'}", "site.base_url: must be an http"),
        ("site: {base_url: 'https://::1/'}", "site.base_url: must be an http"),
        ("site: {icon: 'https://[1:2]/icon.png'}", "site.icon: must be an http"),
        ('site: {base_url: "https://feeds.example/\\n"}', "site.base_url: must be an http"),
        ("site: {icon: icon.png}", "site.icon: must be an http"),
        ("site: {id_authority: 'https://feeds.example'}", "site.id_authority: must be a host name"),
        ("site: {id_year: 25}", "site.id_year: should be greater"),
        ("site: {time_zone: Mars/Base}", "site.time_zone: must be the IANA name"),
        ("site: {time_zone: Europe}", "site.time_zone: must be the IANA name"),
        ("site: {time_zone: ../etc}", "site.time_zone: must be the IANA name"),
        ("site: {language: english language}", "site.language: must be a language tag"),
        ("articles: []", "articles: must not be empty"),
        ("articles: blog", "articles: should be a list"),
        ("articles: [{id_prefix: x}]", "articles[0].path: is required"),
        ("articles: ['']", "articles[0].path: should be the path of a folder"),
        ("articles: [~/blog]", "articles[0].path: must be written out"),
        ("articles: [3]", "articles[0]: should be a mapping"),
        (
            "articles: [a, b]",
            'articles: with several folders each needs an id_prefix of its own; "" is used twice',
        ),
        ("articles: [{path: a, id_prefix: /x}]", "articles[0].id_prefix: must be a relative path"),
        ("articles: [{path: a, id_prefix: x/../y}]", "articles[0].id_prefix: must be a relative path"),
        ("articles: [{path: a, url: 'https://e.example/{author}/{slug}'}]", "articles[0].url: may hold"),
        ("articles: [{path: a, url: 'https://e.example/{slug!r}'}]", "articles[0].url: may hold"),
        ("articles: [{path: a, url: 'https://e.example/{slug}}'}]", "articles[0].url: may hold"),
        (
            "articles: [{path: a, url: 'https://e.example/{year}'}]",
            "articles[0].url: needs one of {slug}",
        ),
        ("articles: [{path: a, url: '/{slug}'}]", "articles[0]: url begins with /, so base_url is needed"),
        ("articles: [{path: a, url: '{slug}'}]", "articles[0].url: must be an http"),
        ("fields: {headline: [x]}", "fields.headline: is no field of an article"),
        ("fields: {title: headline}", "fields.title: should be a list"),
        ("scan: {extensions: [md]}", "scan.extensions[0]: must look like .md"),
        ("scan: {extensions: []}", "scan.extensions: must not be empty"),
        ("scan: {skip: [a/b]}", "scan.skip[0]: must be a pattern of one name"),
        ("scan: {max_file_size: 1 MB}", "scan.max_file_size: should be a whole number"),
        ("scan: {rescan_interval: 1.5}", "scan.rescan_interval: should be a whole number"),
        ("dates: {fallback: ctime}", "dates.fallback: should be 'none' or 'mtime'"),
        ("feeds: {selections: {My Feed: {title: x}}}", "feeds.selections.My Feed: must be made of a-z"),
        ("feeds: {selections: {ai: {topics: [ai]}}}", "feeds.selections.ai.title: is required"),
        ("feeds: {selections: {ai: AI}}", "feeds.selections.ai: should be a mapping"),
        ("http: {max_age: -1}", "http.max_age: should be greater"),
        ("cache: {url: 'mysql://host'}", "cache.url: must be empty, memory://"),
        ("cache: {url: 'memcached://host'}", "cache.url: must be empty, memory://"),
        ("cache: {url: 'file://folder'}", "cache.url: must be empty, memory://"),
        ("cache: {max_age: 0}", "cache.max_age: should be greater"),
        ("cache: {password: hush}", "cache.password: is for Redis and Memcached in cache.url only"),
        (
            "cache: {password_file: /x}",
            "cache.password_file: is for Redis and Memcached in cache.url only",
        ),
        (
            "cache: {url: 'redis://host', password: hush, password_file: /x}",
            "cache.password_file: cannot be set together with cache.password",
        ),
        ("server: {port: 70000}", "server.port: should be less"),
        ("server: {workers: true}", "server.workers: should be a whole number"),
        ("redirects: {old: /new}", "redirects.old: must be an address of this site"),
        ("redirects: {/old: //evil.example}", "redirects./old: must be an address of this site"),
        ("redirects: {/old: /old}", "redirects: /old leads round in a circle"),
        ("redirects: {/old: /old/}", "redirects: /old leads round in a circle"),
        ("redirects: {/old/: /new, /new: /old}", "redirects: /old/ leads round in a circle"),
        ("redirects: {/old: /new}\nretired: [/old]", "retired: /old cannot be retired and redirected"),
        ("retired: [old]", "retired[0]: must be an address of this site"),
        ("caches: {url: ''}", "caches: is not a setting; did you mean cache?"),
        ("feeds: {max_bites: 1}", "feeds.max_bites: is not a setting; did you mean feeds.max_bytes?"),
        ("fields: {title: [a], title: [b]}", "title: is given twice, again in line 1"),
    ],
)
def test_a_bad_value_is_one_problem_that_begins_with_its_key(text: str, problem: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(problem)
    assert "settings.yaml" in found[0]


@given(text=st.text())
def test_no_text_in_a_file_or_variable_raises_anything_but_a_settings_error(text: str) -> None:
    for environ in ({}, {variable_of(key): text for key in KEYS}):
        try:
            load(text.encode("utf-8", "replace").decode(), environ)
        except SettingsError as error:
            assert error.problems  # noqa: PT017 - both outcomes are right


# --- Values


def reverse(digits: str) -> str:
    """The name in the DNS of an IPv6 address, by its 32 digits from the last to the first."""
    return ".".join(digits) + ".ip6.arpa"


@pytest.mark.parametrize(
    ("base_url", "public_url", "authority"),
    [
        ("https://Feeds.Example/", "https://feeds.example", "feeds.example"),
        ("HTTPS://feeds.example:8443/News//", "https://feeds.example:8443/News", "feeds.example"),
        (None, "http://127.0.0.1:8000", "127.0.0.1"),
        ("http://192.0.2.1:81", "http://192.0.2.1:81", "192.0.2.1"),
        (
            "http://[2001:DB8::1]:81/a/",
            "http://[2001:db8::1]:81/a",
            reverse("1" + "0" * 23 + "8bd01002"),
        ),
        ("http://[::1]", "http://[::1]", reverse("1" + "0" * 31)),
    ],
)
def test_public_url_and_id_authority_come_from_the_base_url(
    base_url: str | None, public_url: str, authority: str
) -> None:
    settings = load(overrides={"site": {"base_url": base_url}})
    assert (settings.public_url, settings.id_authority) == (public_url, authority)


def test_an_id_authority_of_its_own_outlives_a_move_of_the_site() -> None:
    settings = load("site: {base_url: 'https://new.example', id_authority: old.example}")
    assert settings.id_authority == "old.example"
    assert load("site: {id_authority: editor@old.example}").id_authority == "editor@old.example"


def test_the_public_url_assumed_follows_the_port() -> None:
    assert load("server: {port: 81}").public_url == "http://127.0.0.1:81"


@pytest.mark.parametrize(
    ("host", "assumed", "local"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("127.0.0.2", "http://127.0.0.2:8000", True),
        ("localhost", "http://localhost:8000", True),
        ("::1", "http://[::1]:8000", True),
        ("0:0:0:0:0:0:0:1", "http://[::1]:8000", True),
        ("0.0.0.0", "http://127.0.0.1:8000", True),  # noqa: S104  nothing is bound
        ("::", "http://[::1]:8000", True),
        ("192.0.2.1", "http://192.0.2.1:8000", False),
        ("2001:DB8::1", "http://[2001:db8::1]:8000", False),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:8000", False),
        ("feeds.example", "http://feeds.example:8000", False),
        ("127.evil.example", "http://127.evil.example:8000", False),
    ],
)
def test_the_public_url_assumed_is_the_address_that_is_served(host: str, assumed: str, local: bool) -> None:
    settings = load(overrides={"server": {"host": host}})
    assert settings.public_url == assumed
    assert is_local(settings.public_url) is local


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.1", "feeds.example"])
def test_no_id_depends_on_the_address_that_is_served(host: str) -> None:
    assert load(overrides={"server": {"host": host}}).id_authority == "127.0.0.1"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://[::1]:8000/a", True),
        ("http://[::2]", False),
        ("https://a.localhost", True),
        ("https://localhost.example", False),
        ("https://127.0.0.1.example", False),
    ],
)
def test_a_url_is_local_by_its_host(url: str, local: bool) -> None:
    assert is_local(load(overrides={"site": {"base_url": url}}).public_url) is local


def test_several_folders_of_the_command_line_get_their_names_as_id_prefix(working_directory: Path) -> None:
    roots = load(overrides={"articles": ["my blog/", Path("sub/news"), "."]}).articles
    assert [(root.path, root.id_prefix) for root in roots] == [
        (Path("my blog"), "my blog"),
        (Path("sub/news"), "news"),
        (Path(), working_directory.name),
    ]


def test_a_single_folder_of_the_command_line_gets_no_id_prefix() -> None:
    assert load(overrides={"articles": ("blog",)}).articles[0].id_prefix == ""


def test_folders_of_the_command_line_with_one_name_are_a_problem() -> None:
    found = problems(overrides={"articles": ["a/news", "b/news"]})
    assert found == (
        'articles: with several folders each needs an id_prefix of its own; "news" is used twice (option)',
    )


def test_the_id_prefix_comes_from_the_link_and_not_from_its_target(working_directory: Path) -> None:
    (working_directory / "release-7").mkdir()
    (working_directory / "current").symlink_to("release-7")
    roots = load(overrides={"articles": ["current", "other"]}).articles
    assert roots[0].id_prefix == "current"


def test_one_of_several_folders_may_stay_without_id_prefix() -> None:
    assert len(load("articles: [blog, {path: news, id_prefix: news}]").articles) == 2


@pytest.mark.parametrize(
    "url",
    [
        *("", "memory://", "null://", "file:///var/cache/feeds", "redis://localhost"),
        *("redis://:word@localhost:6379/0", "rediss://host/1", "memcached://10.0.0.1:11211"),
        *("memcacheds://user:word@[::1]:11211?ssl_ca_certs=/ca.pem", "memcached://user@cache:11211"),
    ],
)
def test_every_documented_cache_url_is_accepted(url: str) -> None:
    assert load(overrides={"cache": {"url": url}}).cache.url == url


def test_every_field_takes_further_keys() -> None:
    fields = {name: ["one", "two"] for name in FIELD_NAMES}
    assert load(overrides={"fields": fields}).fields == dict.fromkeys(FIELD_NAMES, ("one", "two"))


def test_the_fields_are_those_that_articles_are_read_by() -> None:
    assert set(FIELD_NAMES) == set(FIELD_KEYS)


# --- The documents


def all_keys() -> dict[str, object]:
    """Every key of the models, those of elements included, with its default; ... where it has none."""
    dumped = Settings().model_dump(mode="json")
    keys: dict[str, object] = {}
    for key in KEYS:
        section, dot, name = key.partition(".")
        keys[key] = dumped[section][name] if dot else dumped[key]
    for key, model in ELEMENTS.items():
        joint = {"articles": "articles[].", "feeds.selections": "feeds.selections.<name>."}[key]
        for name, field in model.model_fields.items():
            keys[joint + name] = ... if field.is_required() else field.default
    return keys


def test_the_configuration_file_equals_the_defaults() -> None:
    assert load_settings(config_file=CONFIG, environ={}) == Settings()


# Keys of selections that share a comment with others.
SHARING = {f"{prefix}{term}" for term in TERMS for prefix in ("", "not_")} - {"topic", "provider"}
SHARING |= {"providers", "categories", "min_heat", "any", "none", "all"}


def test_the_configuration_file_holds_every_key_below_a_comment() -> None:
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    given = yaml.safe_load("\n".join(lines))
    for key in KEYS:
        section, dot, name = key.partition(".")
        assert name in given[section] if dot else key in given
    # A section's header needs no comment; the lists of a selection share one.
    for name in (
        {key.rpartition(".")[2] for key in all_keys()} - {"providers", "categories", "min_heat"} - SHARING
    ):
        at = [index for index, line in enumerate(lines) if re.match(rf"[ #-]*{name}:", line)]
        assert at, name
        assert all(re.match(r"[ #]*# \S", lines[index - 1]) for index in at), name


def test_the_example_in_the_configuration_file_is_a_valid_selection() -> None:
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("  #   ai-video:"))
    end = lines.index("", start)
    example = yaml.safe_load("\n".join(line.removeprefix("  #") for line in lines[start:end]))
    selection = load(overrides={"feeds": {"selections": example}}).feeds.selections["ai-video"]
    assert set(example["ai-video"]) == set(ELEMENTS["feeds.selections"].model_fields)
    assert selection.topics == ("ai", "machine-learning")


def test_the_documentation_has_a_row_for_every_key_with_default_and_variable() -> None:
    text = (PROJECT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    rows = {row[0].strip("`"): row for row in cells}
    keys = all_keys()
    assert list(rows.keys() ^ keys.keys()) == []
    for key, default in keys.items():
        _, kind, shown, variable, meaning = rows[key]
        assert kind
        assert meaning
        assert variable == (f"`{variable_of(key)}`" if key in KEYS else "")
        if default is ... or default is None:
            assert shown == ("required" if default is ... else "not set")
        elif key == "articles":
            assert load(overrides={"articles": yaml.safe_load(shown.strip("`"))}) == Settings()
        else:
            assert yaml.safe_load(shown.strip("`")) == (
                list(default) if isinstance(default, tuple) else default
            )


def test_the_documentation_lists_the_fields_and_placeholders() -> None:
    text = (PROJECT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert ", ".join(f"`{name}`" for name in FIELD_NAMES) in text
