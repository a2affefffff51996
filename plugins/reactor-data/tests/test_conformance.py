"""The kit every plugin passes."""

from __future__ import annotations

from typing import ClassVar

from reactor_auth.plugin import AuthPlugin
from reactor_data.plugin import DataPlugin
from reactor_plugin_conformance import PluginConformance


class TestConformance(PluginConformance):
    plugin = DataPlugin
    requires = (AuthPlugin,)
    sections: ClassVar = {"auth": {"data_key": "A" * 43 + "=", "public_url": "http://127.0.0.1:8000"}}
