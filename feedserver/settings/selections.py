"""The settings of saved feeds, and the selections that they mean.

The words are those of an address, and `selections.parameters` reads them. Lists of alternatives, such as
`topics`, and nested conditions exist in settings only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StrictInt, model_validator

from feedserver.articles.selections.parameters import PARAMETERS, parse_values
from feedserver.articles.selections.values import AllOf, AnyOf, Condition, Criteria, InAny, NoneOf, Selection
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.errors import SelectionError
from feedserver.model import Kind, ListingKey
from feedserver.settings.kinds import Section, Text


def _listed(value: object) -> object:
    """A value or a list of values, as a list of texts."""
    if isinstance(value, bool):
        return [str(value).lower()]
    return [str(value)] if isinstance(value, (str, int)) else value


# As often as in an address: each value is asked for, and one value may name alternatives (`a,b`).
Values = Annotated[tuple[Text, ...], BeforeValidator(_listed)]


class ConditionSettings(Section):
    """Conditions on an article; it must meet all that are given."""

    topics: tuple[Text, ...] = ()
    providers: tuple[Text, ...] = ()
    categories: tuple[Text, ...] = ()
    topic: Values = ()
    not_topic: Values = ()
    provider: Values = ()
    not_provider: Values = ()
    domain: Values = ()
    not_domain: Values = ()
    category: Values = ()
    not_category: Values = ()
    type: Values = ()
    not_type: Values = ()
    language: Values = ()
    not_language: Values = ()
    author: Values = ()
    not_author: Values = ()
    q: Values = ()
    min_quality: StrictInt | None = None
    min_heat: StrictInt | None = None
    all: tuple[ConditionSettings, ...] = ()
    any: tuple[ConditionSettings, ...] = ()
    none: tuple[ConditionSettings, ...] = ()

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        try:
            criteria_of(self)
        except SelectionError as error:
            # A ValueError is what pydantic reports with the key.
            raise ValueError(str(error)) from error
        return self


class SelectionSettings(ConditionSettings):
    """A feed of one's own, and how it shows the articles that meet the conditions."""

    title: Text
    description: str = ""
    since: Values = ()
    sort: Values = ()
    limit: Annotated[StrictInt, Field(ge=1, le=500)] | None = None
    fold: Values = ()


def selection_of(name: str, settings: SelectionSettings) -> Selection:
    """The selection that the settings of a saved feed mean."""
    return Selection(
        name=name,
        title=settings.title,
        description=settings.description,
        criteria=criteria_of(settings),
    )


def criteria_of(settings: ConditionSettings) -> Criteria:
    """The criteria that conditions in the settings mean.

    Raises:
        SelectionError: if a value means nothing, or the selection exceeds a bound.
    """
    # No limit equals the default one here: the settings of a feed go before those of all feeds.
    stated = parse_values(dict(_stated(settings)), 0)
    condition = AllOf(parts=(*_alternatives(settings), *stated.condition.parts, *_nested(settings)))
    return Criteria(
        condition=condition, since=stated.since, sort=stated.sort, limit=stated.limit, fold=stated.fold
    )


def _stated(settings: ConditionSettings) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The values of parameters that an address could have, too."""
    for name in PARAMETERS:
        value = getattr(settings, name, None)
        if isinstance(value, tuple):
            yield name, value
        elif value is not None:
            yield name, (str(value),)


def _alternatives(settings: ConditionSettings) -> Iterator[Condition]:
    for names, kind in (
        (settings.topics, Kind.TOPIC),
        (settings.providers, Kind.PROVIDER),
        (settings.categories, Kind.CATEGORY),
    ):
        if names:
            yield InAny(listings=tuple(_key(kind, name) for name in names))


def _key(kind: Kind, name: str) -> ListingKey:
    domain = domain_slug(name) if kind is Kind.PROVIDER else ""
    return ListingKey(kind=Kind.DOMAIN, slug=domain) if domain else ListingKey(kind=kind, slug=slugify(name))


def _nested(settings: ConditionSettings) -> Iterator[Condition]:
    if settings.all:
        yield AllOf(parts=_conditions(settings.all))
    if settings.any:
        yield AnyOf(parts=_conditions(settings.any))
    if settings.none:
        yield NoneOf(parts=_conditions(settings.none))


def _conditions(several: Iterable[ConditionSettings]) -> tuple[Condition, ...]:
    return tuple(criteria_of(one).condition for one in several)
