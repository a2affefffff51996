"""Every way in which a plugin can break a boot, with the whole text of what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor_kernel.api import (
    KERNEL_API,
    Access,
    AuthClient,
    BackgroundService,
    CommandGroup,
    EventType,
    HealthCheck,
    Mount,
    OpenApiFragment,
    PluginContext,
    PluginInfo,
    Probe,
    ServiceProvider,
    hookimpl,
)
from reactor_kernel.errors import BootError, Fault
from reactor_kernel.kernel import Kernel, Stage
from reactor_kernel.plugins.discovery import State
from reactor_kernel.testing import ADMIN_TOKEN, KernelFactory, raw_config

Distribution = Callable[..., str]
OFFERED = ".".join(map(str, KERNEL_API))
GOOD = """
    from reactor_kernel.api import PluginInfo

    class Plugin:
        info = PluginInfo(name={name!r}, version="1.2", api=(1, 0))
"""


def scanned(root: Path, **sections: dict[str, Any]) -> Kernel:
    """A kernel that looks for installed plugins, with these sections."""
    return Kernel(raw_config(root, [], sections, database_url="postgresql://127.0.0.1:1/not_used"))


def place(root: Path, section: str) -> str:
    """Where a section stands in the written file."""
    lines = (root / "Reactor.toml").read_text().splitlines()
    return f"Reactor.toml:{lines.index(f'[{section}]') + 1}"


def said(kernel: Kernel, until: Stage = Stage.DISCOVERED) -> str:
    """Boot and return everything that is said about the faults."""
    with pytest.raises(BootError) as caught:
        kernel.boot(until)
    return str(caught.value)


def plugin(name: str, *, api: tuple[int, int] = (1, 0), **rest: Any) -> type:
    """A plugin class with a manifest and nothing else."""
    body = {key: value for key, value in rest.items() if key not in ("requires", "after")}
    order = {key: rest[key] for key in ("requires", "after") if key in rest}
    return type(name.title(), (), {"info": PluginInfo(name=name, version="1.2", api=api, **order), **body})


def collect(hook: str, *contributions: Any) -> dict[str, Any]:
    """The attribute of a plugin class that implements a collect hook without a context."""

    def implementation(self: Any) -> Iterable[Any]:
        return list(contributions)

    implementation.__name__ = hook
    return {hook: hookimpl(implementation)}


class Ping:
    """A resource that answers GET."""

    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"pong": True}


# -- loading ----------------------------------------------------------------------------------------------------------


def test_an_import_error_names_the_distribution_and_what_was_raised(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", "raise RuntimeError('no luck today')")
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        f"plugin error: thing 1.2: cannot be imported: RuntimeError: no luck today ({place(tmp_path, 'thing')})\n"
        "  fix: pip install --upgrade reactor-thing, or remove [thing]"
    )


def test_a_missing_library_is_named(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", "import no_such_library_qz.part")
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        f"plugin error: thing 1.2: cannot be imported: no module named 'no_such_library_qz' ({place(tmp_path, 'thing')})\n"
        "  fix: pip install --upgrade reactor-thing, or install the library that provides no_such_library_qz"
    )


def test_a_plugin_for_a_newer_kernel_says_to_upgrade_the_kernel(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", GOOD.format(name="thing").replace("(1, 0)", "(1, 99)"))
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        f"plugin error: thing 1.2: was written for kernel API 1.99; this kernel offers {OFFERED} ({place(tmp_path, 'thing')})\n"
        "  fix: pip install --upgrade reactor-kernel"
    )


def test_a_plugin_for_an_older_major_api_says_to_upgrade_the_plugin(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", GOOD.format(name="thing").replace("(1, 0)", "(0, 9)"))
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        f"plugin error: thing 1.2: was written for kernel API 0.9; this kernel offers {OFFERED} ({place(tmp_path, 'thing')})\n"
        "  fix: pip install --upgrade reactor-thing"
    )


def test_two_distributions_with_one_plugin_name_are_both_named(distribution: Distribution, tmp_path: Path) -> None:
    distribution("twin", GOOD.format(name="twin"), dist="reactor-twin-b", version="2.0")
    distribution("twin", GOOD.format(name="twin"), dist="reactor-twin-a")
    kernel = scanned(tmp_path, twin={})
    assert said(kernel) == (
        "plugin error: twin: two installed distributions offer a plugin named 'twin': "
        "reactor-twin-a 1.2 and reactor-twin-b 2.0\n"
        "  fix: pip uninstall reactor-twin-b or reactor-twin-a"
    )


def test_an_entry_point_and_its_manifest_must_agree_on_the_name(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", GOOD.format(name="other"))
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        "plugin error: thing 1.2: its entry point is named 'thing' but its PluginInfo.name is 'other' "
        f"({place(tmp_path, 'thing')})\n  fix: make the two equal"
    )


def test_a_class_that_cannot_be_made_is_reported_to_its_author(distribution: Distribution, tmp_path: Path) -> None:
    code = GOOD.format(name="thing") + "\n        def __init__(self):\n            raise ValueError('not today')\n"
    distribution("thing", code)
    kernel = scanned(tmp_path, thing={})
    assert said(kernel) == (
        f"plugin error: thing 1.2: cannot be made: ValueError: not today ({place(tmp_path, 'thing')})\n"
        "  fix: report it to the author of reactor-thing"
    )


def test_a_plugin_without_a_section_is_not_even_imported(distribution: Distribution, tmp_path: Path) -> None:
    distribution("thing", "raise RuntimeError('imported')")
    kernel = scanned(tmp_path).boot(Stage.DISCOVERED)
    assert kernel.plugins == []


def test_a_section_nobody_provides_is_a_warning_with_the_nearest_name(
    distribution: Distribution, tmp_path: Path
) -> None:
    distribution("thing", GOOD.format(name="thing"))
    kernel = scanned(tmp_path, thingg={}, zzz_qq={}).boot(Stage.DISCOVERED)
    assert kernel.warnings == [
        f"unknown section [thingg] ({place(tmp_path, 'thingg')}); did you mean [thing]?",
        f"unknown section [zzz_qq] ({place(tmp_path, 'zzz_qq')}): no installed plugin provides it; "
        "try: pip install reactor-zzz_qq",
    ]


def test_every_broken_plugin_is_reported_at_once(distribution: Distribution, tmp_path: Path) -> None:
    distribution("first", "raise RuntimeError('one')")
    distribution("second", "import no_such_library_qz")
    kernel = scanned(tmp_path, first={}, second={})
    with pytest.raises(BootError) as caught:
        kernel.boot(Stage.DISCOVERED)
    assert [(fault.plugin, fault.version) for fault in caught.value.faults] == [("first", "1.2"), ("second", "1.2")]


# -- order and hooks --------------------------------------------------------------------------------------------------


def test_plugins_that_wait_for_each_other_are_named_in_a_circle(kernel_factory: KernelFactory) -> None:
    one, two, three = (
        plugin("one", requires=("two",)),
        plugin("two", requires=("three",)),
        plugin("three", after=("one",)),
    )
    with pytest.raises(BootError) as caught:
        kernel_factory(one, two, three, until=Stage.DISCOVERED)
    assert str(caught.value) == (
        "plugin error: plugins wait for each other: one → two → three → one\n"
        "  fix: remove one of these names from `requires` or `after`"
    )


def test_a_required_plugin_that_is_not_configured_is_a_configuration_error(kernel_factory: KernelFactory) -> None:
    with pytest.raises(BootError) as caught:
        kernel_factory(plugin("upper", requires=("lower",)), until=Stage.DISCOVERED)
    assert str(caught.value) == (
        "config error: upper: depends on [lower], which is not configured\n  fix: add a [lower] section to Reactor.toml"
    )
    assert caught.value.exit_code == 2


def test_a_misspelt_hook_names_the_nearest(kernel_factory: KernelFactory) -> None:
    misspelt = plugin("thing", **collect("reactor_resource"))
    with pytest.raises(BootError) as caught:
        kernel_factory(misspelt, until=Stage.DISCOVERED)
    assert str(caught.value) == (
        "plugin error: thing 1.2: implements the hook 'reactor_resource', which does not exist\n"
        "  fix: did you mean 'reactor_resources'?"
    )


def test_a_hook_with_an_argument_nobody_passes_is_refused(kernel_factory: KernelFactory) -> None:
    class Thing:
        info = PluginInfo(name="thing", version="1.2", api=(1, 0))

        @hookimpl
        def reactor_probes(self, context: PluginContext) -> Iterable[Probe]:
            return []

    with pytest.raises(BootError) as caught:
        kernel_factory(Thing, until=Stage.DISCOVERED)
    [fault] = caught.value.faults
    assert (fault.plugin, fault.fix) == ("thing", "compare the signature with docs/hooks.md")
    assert "Argument(s) {'context'} are declared in the hookimpl but can not be found in the hookspec" in fault.message


def test_a_contribution_of_the_wrong_type_names_hook_and_types(kernel_factory: KernelFactory) -> None:
    wrong = plugin("thing", **collect("reactor_probes", "a string"))
    with pytest.raises(BootError) as caught:
        kernel_factory(wrong, until=Stage.COLLECTED)
    assert str(caught.value) == (
        "plugin error: thing 1.2: reactor_probes must yield Probe, not str\n  fix: see docs/hooks.md"
    )


@pytest.mark.parametrize(
    "hook", ["reactor_config_section", "reactor_schema", "reactor_resources", "reactor_background", "reactor_services"]
)
def test_a_plugin_that_raises_while_booting_is_named_with_its_hook(kernel_factory: KernelFactory, hook: str) -> None:
    def explode(self: Any) -> Iterable[Any]:
        raise LookupError("out of luck")

    explode.__name__ = hook
    with pytest.raises(BootError) as caught:
        kernel_factory(plugin("thing", **{hook: hookimpl(explode)}), until=Stage.COLLECTED)
    assert str(caught.value) == (
        f"plugin error: thing 1.2: {hook} raised LookupError: out of luck\n  fix: report it to the author of {__name__}"
    )


def test_what_a_plugin_itself_says_is_wrong_is_told_once_in_its_words(kernel_factory: KernelFactory) -> None:
    def refuse(self: Any) -> Iterable[Any]:
        raise BootError([Fault("config", "the shelf is full", subject="thing.shelf", fix="empty it", exit_code=2)])

    hooks = {"reactor_resources": hookimpl(refuse), "reactor_probes": hookimpl(refuse)}
    with pytest.raises(BootError) as caught:
        kernel_factory(plugin("thing", **hooks), until=Stage.COLLECTED)
    assert str(caught.value) == "config error: thing 1.2: thing.shelf: the shelf is full\n  fix: empty it"
    assert caught.value.exit_code == 2


# -- two owners -------------------------------------------------------------------------------------------------------


def both(kernel_factory: KernelFactory, until: Stage, **hooks: Any) -> str:
    with pytest.raises(BootError) as caught:
        kernel_factory(plugin("one", **hooks), plugin("two", **hooks), until=until)
    return str(caught.value)


def test_two_owners_of_a_route_are_both_named(kernel_factory: KernelFactory) -> None:
    one = type("One", (), {"info": PluginInfo(name="one", version="1.2", api=(1, 0), prefix="/same")})
    two = type("Two", (), {"info": PluginInfo(name="two", version="1.3", api=(1, 0), prefix="/same/v1")})
    document = OpenApiFragment({"paths": {"/same/v1/{a}": {"get": {"responses": {"200": {"description": "ok"}}}}}})
    one.reactor_openapi = collect("reactor_openapi", document)["reactor_openapi"]  # type: ignore[attr-defined]
    for owner, path in ((one, "/same/v1/{a}"), (two, "/same/v1/{b}")):
        for name, value in collect("reactor_resources", Mount(path, Ping(), access=Access.PUBLIC)).items():
            setattr(owner, name, value)
    with pytest.raises(BootError) as caught:
        kernel_factory(one, two, until=Stage.BUILT)
    assert str(caught.value) == (
        "conflict error: /same/v1: is the prefix of two and lies within /same, the prefix of one\n"
        "  fix: disable one of the two plugins, or change its prefix\n"
        "conflict error: /same/v1/{b}: is mounted by both one (/same/v1/{a}) and two (/same/v1/{b})\n"
        "  fix: disable one of the two plugins, or change its path"
    )


def test_two_owners_of_a_metric_are_both_named(kernel_factory: KernelFactory) -> None:
    def reactor_metrics(self: Any, ctx: PluginContext) -> Iterable[Any]:
        ctx.metrics.counter("shared_total", "Owned by both")
        return []

    said = both(kernel_factory, Stage.COLLECTED, reactor_metrics=hookimpl(reactor_metrics))
    assert said == (
        "conflict error: shared_total: metric 'shared_total' is contributed by both one and two\n"
        "  fix: rename it in one of the two, for instance reactor_two_…"
    )


def test_two_owners_of_a_command_are_both_named(kernel_factory: KernelFactory) -> None:
    hooks = collect("reactor_commands", CommandGroup("greet", "nowhere:greet", help="Greet"))
    assert both(kernel_factory, Stage.COLLECTED, **hooks) == (
        "conflict error: greet: command 'greet' is contributed by both one 1.2 and two 1.2\n"
        f"  fix: disable one of the two, or rename it in {__name__}"
    )


def test_two_owners_of_an_event_topic_and_of_a_background_service_are_named(kernel_factory: KernelFactory) -> None:
    hooks = collect("reactor_event_types", EventType("shared.thing.made", dict)) | collect(
        "reactor_background", BackgroundService("shared", lambda stop: None)
    )
    assert both(kernel_factory, Stage.COLLECTED, **hooks) == (
        "conflict error: shared.thing.made: event topic 'shared.thing.made' is contributed by both one 1.2 and two 1.2\n"
        f"  fix: disable one of the two, or rename it in {__name__}\n"
        "conflict error: shared: background service 'shared' is contributed by both one 1.2 and two 1.2\n"
        f"  fix: disable one of the two, or rename it in {__name__}"
    )


def test_two_providers_of_a_contract_are_named_with_the_way_to_choose(kernel_factory: KernelFactory) -> None:
    hooks = collect("reactor_services", ServiceProvider(AuthClient, object))
    assert both(kernel_factory, Stage.COLLECTED, **hooks) == (
        "conflict error: AuthClient: the service AuthClient is provided by both one and two\n"
        '  fix: choose one: [server.services] AuthClient = "one"'
    )


def test_a_route_outside_of_its_plugins_prefix_is_refused(kernel_factory: KernelFactory) -> None:
    hooks = collect("reactor_resources", Mount("/elsewhere/v1", Ping(), access=Access.PUBLIC))
    with pytest.raises(BootError) as caught:
        kernel_factory(plugin("thing", **hooks), until=Stage.BUILT)
    assert "/elsewhere/v1: lies outside of thing's prefix /thing/v1" in str(caught.value)


def test_a_route_without_access_metadata_cannot_even_be_written() -> None:
    with pytest.raises(TypeError, match="access"):
        Mount("/thing/v1", Ping())  # type: ignore[call-arg]


# -- optional ---------------------------------------------------------------------------------------------------------


def test_an_optional_plugin_fails_alone_and_says_why(distribution: Distribution, tmp_path: Path) -> None:
    distribution("broken", "import no_such_library_qz")
    distribution("sound", GOOD.format(name="sound"))
    kernel = scanned(tmp_path, broken={"optional": True}, sound={}).boot(Stage.BUILT)
    assert {found.name: (found.state, found.error) for found in kernel.plugins} == {
        "broken": (State.FAILED, "cannot be imported: no module named 'no_such_library_qz'"),
        "sound": (State.ENABLED, None),
    }


def test_what_is_healthy_stays_so_beside_a_failed_optional_plugin(kernel_factory: KernelFactory) -> None:
    def explode(self: object, ctx: PluginContext) -> Iterable[Mount]:
        raise RuntimeError("no ink")

    def check(self: object, ctx: PluginContext) -> Iterable[HealthCheck]:
        yield HealthCheck(lambda: None)

    press = plugin("press", reactor_resources=hookimpl(explode))
    looked_at = plugin("watched", reactor_health=hookimpl(check))
    kernel = kernel_factory(press, looked_at, plugin("quiet"), config={"press": {"optional": True}})
    transport = httpx.WSGITransport(app=kernel.app, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        health = client.get("/health")
        doctor = client.get("/_admin/doctor", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    [press_failed] = [found.error for found in kernel.plugins if found.name == "press"]
    assert press_failed is not None
    assert "no ink" in press_failed
    assert (health.status_code, health.json()) == (
        200,
        {
            "status": "healthy",
            "capabilities": [
                {"name": "quiet", "status": "healthy"},
                {"name": "watched", "status": "healthy"},
                {"name": "press", "status": "unhealthy", "error": press_failed, "optional": True},
            ],
        },
    )
    assert (doctor.status_code, doctor.json()["status"]) == (200, "warn")
    capabilities = doctor.json()["capabilities"]
    assert {name: capabilities[name] for name in ("press", "watched", "quiet")} == {
        "press": {
            "status": "warn",
            "details": {"boot": {"status": "warn", "message": f"is optional and does not run: {press_failed}"}},
        },
        "watched": {"status": "ok", "details": {"health": {"status": "ok", "message": "healthy"}}},
        "quiet": {
            "status": "warn",
            "details": {"none": {"status": "warn", "message": "brings no probe, so nothing was looked at"}},
        },
    }


def test_what_requires_a_failed_optional_plugin_fails_with_its_reason(
    distribution: Distribution, tmp_path: Path
) -> None:
    distribution("broken", "import no_such_library_qz")
    distribution("upper", GOOD.format(name="upper").replace("api=(1, 0)", "api=(1, 0), requires=('broken',)"))
    kernel = scanned(tmp_path, broken={"optional": True}, upper={})
    assert said(kernel) == (
        "plugin error: upper 1.2: needs broken, which failed: cannot be imported: no module named 'no_such_library_qz'\n"
        "  fix: mend broken, or set `optional = true` in [upper] as well"
    )
