"""config/compose.yaml: its services start commands that exist, with settings that mean something."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import REPOSITORY

from feedserver.cli.group import SUMMARIES
from feedserver.settings.sources import load_settings

CONFIG = REPOSITORY / "config"
COMPOSE: dict[str, Any] = yaml.safe_load((CONFIG / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "feedserver")
GUIDE = (REPOSITORY / "docs" / "guides" / "several-machines.md").read_text(encoding="utf-8")


def test_it_has_a_database_a_cache_an_indexer_two_web_servers_and_a_proxy() -> None:
    assert set(SERVICES) == {"database", "cache", "indexer", "web1", "web2", "proxy"}
    assert OURS == ["indexer", "web1", "web2"]


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_has_usable_settings(name: str) -> None:
    # Compose fills in the variable of the secret.
    given = SERVICES[name]["environment"].items()
    environ = {key: re.sub(r"\$\{.*\}", "s" * 40, str(value)) for key, value in given}
    settings = load_settings(environ=environ, overrides={})
    assert settings.index.url.startswith("postgresql://feedserver@database/")
    assert settings.index.password_file == "/run/secrets/database"  # noqa: S105  the path of a secret
    assert settings.cache.url.startswith("redis://cache")
    assert settings.index.role == ("web" if name.startswith("web") else "all")
    assert shlex.split(SERVICES[name].get("command", "serve"))[0] in SUMMARIES
    assert SERVICES[name]["depends_on"]["database"] == {"condition": "service_healthy"}


def test_the_image_is_made_of_files_that_exist() -> None:
    lines = (CONFIG / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert COMPOSE["services"]["web1"]["build"] == {"context": "..", "dockerfile": "config/Dockerfile"}
    extras = re.search(r'"/src\[(.*)\]"', "\n".join(lines))
    assert extras is not None
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{extra} = [" in project for extra in extras[1].split(","))


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_the_proxy_gets_our_configuration_with_both_web_servers(tmp_path: Path) -> None:
    expression = re.search(r"sed -e '(.*?)'", SERVICES["proxy"]["command"])
    assert expression is not None
    edited = subprocess.run(
        ["sed", "-e", expression[1], str(CONFIG / "nginx.conf")], capture_output=True, text=True, check=True
    ).stdout
    assert "server web1:8000; server web2:8000;" in edited
    # The names of the services exist in the network of compose only.
    edited = edited.replace("web1", "127.0.0.1").replace("web2", "127.0.0.2")
    edited = edited.replace("/var/cache/nginx-feedserver", str(tmp_path / "answers"))
    (tmp_path / "site.conf").write_text(edited)
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ include {tmp_path}/site.conf; }}"
    )
    tried = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr


def test_the_units_of_the_guide_start_our_commands() -> None:
    units = re.findall(r"```ini\n(.*?)```", GUIDE, re.DOTALL)
    commands = re.findall(r"ExecStart=/opt/feedserver/bin/feedserver (\S+)", "".join(units))
    assert commands == ["index", "serve"]
    for unit in units:
        environ = dict(re.findall(r"Environment=(\w+)=(\S+)", unit))
        assert load_settings(environ=environ, overrides={}).index.url.startswith("postgresql://")
