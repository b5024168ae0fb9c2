"""Makes the plan of an export from the settings."""

from __future__ import annotations

from feedserver.export.site import ExportPlan, Scope
from feedserver.settings.sources import Settings
from feedserver.wiring.planning import store_address
from feedserver.wiring.publishing import feed_limits, site_facts


def make_export_plan(settings: Settings, scope: Scope) -> ExportPlan:
    """The plan of an export of the given scope."""
    return ExportPlan(
        store=store_address(settings),
        site=site_facts(settings),
        limits=feed_limits(settings),
        redirects=dict(settings.redirects),
        scope=scope,
    )
