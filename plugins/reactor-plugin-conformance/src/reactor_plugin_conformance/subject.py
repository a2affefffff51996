"""What the checks are about, and how they boot it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from reactor_kernel.api import ConfigSection, PluginInfo, SchemaBranch
from reactor_kernel.kernel import Kernel, Stage
from reactor_kernel.testing import KernelFactory


class Subject:
    """The plugin under test.

    Attributes:
        plugin: the plugin class.
        config: its section; the least it needs, with a value for each secret you want watched.
        requires: classes of the plugins it needs to boot (`PluginInfo.requires`).
        sections: other sections that boot needs, by name.
    """

    plugin: ClassVar[type]
    config: ClassVar[Mapping[str, Any]] = {}
    requires: ClassVar[Sequence[type]] = ()
    sections: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @property
    def info(self) -> PluginInfo:
        """The manifest of the plugin."""
        found = self.plugin.info  # type: ignore[attr-defined]
        assert isinstance(found, PluginInfo), f"{self.plugin.__name__}.info must be a PluginInfo, not {found!r}"
        return found

    @property
    def package(self) -> str:
        """The import name of the distribution's package."""
        return self.plugin.__module__.partition(".")[0]

    @property
    def source(self) -> Path:
        """The directory of the package."""
        module = importlib.import_module(self.package)
        assert module.__file__ is not None, f"{self.package} has no __init__.py"
        return Path(module.__file__).parent

    def boot(self, factory: KernelFactory, **options: Any) -> Kernel:
        """Boot the plugin with what it requires; `own` replaces its section."""
        own = options.pop("own", self.config)
        config = {**self.sections, self.info.name: own}
        return factory(*self.requires, self.plugin, config=config, **options)

    def database_url(self, factory: KernelFactory) -> str:
        """Make a database in which the branches of the plugin and of what it requires are migrated."""
        return factory.database_url(*self.requires, self.plugin, config={**self.sections, self.info.name: self.config})

    def section(self) -> ConfigSection | None:
        """Return the declared section, if any."""
        found: ConfigSection | None = self._only("reactor_config_section")
        return found

    def branch(self, factory: KernelFactory) -> SchemaBranch | None:
        """Return the schema branch that a kernel collects from the plugin, if any."""
        kernel = self.boot(factory, until=Stage.COLLECTED)
        found = [owned.item for owned in kernel.collected.branches if owned.plugin.name == self.info.name]
        assert len(found) <= 1, f"reactor_schema yields {len(found)} contributions; at most one is allowed"
        return found[0] if found else None

    def declared(self, hook: str) -> list[Any]:
        """Call one of the plugin's hooks that take no context."""
        implementation = getattr(self.plugin(), hook, None)
        answers: Iterable[Any] = () if implementation is None else implementation() or ()
        return list(answers)

    def _only(self, hook: str) -> Any:
        answers = self.declared(hook)
        assert len(answers) <= 1, f"{hook} yields {len(answers)} contributions; at most one is allowed"
        return answers[0] if answers else None


def is_standard(module: str) -> bool:
    """Tell whether a module belongs to the standard library."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top.startswith("_")


__all__ = ["Stage", "Subject", "is_standard"]
