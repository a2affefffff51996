"""§6.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactor_kernel.config.model import CorsConfig, ServerConfig
from reactor_kernel.contributions import Access, Mount

APP = "https://app.example.com"


class Get:
    def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {}


def server(**cors: Any) -> ServerConfig:
    return ServerConfig(cors=CorsConfig(**cors))


def preflight(served: Any, path: str, origin: str = APP, **headers: str) -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", **headers}
    return served.client.options(path, headers=asked)


def cors_of(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


MOUNTS = [Mount("/shop/v1/x", Get(), access=Access.USER)]


def test_it_is_off_unless_origins_are_listed(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS)
    assert cors_of(served.client.get("/shop/v1/x", headers={"Origin": APP})) == {}
    assert cors_of(preflight(served, "/shop/v1/x")) == {}


def test_a_preflight_is_answered_before_any_credential(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=(APP,)))
    asked = "authorization, x-reactor-org, x-anything"
    answer = preflight(served, "/shop/v1/x", **{"Access-Control-Request-Headers": asked})
    assert answer.status_code in (200, 204)
    assert answer.content == b""
    assert "x-request-id" in answer.headers
    found = cors_of(answer)
    assert set(found["access-control-allow-methods"].split(", ")) >= {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert set(asked.split(", ")) <= set(found["access-control-allow-headers"].lower().split(", "))
    assert found["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in found


def test_every_answer_carries_it_errors_included(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=(APP,), allow_credentials=True))
    answer = served.client.get("/shop/v1/x", headers={"Origin": APP})
    assert answer.status_code == 401
    assert cors_of(answer) == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "X-Request-Id, Retry-After, Content-Range",
    }
    assert answer.headers["Vary"] == "Origin"


def test_what_no_script_asked_for_is_kept_apart_by_caches(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=(APP,)))
    answer = served.client.get("/shop/v1/x")
    assert (cors_of(answer), answer.headers.get_list("Vary")) == ({}, ["Origin"])
    assert "Vary" not in served.client.get("/_admin/version").headers
    assert "Vary" not in serve(*MOUNTS, server=server(allow_origins=("*",))).client.get("/shop/v1/x").headers
    assert "Vary" not in serve(*MOUNTS).client.get("/shop/v1/x").headers


def test_any_origin_may_be_allowed(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=("*",)))
    for origin in (APP, "https://else.example", "null"):
        answer = served.client.get("/shop/v1/x", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "origin", ["https://app.example.com.evil.com", "http://app.example.com", "https://APP.example.com:444", "null", ""]
)
def test_only_the_exact_origin_is_let_in(serve: Callable[..., Any], origin: str) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=(APP,)))
    assert cors_of(served.client.get("/shop/v1/x", headers={"Origin": origin})) == {}
    assert cors_of(preflight(served, "/shop/v1/x", origin)) == {}


@pytest.mark.parametrize(
    "path", ["/_admin/version", "/_ops/v1/doctor", "/_cloud/v1/projects", "/_internal/resolve_ctx"]
)
def test_the_platforms_own_surfaces_never_carry_it(serve: Callable[..., Any], path: str) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=("*",)))
    assert cors_of(served.client.get(path, headers={"Origin": APP})) == {}
    assert cors_of(preflight(served, path)) == {}


def test_a_name_that_only_begins_like_them_does(serve: Callable[..., Any]) -> None:
    served = serve(*MOUNTS, server=server(allow_origins=("*",)))
    assert cors_of(served.client.get("/_admin_x", headers={"Origin": APP}))["access-control-allow-origin"] == "*"


def test_a_route_exposes_headers_of_its_own_errors_included(serve: Callable[..., Any]) -> None:
    uploads = Mount("/shop/v1/uploads", Get(), access=Access.USER, exposes=("Upload-Offset", "Retry-After"))
    served = serve(*MOUNTS, uploads, server=server(allow_origins=(APP,)))
    usual = "X-Request-Id, Retry-After, Content-Range"
    for path, exposed in (("/shop/v1/uploads", f"{usual}, Upload-Offset"), ("/shop/v1/x", usual)):
        answer = served.client.get(path, headers={"Origin": APP})
        assert answer.status_code == 401
        assert cors_of(answer)["access-control-expose-headers"] == exposed
    assert cors_of(served.client.get("/shop/v1/uploads", headers={"Origin": "https://other.example.com"})) == {}
