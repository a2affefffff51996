"""Every hook of kernel API 1, one class of specs per theme.

Four kinds. *collect*: each plugin is called once, in dependency order, and yields contributions. *ask*: the first answer
wins. *vote*: every answer is read, then combined; an exception counts as a refusal. *tell*: answers are ignored,
exceptions logged and counted. The kernel calls implementations one by one, so that a fault names its plugin.
"""

from reactor_kernel.hookspecs.database import DatabaseSpecs
from reactor_kernel.hookspecs.events import EventSpecs
from reactor_kernel.hookspecs.http import HttpSpecs
from reactor_kernel.hookspecs.lifecycle import LifecycleSpecs
from reactor_kernel.hookspecs.marker import PROJECT, HookKind, hookimpl, hookspec, kind_of
from reactor_kernel.hookspecs.operations import OperationSpecs
from reactor_kernel.hookspecs.plugin import PluginSpecs
from reactor_kernel.hookspecs.security import SecuritySpecs

ALL_SPECS: tuple[type, ...] = (
    PluginSpecs,
    DatabaseSpecs,
    HttpSpecs,
    SecuritySpecs,
    EventSpecs,
    OperationSpecs,
    LifecycleSpecs,
)

__all__ = ["ALL_SPECS", "PROJECT", "HookKind", "hookimpl", "hookspec", "kind_of"]
