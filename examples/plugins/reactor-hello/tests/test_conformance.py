"""The kit every plugin author can run."""

from __future__ import annotations

from typing import ClassVar

from reactor_hello.plugin import HelloPlugin
from reactor_plugin_conformance import PluginConformance


class TestConformance(PluginConformance):
    plugin = HelloPlugin
    config: ClassVar = {"greeting": "Ahoy", "seal_key": "a-secret-that-must-not-be-seen"}
