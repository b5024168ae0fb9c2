"""A PostgreSQL server of the tests' own: a private data folder, an unprivileged user, loopback only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servers import PATIENCE, free_port

# Where Debian has the programs of each version; elsewhere they are on the path.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def program(name: str) -> str | None:
    """A program of the newest PostgreSQL here; None if there is none."""
    found = PROGRAMS[-1] / name if PROGRAMS else None
    return str(found) if found is not None and found.exists() else shutil.which(name)


def is_installed() -> bool:
    """Whether tests can start a server."""
    return program("initdb") is not None and program("postgres") is not None


class DatabaseServer:
    """A server, and how to stop it for a while.

    Args:
        folder: its own.
        options: further settings.
        primary: the server that it follows as a standby, if any.
        prefix: of its commands, such as one that moves to another host.
        network: of clients beside those of this host, as `10.77.0.0/24`.

    Attributes:
        url: of a database in which tests make schemas.
        port: on 127.0.0.1.
        folder: its own.
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping[str, str],
        primary: DatabaseServer | None = None,
        *,
        prefix: Sequence[str] = (),
        network: str = "",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"postgresql://feedserver@127.0.0.1:{self.port}/postgres"
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._prefix = [*prefix]
        if os.geteuid() == 0:  # which PostgreSQL refuses
            user = _unprivileged()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._prefix += [
                "setpriv",
                "--reuid",
                str(user.pw_uid),
                "--regid",
                str(user.pw_gid),
                "--clear-groups",
                # So that no server is left by a test run that is killed.
                "--pdeathsig",
                "INT",
            ]
        data = str(folder / "data")
        if primary is None:
            # No password on loopback, and no waiting for a disk that nobody needs later.
            self._run("initdb", "-D", data, "-U", "feedserver", "-A", "trust", "-E", "UTF8", "-N")
        else:
            self._run("pg_basebackup", "-D", data, "-d", primary.url, "-R", "-c", "fast", "-X", "stream")
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "fsync": "off"}
        lines = [f"{name} = '{value}'" for name, value in {**settings, **options}.items()]
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(["", f"port = {self.port}", *lines, ""]))
        if network:
            with (folder / "data" / "pg_hba.conf").open("a") as file:
                file.write(f"host all all {network} trust\n")

    def _run(self, name: str, *arguments: str) -> None:
        command = program(name)
        assert command is not None
        subprocess.run([*self._prefix, command, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        command = program("postgres")
        assert command is not None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, command, "-D", str(self.folder / "data")], stdout=log, stderr=log, cwd="/"
            )
        end = time.monotonic() + PATIENCE
        ready = [*self._prefix, program("pg_isready") or "pg_isready"]
        while subprocess.run([*ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode:
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: fast shutdown, or kill it and all its processes by SIGKILL."""
        process, self._process = self._process, None
        if process is None:
            return
        children = _children(process.pid)
        process.send_signal(number)
        for child in children if number is signal.SIGKILL else ():
            _kill(child)
        process.wait(PATIENCE)

    def demand_password(self, role: str) -> None:
        """Let one role in by its password only, from now on; the server runs."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._process is not None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def database_server(
    primary: DatabaseServer | None = None, disk: Path | None = None, **options: str
) -> Iterator[DatabaseServer]:
    """A running server, with further settings or as a standby; it and its data are gone afterwards.

    Args:
        primary: the server that it follows.
        disk: the folder in which it makes its own.
        options: its settings.
    """
    # Not in a folder of pytest, into which only its own user may look.
    folder = Path(tempfile.mkdtemp(prefix="feedserver-postgresql-", dir=disk))
    try:
        server = DatabaseServer(folder, options, primary)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
