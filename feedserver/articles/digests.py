"""The digest that says whether a subscriber can see a difference (promise 1).

Stability contract: the digest of an article stays what it is for as long as the article does, across
restarts, machines and versions of this program, because the memory compares it with what it saw years
ago. Therefore:

- it is made of parsed fields, never of rendered HTML (`body_digest` stands for the body as written), so
  that a new Markdown renderer or sanitiser re-dates nothing;
- defaults are left out, so that a field may be added to the end of `model.Article`, or of a value inside
  it, with a default that means "not stated"; fields are never renamed, reordered or given other defaults;
- a golden digest is among the tests.
"""

from __future__ import annotations

import hashlib

import msgspec

from feedserver.model import Article

_ENCODER = msgspec.json.Encoder()


def visible_digest(article: Article) -> bytes:
    """The 16 bytes of BLAKE2b over the JSON of an article without its rendered body."""
    visible = msgspec.structs.replace(article, body_html="") if article.body_html else article
    return hashlib.blake2b(_ENCODER.encode(visible), digest_size=16).digest()
