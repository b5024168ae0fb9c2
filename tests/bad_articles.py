"""A folder with every kind of bad input that must cost itself and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

GOOD = """---
title: A good article
date: 2024-05-01T10:00:00Z
link: https://example.org/good
topics: [Survival]
---
Text.
"""


def _article(front_matter: str) -> bytes:
    return f"---\n{front_matter}\n---\nText.\n".encode()


_DATED = "date: 2024-05-01\nlink: https://example.org/x"

# Each file by name: its content, and the code of the finding that names it.
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "no-front-matter.md": (b"Just text.\n", "no-front-matter"),
    "unclosed.md": (b"---\ntitle: x\ndate: 2024-05-01\n\nText without an end.\n", "front-matter-unclosed"),
    "syntax.md": (_article('title: "x\ndate: 2024-05-01'), "yaml-syntax"),
    "duplicate.md": (_article(f"title: x\n{_DATED}\ndraft: false\ndraft: false"), "duplicate-key"),
    "list.md": (_article("- a\n- b"), "not-a-mapping"),
    "wrong-type.md": (_article(f"title: [x]\n{_DATED}"), "wrong-type"),
    "no-date.md": (_article("title: x\ndate: soon\nlink: https://example.org/x"), "bad-date"),
    "impossible.md": (_article("title: x\ndate: 2024-02-30\nlink: https://example.org/x"), "bad-date"),
    "no-title.md": (_article(_DATED), "no-title"),
    "no-url.md": (_article("title: x\ndate: 2024-05-01"), "no-url"),
    "javascript.md": (_article('title: x\ndate: 2024-05-01\nlink: "javascript:alert(1)"'), "bad-url"),
    "latin-1.md": (_article(f"title: x\n{_DATED}") + b"caf\xe9\n", "not-utf8"),
    "control.md": (_article(f'title: "a\x0bb"\n{_DATED}'), "control-character"),
    "empty.md": (b"", "empty-file"),
    "large.md": (_article(f"title: x\n{_DATED}") + b"x" * 1_100_000, "too-large"),
    "bomb.md": (
        _article(
            f"title: x\n{_DATED}\nl0: &l0 x\n"
            + "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9))
        ),
        "too-many-values",
    ),
    "recursive.md": (_article(f"title: x\n{_DATED}\na: &a [*a]"), "yaml-alias"),
    "deep.md": (_article(f"title: x\n{_DATED}\nx: " + "[" * 500 + "]" * 500), "yaml-depth"),
    "deep-lists.md": (
        _article(f"title: x\n{_DATED}\nx:\n  a:\n" + "\n".join(f"{'    ' * n}    - k:" for n in range(400))),
        "yaml-depth",
    ),
    "python.md": (_article(f"title: !!python/object/apply:os.system [ls]\n{_DATED}"), "wrong-type"),
    "broken.json": (b'{"title": "x", "date": }', "json-syntax"),
    "broken-toml.md": (b"+++\ntitle = x\n+++\n", "toml-syntax"),
    "undated.md": (_article("title: x\nlink: https://example.org/x"), "undated"),
    "visibility.md": (_article(f"title: x\n{_DATED}\npublished: maybe"), "bad-visibility"),
}

# Things that are no plain files, by name and code.
BAD_ENTRIES = {
    "pipe.md": "not-a-file",
    "folder.md": "folder",
    "outside.md": "symlink-outside",
    "loop.md": "symlink-loop",
    "ring": "symlink-loop",
    "dangling.md": "symlink-broken",
}


def write_bad_articles(folder: Path) -> dict[str, str]:
    """Write them all, and a good one; the expected codes by path below the folder."""
    folder.mkdir(parents=True)
    (folder / "good.md").write_text(GOOD, encoding="utf-8")
    for name, (content, _) in BAD_FILES.items():
        (folder / name).write_bytes(content)
    outside = folder.parent / "outside.md"
    outside.write_text(GOOD.replace("A good article", "An outsider"), encoding="utf-8")
    os.mkfifo(folder / "pipe.md")
    (folder / "folder.md").mkdir()
    (folder / "outside.md").symlink_to(outside)
    (folder / "loop.md").symlink_to("loop.md")
    (folder / "ring").symlink_to(".")
    (folder / "dangling.md").symlink_to("nothing.md")
    return {name: code for name, (_, code) in BAD_FILES.items()} | BAD_ENTRIES
