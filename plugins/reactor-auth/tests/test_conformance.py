"""What every plugin promises."""

from __future__ import annotations

import base64
from typing import ClassVar

from reactor_auth.plugin import AuthPlugin
from reactor_plugin_conformance import PluginConformance


class TestConformance(PluginConformance):
    plugin = AuthPlugin
    config: ClassVar = {"data_key": base64.b64encode(bytes(32)).decode(), "public_url": "http://127.0.0.1:8000"}
