"""Makes the plan of an export from the settings."""

from __future__ import annotations

from pathlib import Path

from feedserver.export.object_form import ObjectForm
from feedserver.export.site import ExportPlan, Scope
from feedserver.export.storage.addresses import S3, scheme_of
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import cache_policy, feed_limits, site_facts


def make_export_plan(
    settings: Settings, scope: Scope, address: Path | str = "", *, gzip: bool = False
) -> ExportPlan:
    """The plan of an export.

    Args:
        settings: of the site.
        scope: the parts of the site to export.
        address: of the target; the form of the objects depends on it.
        gzip: whether objects are stored in gzip, if the target is object storage.
    """
    return ExportPlan(
        store=store_address(settings),
        site=site_facts(settings),
        limits=feed_limits(settings),
        redirects=dict(settings.redirects),
        scope=scope,
        objects=_object_form(settings, scheme_of(str(address)), gzip=gzip),
    )


def _object_form(settings: Settings, scheme: str, *, gzip: bool) -> ObjectForm | None:
    """How documents are stored; None for a folder. Only S3 sends metadata in a header that a CDN can read."""
    if not scheme:
        return None
    return ObjectForm(
        cache=cache_policy(settings), gzip=gzip, tags=scheme == S3 and settings.http.cache_tags == "cache-tag"
    )
