"""The class a plugin author inherits from."""

from __future__ import annotations

from reactor_plugin_conformance.boot import BootChecks
from reactor_plugin_conformance.manifest import ManifestChecks
from reactor_plugin_conformance.routes import RouteChecks
from reactor_plugin_conformance.running import RunningChecks
from reactor_plugin_conformance.schema import SchemaChecks


class PluginConformance(ManifestChecks, BootChecks, SchemaChecks, RouteChecks, RunningChecks):
    """Every check, for the plugin named by the class attributes; see `subject.Subject` for what they mean."""
