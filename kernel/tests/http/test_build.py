"""What a build refuses, with whose fault it is; every fault at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactor_kernel.contributions import Access, Fallback, MethodRule, Mount, OpenApiFragment
from reactor_kernel.errors import BootError
from reactor_kernel.http.app import build_app


class Get:
    def on_get(self, req: Any, resp: Any, **params: str) -> None:
        resp.media = params


class Nothing:
    pass


OPERATION = {"get": {"responses": {"200": {"description": "OK"}}}}


def document(*paths: str) -> OpenApiFragment:
    return OpenApiFragment({"paths": dict.fromkeys(paths, OPERATION)})


def faults(parts: Any) -> list[str]:
    with pytest.raises(BootError) as caught:
        build_app(parts)
    return [str(fault) for fault in caught.value.faults]


def test_two_owners_of_a_path_are_both_named(parts: Callable[..., Any]) -> None:
    both = parts(
        mounts=[
            ("shop", Mount("/shop/v1/{item}", Get(), access=Access.PUBLIC)),
            ("rival", Mount("/shop/v1/{thing}", Get(), access=Access.PUBLIC)),
        ],
        openapi=[("shop", document("/shop/v1/{item}"))],
        prefixes={"shop": "/shop/v1", "rival": "/shop/v1"},
        versions={"shop": "2.1.0", "rival": "1.0.0"},
    )
    assert (
        "conflict error: /shop/v1/{thing}: is mounted by both shop (/shop/v1/{item}) and rival (/shop/v1/{thing})\n"
        "  fix: disable one of the two plugins, or change its path"
    ) in faults(both)


def test_every_fault_is_reported_at_once(parts: Callable[..., Any]) -> None:
    mounts = [
        Mount("/elsewhere/x", Get(), access=Access.PUBLIC),
        Mount("/shop/v1/nothing", Nothing(), access=Access.PUBLIC),
        Mount("/shop/v1/suffix", Get(), access=Access.PUBLIC, suffix="item"),
        Mount("/shop/v1/rule", Get(), access=Access.PUBLIC, methods={"PUT": MethodRule(access=Access.USER)}),
        Mount("/shop/v1/ops", Get(), access=Access.OPERATOR),
        Mount("/shop/v1/undocumented", Get(), access=Access.PUBLIC),
    ]
    found = faults(
        parts(
            *mounts,
            openapi=[("shop", document("/elsewhere/x", "/shop/v1/rule", "/shop/v1/ops", "/shop/v1/gone"))],
        )
    )
    mend, same = "\n  fix: mend the mount in shop", "\n  fix: make reactor_openapi and reactor_resources say the same"
    assert found == [
        "plugin error: shop 2.1.0: /elsewhere/x: lies outside of shop's prefix /shop/v1" + mend,
        "plugin error: shop 2.1.0: /shop/v1/nothing: Nothing answers no method: it has no on_get, on_post, …" + mend,
        "plugin error: shop 2.1.0: /shop/v1/suffix: Get answers no method with suffix 'item': it has no on_get, on_post, …"
        + mend,
        "plugin error: shop 2.1.0: /shop/v1/rule: has a rule for PUT, which its resource does not answer" + mend,
        "plugin error: shop 2.1.0: /shop/v1/ops: GET is for operators but names no permission" + mend,
        "plugin error: shop 2.1.0: GET /shop/v1/gone: is documented but not mounted" + same,
        "plugin error: shop 2.1.0: GET /shop/v1/undocumented: is mounted but not documented" + same,
    ]


def test_two_fallbacks_are_both_named(parts: Callable[..., Any]) -> None:
    two = parts(fallback=[("shop", Fallback(Get())), ("rival", Fallback(Get()))])
    assert faults(two) == [
        "conflict error: fallback: both shop and rival bring a fallback for unmatched requests\n"
        "  fix: disable one of the two plugins, or change its path"
    ]


@pytest.mark.parametrize(
    ("prefixes", "found"),
    [
        (
            {"shop": "/same/v1", "rival": "/same"},
            "conflict error: /same/v1: is the prefix of shop and lies within /same, the prefix of rival",
        ),
        ({"shop": "/same/v1", "rival": "/same/v1"}, "conflict error: /same/v1: is the prefix of both shop and rival"),
        (
            {"shop": "/_admin/shop", "rival": "/rival/v1"},
            "conflict error: /_admin/shop: is the prefix of shop and lies within /_admin, the prefix of kernel",
        ),
    ],
)
def test_prefixes_within_one_another_are_refused(
    parts: Callable[..., Any], prefixes: dict[str, str], found: str
) -> None:
    two = parts(prefixes=prefixes, versions={"shop": "2.1.0", "rival": "1.0.0"})
    assert faults(two)[:1] == [f"{found}\n  fix: disable one of the two plugins, or change its prefix"]


def test_further_prefixes_are_prefixes_too(parts: Callable[..., Any]) -> None:
    two = parts(
        prefixes={"shop": "/shop/v1", "rival": "/rival/v1"},
        extra_prefixes={"shop": ("/_till", "/shop/v1/till"), "rival": ("/_till/drawer", "/_admin/rival")},
        versions={"shop": "2.1.0", "rival": "1.0.0"},
    )
    fix = "\n  fix: disable one of the two plugins, or change its prefix"
    assert faults(two)[:2] == [
        f"conflict error: /_till/drawer: is the prefix of rival and lies within /_till, the prefix of shop{fix}",
        f"conflict error: /_admin/rival: is the prefix of rival and lies within /_admin, the prefix of kernel{fix}",
    ]


def test_prefixes_that_only_begin_alike_live_together(parts: Callable[..., Any]) -> None:
    app = build_app(
        parts(prefixes={"shop": "/shop/v1", "shops": "/shop/v10"}, versions={"shop": "2.1.0", "shops": "1.0.0"})
    )
    assert {route.plugin for route in app.routes()} == {"kernel", "shop", "shops"}


def test_a_mount_without_access_cannot_be_made() -> None:
    with pytest.raises(
        TypeError, match="access must be one of PUBLIC, USER, ADMIN, ADMIN_OR_SERVICE, INTERNAL, OPERATOR"
    ):
        Mount("/shop/v1/x", Get(), access=None)  # type: ignore[arg-type]


def test_the_well_known_tree_is_open_to_plugins(parts: Callable[..., Any]) -> None:
    mount = Mount("/.well-known/shop.json", Get(), access=Access.PUBLIC)
    app = build_app(parts(mount))
    assert [route.plugin for route in app.routes() if route.path == mount.path] == ["shop"]


def test_a_plugin_owns_its_further_prefixes_too(serve: Callable[..., Any]) -> None:
    class Site:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.text = f"page {req.path}"

    mount = Mount("/_shop/v1/till", Get(), access=Access.PUBLIC)
    extra = {"shop": ("/_shop/v1",)}
    served = serve(mount, extra_prefixes=extra, fallback=[("shop", Fallback(Site()))])
    assert served.client.get("/_shop/v1/till").status_code == 200
    # What a prefix owns never falls through to the sites.
    assert served.client.get("/_shop/v1/none").json()["error"]["code"] == "not_found"
    assert served.client.get("/_shop/v10").text == "page /_shop/v10"


def test_the_merged_document_says_what_is_mounted(serve: Callable[..., Any]) -> None:
    served = serve(Mount("/shop/v1/files/{key:path}", Get(), access=Access.USER))
    merged = served.client.get("/_api/openapi.json").json()
    assert (merged["openapi"], merged["info"]) == ("3.1.0", {"title": "Reactor API", "version": "9.9.9"})
    assert list(merged["paths"]) == [
        "/_api/openapi.json",
        "/health",
        "/metrics",
        "/shop/v1/files/{key}",
        "/shop/v1/health",
        "/shop/v1/openapi.json",
    ]
    assert merged["components"]["securitySchemes"] == {
        "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "projectKey": {"type": "apiKey", "in": "header", "name": "X-Reactor-Project-Key"},
    }
    own = served.client.get("/shop/v1/openapi.json").json()
    assert list(own["paths"]) == ["/shop/v1/files/{key}", "/shop/v1/health", "/shop/v1/openapi.json"]


def test_a_plugin_may_bring_its_own_health(serve: Callable[..., Any]) -> None:
    class Own:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.media = {"status": "ok", "workers": 3}

    assert serve().client.get("/shop/v1/health").json() == {"status": "ok", "version": "2.1.0"}
    own = serve(Mount("/shop/v1/health", Own(), access=Access.PUBLIC))
    assert own.client.get("/shop/v1/health").json() == {"status": "ok", "workers": 3}


def test_the_fallback_gets_what_no_prefix_owns(serve: Callable[..., Any]) -> None:
    class Site:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.text = f"page {req.path}"

    served = serve(fallback=[("shop", Fallback(Site()))])
    assert served.client.get("/about").text == "page /about"
    assert served.client.get("/shop/v10").text == "page /shop/v10"
    for path in ("/shop/v1/none", "/_admin/none", "/_api", "/health/x"):
        assert served.client.get(path).json()["error"]["code"] == "not_found", path
    assert served.client.put("/about").json()["error"]["code"] == "method_not_allowed"
