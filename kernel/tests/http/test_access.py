"""Every kind of route against every kind of caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactor_kernel.config.model import AdminConfig, OpsConfig
from reactor_kernel.contributions import Access, Fallback, MethodRule, Mount


class Who:
    """Says who calls."""

    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"subject": req.context.identity.subject if "look" in req.params else "unasked"}

    def on_put(self, req: Any, resp: Any) -> None:
        resp.media = {}


MOUNTS = [
    Mount("/shop/v1/public", Who(), access=Access.PUBLIC),
    Mount("/shop/v1/user", Who(), access=Access.USER),
    Mount("/shop/v1/permitted", Who(), access=Access.USER, permission="shop:read"),
    Mount("/shop/v1/forbidden", Who(), access=Access.USER, permission="shop:burn"),
    Mount("/shop/v1/admin", Who(), access=Access.ADMIN),
    Mount("/shop/v1/either", Who(), access=Access.ADMIN_OR_SERVICE),
    Mount("/shop/v1/internal", Who(), access=Access.INTERNAL),
    Mount("/shop/v1/operator", Who(), access=Access.OPERATOR, permission="ops:read"),
]
CALLERS = ("none", "bad", "user", "key", "service", "operator", "admin")
TABLE = {
    "public": (200, 200, 200, 200, 200, 200, 200),
    "user": (401, 401, 200, 200, 200, 200, 401),
    "permitted": (401, 401, 200, 403, 403, 403, 401),
    "forbidden": (401, 401, 403, 403, 403, 403, 401),
    "admin": (401, 401, 401, 401, 401, 401, 200),
    "either": (401, 401, 401, 401, 200, 401, 200),
    "internal": (401, 401, 403, 403, 200, 403, 401),
    "operator": (401, 401, 403, 401, 401, 200, 401),
}


@pytest.mark.parametrize("route", TABLE)
def test_each_kind_of_route_admits_exactly_its_callers(
    serve: Callable[..., Any], admin_header: dict[str, str], route: str
) -> None:
    served = serve(*MOUNTS)
    seen = []
    for caller in CALLERS:
        headers = {} if caller == "none" else {"Authorization": f"Bearer {caller}"}
        answer = served.client.get(f"/shop/v1/{route}", headers=admin_header if caller == "admin" else headers)
        seen.append(answer.status_code)
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        if answer.status_code != 200:
            assert answer.json()["ok"] is False
            assert answer.json()["error"]["status"] == answer.status_code
    assert tuple(seen) == TABLE[route]


def refusal(answer: Any) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_refusals_say_what_is_missing(serve: Callable[..., Any]) -> None:
    get = serve(*MOUNTS).client.get
    bad, user = {"Authorization": "Bearer bad"}, {"Authorization": "Bearer user"}
    assert refusal(get("/shop/v1/user")) == (401, "unauthorized", "A credential is required.")
    assert refusal(get("/shop/v1/user", headers=bad)) == (401, "invalid_token", "the token is not valid")
    assert refusal(get("/shop/v1/admin")) == (401, "unauthorized", "the admin token is required")
    assert refusal(get("/shop/v1/admin", headers=bad)) == (401, "unauthorized", "the admin token is wrong")
    assert refusal(get("/shop/v1/forbidden", headers=user)) == (
        403, "permission_denied", "this needs the permission shop:burn",
    )  # fmt: skip
    assert refusal(get("/shop/v1/internal", headers=user)) == (
        403, "permission_denied", "only services of this platform may call this",
    )  # fmt: skip
    assert refusal(get("/shop/v1/operator", headers=user)) == (
        403, "missing_scope", "this needs the platform scope ops:read",
    )  # fmt: skip


def test_without_an_operator_surface_its_routes_are_not_there(serve: Callable[..., Any]) -> None:
    get = serve(*MOUNTS, ops=OpsConfig(enabled=False)).client.get
    for caller in ("operator", "user", "bad"):
        hidden = get("/shop/v1/operator", headers={"Authorization": f"Bearer {caller}"})
        unknown = get("/shop/v1/nowhere")
        assert hidden.status_code == unknown.status_code == 404
        assert {**hidden.json()["error"], "request_id": ""} == {**unknown.json()["error"], "request_id": ""}


def test_a_public_route_learns_who_calls_only_when_it_asks(serve: Callable[..., Any]) -> None:
    get = serve(*MOUNTS).client.get
    bad = {"Authorization": "Bearer bad"}
    assert get("/shop/v1/public", headers=bad).json() == {"subject": "unasked"}
    assert get("/shop/v1/public?look", headers=bad).status_code == 401
    assert get("/shop/v1/public?look").json() == {"subject": "anon"}
    assert get("/shop/v1/public?look", headers={"Authorization": "bEaReR user"}).json() == {"subject": "user_1"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"X-Forwarded-For": "127.0.0.1, 203.0.113.9"}, 403),
        ({"X-Forwarded-For": "203.0.113.9, 127.0.0.1"}, 403),
        ({"X-Forwarded-For": "unknown"}, 403),
        ({"X-Real-IP": "203.0.113.9"}, 403),
        ({"Forwarded": 'for="[2001:db8::1]:4711";proto=https'}, 403),
        ({"Forwarded": "proto=https"}, 403),
        ({"X-Forwarded-For": "127.0.0.1"}, 200),
        ({"X-Forwarded-For": "::1"}, 200),
        ({}, 200),
    ],
)
def test_the_admin_token_works_only_for_callers_of_this_machine(
    serve: Callable[..., Any], admin_header: dict[str, str], headers: dict[str, str], status: int
) -> None:
    answer = serve(*MOUNTS).client.get("/shop/v1/admin", headers={**admin_header, **headers})
    assert answer.status_code == status
    if status == 403:
        assert refusal(answer) == (403, "forbidden", "admin access restricted to loopback")


def test_allow_remote_lifts_the_loopback_rule_but_not_the_token(
    serve: Callable[..., Any], admin_header: dict[str, str]
) -> None:
    config = AdminConfig(token=admin_header["Authorization"].split()[1], allow_remote=True)
    get = serve(*MOUNTS, admin=config).client.get
    remote = {"X-Forwarded-For": "203.0.113.9"}
    assert get("/shop/v1/admin", headers={**admin_header, **remote}).status_code == 200
    assert get("/shop/v1/admin", headers=remote).status_code == 401


@pytest.mark.parametrize("token", ["", "env:ADMIN_TOKEN", "vault:admin/token", "file:token", "{{ env ADMIN_TOKEN }}"])
def test_an_admin_token_that_was_never_resolved_opens_nothing(serve: Callable[..., Any], token: str) -> None:
    served = serve(*MOUNTS, admin=AdminConfig(token=token))
    for offered in (f"Bearer {token}", "Bearer ", "Bearer", token):
        answer = served.raw(
            f"GET /shop/v1/admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {offered}\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 401 "), answer


def test_a_method_may_deviate_from_its_mount(serve: Callable[..., Any]) -> None:
    mount = Mount("/shop/v1/x", Who(), access=Access.USER, methods={"GET": MethodRule(access=Access.PUBLIC)})
    served = serve(mount)
    assert served.client.get("/shop/v1/x").status_code == 200
    assert served.client.put("/shop/v1/x").status_code == 401
    assert [(r.method, r.path, r.access, r.plugin) for r in served.app.routes() if r.path == "/shop/v1/x"] == [
        ("GET", "/shop/v1/x", Access.PUBLIC, "shop"),
        ("PUT", "/shop/v1/x", Access.USER, "shop"),
    ]


def test_a_method_of_webdav_is_checked_as_any_other(serve: Callable[..., Any], admin_header: dict[str, str]) -> None:
    """Falcon routes COPY, MOVE and their like too."""

    class Shelf(Who):
        def on_copy(self, req: Any, resp: Any) -> None:
            resp.media = {"copied": True}

    client = serve(
        Mount("/shop/v1/shelf", Shelf(), access=Access.ADMIN),
        Mount("/shop/v1/mine", Shelf(), access=Access.PUBLIC, methods={"COPY": MethodRule(access=Access.USER)}),
    ).client
    assert refusal(client.request("COPY", "/shop/v1/shelf")) == (401, "unauthorized", "the admin token is required")
    assert client.request("COPY", "/shop/v1/shelf", headers=admin_header).json() == {"copied": True}
    assert refusal(client.request("COPY", "/shop/v1/mine")) == (401, "unauthorized", "A credential is required.")
    assert client.get("/shop/v1/mine").status_code == 200


def test_a_fallback_answers_with_its_responders_only(serve: Callable[..., Any]) -> None:
    class Site(Who):
        def on_renewal(self, *told: Any) -> None:
            raise AssertionError("a stranger called what is no responder")

    client = serve(fallback=[("shop", Fallback(Site()))]).client
    assert client.get("/about").status_code == 200
    odd = client.request("RENEWAL", "/about")
    assert refusal(odd) == (405, "method_not_allowed", "/about does not answer RENEWAL")
    assert odd.headers["Allow"] == "GET, PUT"
