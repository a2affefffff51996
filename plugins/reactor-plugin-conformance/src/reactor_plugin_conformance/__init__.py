"""The tests every Reactor plugin should pass: inherit from `PluginConformance` and name the plugin."""

import pytest

__version__ = "0.1.0"

pytest.register_assert_rewrite(
    "reactor_plugin_conformance.manifest",
    "reactor_plugin_conformance.boot",
    "reactor_plugin_conformance.schema",
    "reactor_plugin_conformance.routes",
    "reactor_plugin_conformance.running",
)

from reactor_plugin_conformance.suite import PluginConformance  # noqa: E402 - its asserts are to be rewritten

__all__ = ["PluginConformance"]
