"""Measures an export to object storage beside one to a folder, with an S3 server in memory on this machine.

    python tests/benchmarks/object_storage.py FOLDER

FOLDER has the articles. Prints for each export the seconds of the export by its own account and of the whole
command, and the number and bytes of the stored documents and of the notes of the export. The store answers
from memory and without a network, so the figures say what feedserver and the requests take. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from storage_server import KEY, Storage, moto_server

from feedserver.export.target import OWN

BUCKET = "measured"
SITE = "https://feeds.example"


def export(articles: Path, folder: Path, storage: Storage, target: str, *options: str) -> str:
    """Run the command once; a line of the table."""
    command = [
        *(sys.executable, "-m", "feedserver", "export", target, str(articles), *options),
        *("--state-dir", str(folder / "state"), "--base-url", SITE),
    ]
    environ = {**os.environ, **KEY, "AWS_ALLOW_HTTP": "true"}
    environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{storage.moto}"
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - begun
    match = re.match(r"(\d+) documents in ([\d.]+) s: (\d+) written", done.stdout)
    if match is None:
        raise SystemExit(f"feedserver export said: {done.stdout}")
    return f"{match[1]} documents, {match[3]} written, {match[2]} s, command {whole:.2f} s"


def sizes(storage: Storage, prefix: str) -> str:
    """The objects below a prefix: documents, and notes of the export."""
    pages = storage.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
    found = [(one["Key"], one["Size"]) for page in pages for one in page.get("Contents", ())]
    documents = [size for key, size in found if OWN not in key]
    notes = [size for key, size in found if OWN in key]
    return f"{len(documents)} objects, {sum(documents):,} bytes; notes: {len(notes)}, {sum(notes):,} bytes"


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("articles", type=Path, metavar="FOLDER")
    articles = arguments.parse_args().articles.resolve()
    folder = Path(tempfile.mkdtemp(prefix="feedserver-storage-"))
    try:
        with moto_server(folder / "moto") as port:
            storage = Storage(port, bucket=BUCKET)
            storage.client().create_bucket(Bucket=BUCKET)
            print("index and folder:", export(articles, folder, storage, "out"))  # noqa: T201  its output
            for prefix, options in (("plain", ()), ("gzip", ("--gzip",))):
                for name in ("first", "nothing changed"):
                    line = export(articles, folder, storage, f"s3://{BUCKET}/{prefix}", *options)
                    print(f"{prefix}, {name}: {line}")  # noqa: T201  its output
                print(f"{prefix}: {sizes(storage, prefix)}")  # noqa: T201  its output
            shutil.rmtree(folder / "out")
            print("folder:", export(articles, folder, storage, "out"))  # noqa: T201  its output
            print("folder, nothing changed:", export(articles, folder, storage, "out"))  # noqa: T201  its output
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
