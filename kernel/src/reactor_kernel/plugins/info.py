"""What a plugin says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_PREFIX = re.compile(r"(/[a-z0-9._-]+)+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """The manifest data of a plugin.

    Attributes:
        name: one word, equal to the entry point's name and the section in Reactor.toml.
        version: the distribution's version.
        api: the kernel API (major, minor) the plugin was written against.
        summary: one line for `reactor plugins`.
        prefix: the URL prefix its routes live under; default `/<name>/v1`.
        extra_prefixes: further URL prefixes it owns, for routes that a contract puts elsewhere, e.g. `/_internal`.
        requires: plugins that must be enabled; they boot first and their services may be asked for.
        after: plugins that boot first when they are enabled; their services may be asked for.
    """

    name: str
    version: str
    api: tuple[int, int]
    summary: str = ""
    prefix: str | None = None
    extra_prefixes: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"plugin name {self.name!r} must be lower-case letters, digits and underscores")
        if self.prefix is not None and not _PREFIX.match(self.prefix):
            raise ValueError(f"prefix {self.prefix!r} of plugin {self.name} must look like /{self.name}/v1")
        for extra in self.extra_prefixes:
            if not _PREFIX.match(extra):
                raise ValueError(f"extra prefix {extra!r} of plugin {self.name} must look like /_{self.name}/v1")

    @property
    def url_prefix(self) -> str:
        """The prefix in force."""
        return self.prefix if self.prefix is not None else f"/{self.name}/v1"

    @property
    def schema(self) -> str:
        """The plugin's own database schema."""
        return f"_reactor_{self.name}"
