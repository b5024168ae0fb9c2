"""config/gunicorn.conf.py: what `gunicorn -c` runs is what `feedserver serve` runs."""

from __future__ import annotations

import runpy
from pathlib import Path

from gunicorn.config import Config

from feedserver.server import application, http1
from feedserver.server.worker import Worker
from feedserver.settings.sources import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "config" / "gunicorn.conf.py"
HOOKS = {
    "post_worker_init": application.post_worker_init,
    "pre_request": http1.pre_request,
    "worker_exit": application.worker_exit,
}


def in_file() -> dict[str, object]:
    """The names that gunicorn finds in the file."""
    return {name: value for name, value in runpy.run_path(str(CONFIG)).items() if not name.startswith("__")}


def test_the_file_says_what_the_package_does_by_default() -> None:
    assert in_file() == {**application.gunicorn_options(Settings()), **HOOKS}


def test_gunicorn_knows_every_name_in_the_file() -> None:
    known = Config().settings

    assert set(in_file()) <= set(known)


def test_gunicorn_accepts_every_value_in_the_file() -> None:
    config = Config()
    for name, value in in_file().items():
        config.set(name, value)

    assert config.address == [("127.0.0.1", 8000)]
    assert config.worker_class is Worker
