"""The version of the plugin API and what each minor version added.

A plugin declares the version it was written against (`PluginInfo.api`). The kernel loads it when the major
numbers are equal and the plugin's minor is not newer than the kernel's.
"""

KERNEL_API: tuple[int, int] = (1, 1)

HISTORY: dict[tuple[int, int], str] = {
    (1, 0): "The first published hooks, contributions and contracts.",
    (1, 1): "Streams: EventStream, SseEvent, RequestContext.claim_stream and .deadline, PluginContext.draining. "
    "MigrationFailed.exit_code. PluginContext.hooks: a plugin calls the hooks it brought itself. "
    "Commands that work anywhere (CommandGroup.anywhere) and talk to any server as its user (CommandContext). "
    "PluginInfo.extra_prefixes, reactor_schema(ctx), PluginContext.operators. "
    "ChangeFeed: authorised streams of row changes. BlobStore: contents of capabilities' own. "
    "EventStream takes ready frames and a heartbeat of one's own. "
    "Mount.dialect and .exposes. Identity.role_name. Database.run and .begin: isolation and abandoned; RequestContext.abandoned. "
    "MetricsRegistry.render. status_of. Tx.publish takes several events.",
}


def supports(wanted: tuple[int, int]) -> bool:
    """Tell whether a plugin written against `wanted` runs on this kernel."""
    return wanted[0] == KERNEL_API[0] and wanted[1] <= KERNEL_API[1]
