"""A plugin declares hooks with `reactor_hookspecs` and calls them through its context."""

from __future__ import annotations

import pytest

from reactor_kernel.api import Allow, Deny, HookKind, PluginInfo, hookimpl, hookspec


class OfficeSpecs:
    @hookspec(HookKind.COLLECT)
    def office_rooms(self, ctx, floor):
        """Yield rooms."""

    @hookspec(HookKind.ASK)
    def office_key(self, ctx, room):
        """Return the key of a room."""

    @hookspec(HookKind.VOTE)
    def office_enter(self, ctx, person):
        """Vote on a person."""

    @hookspec(HookKind.TELL)
    def office_closed(self, ctx):
        """Hear that the office closes."""


class Office:
    info = PluginInfo(name="office", version="1.0", api=(1, 1), summary="An office")

    @hookimpl
    def reactor_hookspecs(self):
        yield OfficeSpecs

    @hookimpl
    def reactor_health(self, ctx):
        self.ctx = ctx
        return ()


class Tenant:
    info = PluginInfo(name="tenant", version="1.0", api=(1, 0), summary="A tenant", after=("office",))

    def __init__(self):
        self.heard = []

    @hookimpl
    def reactor_health(self, ctx):
        self.ctx = ctx
        return ()

    @hookimpl
    def office_rooms(self, ctx, floor):
        assert ctx is self.ctx
        yield f"room {floor}1"
        yield f"room {floor}2"

    @hookimpl
    def office_key(self, room):
        return f"key of {room}"

    @hookimpl
    def office_enter(self, person):
        if person == "ghost":
            raise RuntimeError("boo")
        if person in ("mallory", "oscar"):
            return {"mallory": False, "oscar": Deny}[person]
        return Deny("not on the list") if person == "eve" else Allow()

    @hookimpl
    def office_closed(self):
        self.heard.append("closed")
        raise RuntimeError("still here")


def test_a_plugin_calls_its_own_hooks_and_no_others(kernel_factory, caplog):
    kernel = kernel_factory(Office, Tenant)
    office, tenant = (plugin.instance for plugin in kernel.enabled)
    hooks = office.ctx.hooks
    assert list(hooks.collect("office_rooms", floor=3)) == [("tenant", "room 31"), ("tenant", "room 32")]
    assert hooks.ask("office_key", room="31") == "key of 31"
    assert hooks.vote("office_enter", person="ann") == Allow()
    assert hooks.vote("office_enter", person="eve") == Deny("not on the list")
    assert hooks.vote("office_enter", person="ghost") == Deny("the tenant plugin could not decide")
    assert "office_enter of the plugin tenant failed" in caplog.text
    for person, answer in (("mallory", "False"), ("oscar", repr(Deny))):
        caplog.clear()
        assert hooks.vote("office_enter", person=person) == Deny("the tenant plugin could not decide")
        assert f"TypeError: office_enter must answer Allow, Deny or None, not {answer}" in caplog.text
    hooks.tell("office_closed")
    assert tenant.heard == ["closed"]
    assert "office_closed of the plugin tenant failed" in caplog.text

    with pytest.raises(ValueError, match="office_key is of the kind ask and cannot be called as vote"):
        hooks.vote("office_key", room="31")
    for name in ("reactor_probes", "office_kye"):
        with pytest.raises(ValueError, match=f"the plugin office declares no hook '{name}'; it may call its own only"):
            list(hooks.collect(name))
    with pytest.raises(ValueError, match="the plugin tenant declares no hook 'office_key'"):
        tenant.ctx.hooks.ask("office_key", room="31")
