"""The kit every plugin passes."""

from __future__ import annotations

from typing import ClassVar

from reactor_auth.plugin import AuthPlugin
from reactor_plugin_conformance import PluginConformance


class TestConformance(PluginConformance):
    plugin = AuthPlugin
    config: ClassVar = {
        "data_key": "c2VjcmV0LW9mLXRoZS1jb25mb3JtYW5jZS10ZXN0ISE=",
        "public_url": "http://127.0.0.1:8000",
    }
