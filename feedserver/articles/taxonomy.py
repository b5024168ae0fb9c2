"""Reads taxonomy files: descriptions of a topic or provider."""

from __future__ import annotations

from feedserver.articles.fields import Fields
from feedserver.articles.nodes import Scalar
from feedserver.articles.parts import read_domain, read_images
from feedserver.articles.slugs import cached_slug
from feedserver.findings import FindingCode, Severity
from feedserver.model import Taxonomy, TaxonomyKind


def is_taxonomy(fields: Fields) -> bool:
    """Whether the file describes a topic or provider.

    Other systems use the key `taxonomy` for other purposes, so only the two known values count.
    """
    entry = fields.find("taxonomy")
    return entry is not None and isinstance(entry.value, Scalar) and entry.value.text in set(TaxonomyKind)


def read_taxonomy(fields: Fields) -> Taxonomy | None:
    """The description of a topic or provider; None if it has no name, which is noted as an error.

    The domain of a provider is its name if it has no other. `parent` is the name of the parent topic.
    """
    domain = read_domain(fields, Severity.ERROR)
    name = fields.name("title", Severity.ERROR) or domain
    if not name:
        fields.notes.add(FindingCode.NO_NAME, "a taxonomy file must have a name")
        return None
    return Taxonomy(
        kind=TaxonomyKind(fields.text("taxonomy")),
        name=name,
        slug=cached_slug(name),
        domain=domain,
        parent=fields.text("parent"),
        description=fields.long_text("excerpt"),
        keywords=tuple(term.name for term in fields.terms("keywords")),
        images=read_images(fields),
    )
