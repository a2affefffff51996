"""What a plugin may ask about platform operators, and a schema that depends on the plugin's section."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from reactor_kernel.api import (
    Access,
    ConfigSection,
    DbRole,
    Identity,
    IdentityKind,
    Mount,
    OpenApiFragment,
    PluginContext,
    PluginInfo,
    SchemaBranch,
    hookimpl,
)
from reactor_kernel.kernel import Stage
from reactor_kernel.testing.project import ADMIN_TOKEN


@dataclass(frozen=True)
class TillConfig:
    elsewhere: bool = False


class TillResource:
    """Admits an operator, and tells what it learnt."""

    def __init__(self, ctx: PluginContext) -> None:
        self._operators = ctx.operators

    def on_get(self, req: Any, resp: Any) -> None:
        identity = self._operators.admit(req.context, req.get_param("scope"))
        resp.media = {"subject": identity.subject}


class Till:
    """A plugin with a route that decides for itself whom it admits."""

    info = PluginInfo(name="till", version="1.0", api=(1, 0))

    @hookimpl
    def reactor_config_section(self) -> Iterable[ConfigSection]:
        yield ConfigSection(TillConfig)

    @hookimpl
    def reactor_schema(self, ctx: PluginContext) -> Iterable[SchemaBranch]:
        if not ctx.config.elsewhere:
            yield SchemaBranch("till", "nowhere.migrations")

    @hookimpl
    def reactor_resources(self, ctx: PluginContext) -> Iterable[Mount]:
        yield Mount("/till/v1/open", TillResource(ctx), access=Access.PUBLIC)

    @hookimpl
    def reactor_openapi(self, ctx: PluginContext) -> Iterable[OpenApiFragment]:
        operation = {"responses": {"200": {"description": "OK"}}}
        yield OpenApiFragment({"paths": {"/till/v1/open": {"get": operation}}})

    @hookimpl
    def reactor_identify(self, ctx: PluginContext, request: Any) -> Identity | None:
        sent = request.get_header("Authorization")
        if sent is None:
            return None
        scopes, _, verified = sent.removeprefix("Bearer ").partition("/")
        claims = {"mfa_at": int(verified)} if verified else {}
        return Identity(
            IdentityKind.USER, "user_1", DbRole.AUTHENTICATED, scopes=frozenset(scopes.split()), claims=claims
        )


def test_a_plugin_admits_operators_by_the_rules_of_the_platform(kernel_factory: Any, frozen_clock: Any) -> None:
    config = {"ops": {"session_ttl_secs": 900, "trusted_networks": ["127.0.0.0/8"]}, "till": {}}
    kernel = kernel_factory(Till, config=config, until=Stage.BUILT)
    now = int(frozen_clock.now().timestamp())

    def ask(scope: str, held: str | None, address: str = "127.0.0.1") -> object:
        transport = httpx.WSGITransport(app=kernel.app, remote_addr=address)
        headers = {} if held is None else {"Authorization": f"Bearer {held}"}
        with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
            answer = client.get("/till/v1/open", params={"scope": scope}, headers=headers)
        return answer.json()["error"]["code"] if answer.status_code != 200 else answer.json()

    assert ask("ops:read", "ops:*", "192.0.2.1") == "untrusted_network"
    assert ask("ops:read", None) == "authentication_required"
    assert ask("ops:read", "cloud:*") == "missing_scope"
    assert ask("ops:read", "ops:*") == {"subject": "user_1"}
    assert ask("ops:cluster_admin", "ops:*") == "step_up_required"
    assert ask("ops:cluster_admin", f"ops:*/{now - 301}") == "step_up_required"
    assert ask("ops:cluster_admin", f"ops:*/{now - 300}") == {"subject": "user_1"}

    operators = kernel.hooks.context("till").operators
    assert (operators.enabled, operators.session_ttl_secs, operators.audit_retention_days) == (True, 900, 365)
    assert operators.needs_step_up("ops:cluster_admin")
    assert not operators.needs_step_up("ops:read")


@pytest.mark.parametrize(("text", "known"), [(ADMIN_TOKEN, True), (ADMIN_TOKEN[:-1], False), ("", False)])
def test_a_plugin_can_ask_whether_a_text_is_the_admin_token(kernel_factory: Any, text: str, known: bool) -> None:
    kernel = kernel_factory(Till, until=Stage.COLLECTED)
    assert kernel.hooks.context("till").operators.is_admin_token(text) is known


def test_a_section_decides_whether_there_is_a_schema(kernel_factory: Any) -> None:
    def branches(**section: bool) -> list[str]:
        kernel = kernel_factory(Till, config={"till": section}, until=Stage.COLLECTED)
        return [owned.item.label for owned in kernel.collected.branches]

    assert branches() == ["till"]
    assert branches(elsewhere=True) == []
