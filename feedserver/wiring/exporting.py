"""What an export is to write."""

from __future__ import annotations

from feedserver.export.site import ExportPlan, Scope
from feedserver.settings import Settings
from feedserver.wiring.publishing import feed_limits, site_facts


def make_export_plan(settings: Settings, scope: Scope) -> ExportPlan:
    """What an export is to write."""
    return ExportPlan(
        state_dir=str(settings.state.dir.resolve()),
        site=site_facts(settings),
        limits=feed_limits(settings),
        redirects=dict(settings.redirects),
        scope=scope,
    )
