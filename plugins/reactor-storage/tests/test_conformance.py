"""The kit every plugin passes."""

from __future__ import annotations

from typing import ClassVar

from reactor_auth.plugin import AuthPlugin
from reactor_plugin_conformance import PluginConformance
from reactor_storage.plugin import StoragePlugin


class TestConformance(PluginConformance):
    plugin = StoragePlugin
    requires = (AuthPlugin,)
    config: ClassVar = {"signing_secret": "a secret that signs URLs"}
    sections: ClassVar = {"auth": {"data_key": "A" * 43 + "=", "public_url": "http://127.0.0.1:8000"}}
