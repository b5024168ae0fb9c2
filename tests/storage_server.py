"""An S3 server of the tests' own (moto), on loopback, and a proxy before it that watches and disturbs.

moto runs in a process of its own, as the documentation of moto has it, and keeps its buckets in memory. The
proxy records each request, and can delay or refuse it or run a function before it is passed on.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
from servers import PATIENCE, free_port, started

from feedserver.export.target import OWN

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None or importlib.util.find_spec("obstore") is None,
    reason="moto or obstore is not installed (feedserver[test] has both)",
)

KEY = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_REGION": "us-east-1"}

_names = itertools.count()


class Request(NamedTuple):
    """A request that was passed on: its method, and its path without the bucket."""

    method: str
    path: str


@dataclass
class Storage:
    """A bucket behind the proxy.

    Attributes:
        environ: the environment of an export to it.
        requests: all that were passed on.
        most_at_once: how many requests were under way at a time, at most.
        before: called with each request before it is passed on; a status code is the answer instead.
        delay: seconds that each request takes longer.
    """

    moto: int
    port: int = 0
    bucket: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    before: Callable[[Request], int | None] = lambda _: None
    delay: float = 0.0

    @property
    def url(self) -> str:
        """The address for an export, with a prefix."""
        return f"s3://{self.bucket}/site"

    def uploads(self) -> list[str]:
        """The keys of documents that were uploaded so far, in their order."""
        return [one.path for one in self.requests if one.method == "PUT" and OWN not in one.path]

    def client(self) -> Any:
        """A client that is not ours, at the server itself."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.moto}",
            region_name=KEY["AWS_REGION"],
            aws_access_key_id=KEY["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEY["AWS_SECRET_ACCESS_KEY"],
        )

    def objects(self) -> dict[str, bytes]:
        """The documents that are stored, by key below the prefix."""
        return {name: self.head(name)[1] for name in self.names() if not name.startswith(OWN)}

    def names(self) -> list[str]:
        """The keys of all objects below the prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="site/")
        return [one["Key"].removeprefix("site/") for page in pages for one in page.get("Contents", ())]

    def head(self, name: str) -> tuple[Mapping[str, str], bytes]:
        """The headers and the bytes of an object as the store sends them."""
        found = self.client().get_object(Bucket=self.bucket, Key=f"site/{name}")
        return found["ResponseMetadata"]["HTTPHeaders"], found["Body"].read()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: Storage
    lock: threading.Lock
    under_way = 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        kind = type(self)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = (
            unquote(urlsplit(self.path).path).partition(f"/{self.storage.bucket}")[2].removeprefix("/site/")
        )
        request = Request(self.command, path)
        with self.lock:
            kind.under_way += 1
            self.storage.most_at_once = max(self.storage.most_at_once, kind.under_way)
            self.storage.requests.append(request)
        try:
            time.sleep(self.storage.delay)
            status = self.storage.before(request)
            if status is None:
                self._answer(*self._ask(body))
            else:
                self._answer(status, [], b"")
        finally:
            with self.lock:
                kind.under_way -= 1

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.storage.moto, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of a client that was killed
            self.wfile.write(body)


@contextlib.contextmanager
def moto_server(folder: Path, **environ: str) -> Iterator[int]:
    """A running server; its port."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with started(command, port, folder, environ) as server:
        server.wait_for(lambda: server.ask("/moto-api/").status == 200)
        yield port


@contextlib.contextmanager
def bucket_behind_proxy(moto: int) -> Iterator[Storage]:
    """An empty bucket of a server, behind a proxy of its own."""
    storage = Storage(moto, bucket=f"bucket-{next(_names)}-{moto}")
    storage.client().create_bucket(Bucket=storage.bucket)
    handler = type("Handler", (_Handler,), {"storage": storage, "lock": threading.Lock()})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.daemon_threads = True
    storage.port = proxy.server_address[1]
    storage.environ = {
        **KEY,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{storage.port}",
        "AWS_ALLOW_HTTP": "true",
    }
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield storage
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
