"""Taxonomy files: the description of a topic or provider."""

from __future__ import annotations

from feedserver.articles.fields import Fields
from feedserver.articles.nodes import Scalar
from feedserver.articles.parts import read_domain, read_images
from feedserver.articles.slugs import slugify
from feedserver.model import Severity, Taxonomy, TaxonomyKind


def is_taxonomy(fields: Fields) -> bool:
    """Whether the file says that it describes a topic or provider.

    Other systems have a key of that name too, for other things: only the two known values count.
    """
    entry = fields.find("taxonomy")
    return entry is not None and isinstance(entry.value, Scalar) and entry.value.text in set(TaxonomyKind)


def read_taxonomy(fields: Fields) -> Taxonomy | None:
    """The description of a topic or provider; None if it has no name, which is noted as an error.

    A provider that states only its domain is named by it. `parent` is the name of the parent topic.
    """
    domain = read_domain(fields, Severity.ERROR)
    name = fields.text("title", Severity.ERROR) or domain
    if not name:
        fields.notes.error("no-name", "a taxonomy file must have a name")
        return None
    return Taxonomy(
        kind=TaxonomyKind(fields.text("taxonomy")),
        name=name,
        slug=slugify(name),
        domain=domain,
        parent=fields.text("parent", Severity.ERROR),
        description=fields.long_text("excerpt"),
        keywords=tuple(term.name for term in fields.terms("keywords")),
        images=read_images(fields),
    )
