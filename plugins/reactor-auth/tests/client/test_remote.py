"""A process where identity runs elsewhere, and the routes it asks."""

from __future__ import annotations

import httpx
import pytest

from reactor_kernel.api import Access, BootError, Mount, OpenApiFragment, PluginInfo, Unavailable, hookimpl
from reactor_kernel.kernel import Stage

SECRET = "internal-secret-of-this-platform-0123456789"
SOME_ID = "019213f5-0000-7000-8000-000000000001"


@pytest.fixture
def remote(kernel_factory, remote_config):
    from reactor_auth.plugin import AuthPlugin

    return kernel_factory(AuthPlugin, config={"auth": remote_config}, until=Stage.BUILT)


def test_it_brings_no_table_and_no_route(remote):
    assert [owned for owned in remote.collected.branches if owned.plugin.name == "auth"] == []
    paths = [route.path for route in remote.app.routes() if route.plugin == "auth"]
    assert paths == ["/auth/v1/health", "/auth/v1/openapi.json"]
    transport = httpx.WSGITransport(app=remote.app, remote_addr="127.0.0.1")
    with httpx.Client(transport=transport, base_url="http://reactor.test") as client:
        assert client.post("/auth/v1/login", json={}).status_code == 404
        health = client.get("/health").json()
    assert {"name": "auth", "status": "healthy"} in health["capabilities"]


def test_identities_are_asked_for_once_in_thirty_seconds(
    kernel_factory, remote_config, live_server, frozen_clock, ann, client_of
):
    from reactor_auth.plugin import AuthPlugin

    auth = client_of(kernel_factory(AuthPlugin, config={"auth": remote_config}, until=Stage.BUILT))
    before = auth.resolve(ann.access_token)
    ann.post("/logout")
    frozen_clock.advance(seconds=29)
    assert auth.resolve(ann.access_token) is before
    frozen_clock.advance(seconds=2)
    with pytest.raises(Exception, match="session has been ended"):
        auth.resolve(ann.access_token)


def test_another_secret_is_this_servers_fault_not_the_callers(kernel_factory, remote_config, ann, client_of):
    from reactor_auth.plugin import AuthPlugin

    wrong = {**remote_config, "internal_secret": "another secret of thirty-two characters"}
    auth = client_of(kernel_factory(AuthPlugin, config={"auth": wrong}, until=Stage.BUILT))
    for call in (lambda: auth.resolve(ann.access_token), lambda: auth.user(ann.id)):
        with pytest.raises(Unavailable, match="refuses this server's internal secret"):
            call()
    # Tokens verify with the published keys all the same.
    assert auth.verify_token(ann.access_token).subject == f"user_{ann.id}"


def test_a_server_that_is_down_is_unavailable(kernel_factory, client_of):
    from reactor_auth.plugin import AuthPlugin

    gone = {"url": "http://127.0.0.1:1", "internal_secret": SECRET}
    kernel = kernel_factory(AuthPlugin, config={"auth": gone}, until=Stage.BUILT)
    auth = client_of(kernel)
    for call in (lambda: auth.resolve("a.b.c"), auth.jwks, lambda: auth.user(SOME_ID)):
        with pytest.raises(Unavailable, match="the auth server does not answer"):
            call()
    [health] = [owned.item for owned in kernel.collected.health if owned.plugin.name == "auth"]
    assert health.check() == "the auth server does not answer"


def test_the_probe_shows_the_secret_to_the_other_server(remote, kernel_factory, remote_config):
    from reactor_auth.plugin import AuthPlugin
    from reactor_kernel.api import Readiness

    def verdict(kernel):
        [probe] = [owned.item for owned in kernel.collected.probes if owned.plugin.name == "auth"]
        return probe.check()

    assert verdict(remote).status is Readiness.OK
    wrong = {**remote_config, "internal_secret": "another secret of thirty-two characters"}
    result = verdict(kernel_factory(AuthPlugin, config={"auth": wrong}, until=Stage.BUILT))
    assert (result.status, result.message) == (
        Readiness.FAIL,
        "the auth server refuses this server's internal secret",
    )


def test_service_tokens_need_the_secret(api, client, ann):
    ann.make_org("acme")
    path, wanted = "/auth/v1/_internal/service_token", {"org": "acme", "caller": "jobs", "scopes": ["data:*:read"]}
    for headers in ({}, {"X-Reactor-Internal-Secret": "wrong"}, {"Authorization": f"Bearer {ann.access_token}"}):
        answer = client.post(path, headers=headers, json=wanted)
        api.refused(answer, 401, "unauthorized", "the internal secret is missing or wrong")
    answer = client.post(path, headers={"X-Reactor-Internal-Secret": SECRET}, json=wanted)
    assert (answer.status_code, set(answer.json()), answer.headers["Cache-Control"]) == (200, {"token"}, "no-store")


class Shop:
    """A capability in the other process."""

    info = PluginInfo(name="shop", version="1.0", api=(1, 1), summary="Sells", requires=("auth",))

    @hookimpl
    def reactor_resources(self, ctx):
        class Sales:
            def on_get(self, req, resp):
                resp.media = {"user": req.context.identity.user_id}

            def on_post(self, req, resp):
                resp.media = {"user": req.context.identity.user_id}

        yield Mount("/shop/v1/sales", Sales(), access=Access.USER)

    @hookimpl
    def reactor_openapi(self, ctx):
        answers = {"responses": {"200": {"description": "Done"}}}
        yield OpenApiFragment({"paths": {"/shop/v1/sales": {"get": answers, "post": answers}}})


def test_an_applications_token_reaches_there_what_its_scopes_name(kernel_factory, remote_config, api, ann):
    from reactor_auth.plugin import AuthPlugin

    ann.make_org("acme")
    shop = kernel_factory(AuthPlugin, Shop, config={"auth": remote_config}, until=Stage.BUILT)
    transport = httpx.WSGITransport(app=shop.app, remote_addr="127.0.0.1")

    def call(method, token):
        with httpx.Client(transport=transport, base_url="http://reactor.test") as there:
            answer = there.request(method, "/shop/v1/sales", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.json()

    def token_of(*scopes):
        made = ann.post("/oauth/clients", {"name": "Till", "scopes": list(scopes),
                                           "grants": ["client_credentials"]}, org="acme")  # fmt: skip
        assert made.status_code == 201, made.text
        known = {name: made.json()[name] for name in ("client_id", "client_secret")}
        answer = api.call("POST", "/token", data={"grant_type": "client_credentials", **known})
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    assert call("POST", ann.access_token) == (200, {"user": ann.id})
    reader = token_of("shop:sales:read")
    assert call("GET", reader)[0] == 200
    status, body = call("POST", reader)
    assert (status, body["error"]["code"]) == (403, "permission_denied")
    assert call("GET", token_of("data:*:read"))[1]["error"]["message"] == (
        "the access token has no scope that lets its application read from shop"
    )


@pytest.mark.parametrize("path", ["/_internal/resolve_ctx", "/auth/v1/_internal/resolve_ctx"])
def test_resolving_over_http(api, client, ann, path):
    org = ann.make_org("acme")
    secret = {"X-Reactor-Internal-Secret": SECRET}
    bearer = {"Authorization": f"Bearer {ann.access_token}"}
    in_header = client.post(path, headers={**secret, **bearer, "X-Reactor-Org": "acme"})
    in_body = client.post(path, headers=secret, json={"token": ann.access_token, "requested_org": org["id"]})
    assert in_header.status_code == 200
    assert in_header.json() == in_body.json()
    answer = in_body.json()
    assert set(answer) == {"claims", "active_org", "permissions", "ctx", "identity"}
    assert (answer["active_org"], answer["permissions"]) == (org["id"], ["*"])
    assert answer["ctx"] == {name: answer[name] for name in ("claims", "active_org", "permissions")}

    message = "the internal secret is missing or wrong"
    for headers in ({}, {"X-Reactor-Internal-Secret": "wrong"}, {"X-Reactor-Internal-Secret": SECRET + "x"}):
        api.refused(client.post(path, headers={**headers, **bearer}), 401, "unauthorized", message)
    problem = "is required, in the body or as Authorization: Bearer <token>"
    answer = client.post(path, headers=secret)
    api.refused(answer, 400, "validation_error", f"token {problem}", fields={"token": [problem]})
    assert client.post(path, headers=secret, json={"token": "x"}).json()["error"]["code"] == "invalid_token"


def test_a_user_over_http(api, ann):
    secret = {"X-Reactor-Internal-Secret": SECRET}
    answer = api.call("GET", f"/users/{ann.id}", headers=secret).json()
    assert set(answer) == {*ann.user, "updated_at", "disabled_at"}
    api.refused(api.call("GET", f"/users/{ann.id}"), 401, "unauthorized", "the internal secret is missing or wrong")
    answer = api.call("GET", f"/users/{ann.id}", token=ann.access_token)
    assert answer.status_code == 401


def test_without_a_secret_the_routes_are_not_there(kernel_factory, reactor_config, reactor_database_url):
    from reactor_auth.plugin import AuthPlugin

    config = {"auth": {**reactor_config["auth"], "internal_secret": None}}
    kernel = kernel_factory(AuthPlugin, config=config, database_url=reactor_database_url)
    paths = [route.path for route in kernel.app.routes()]
    assert [path for path in paths if "internal" in path or path.startswith("/auth/v1/users/")] == []


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"url": "http://a.example"}, "auth.internal_secret: required where identity runs at another url"),
        ({"url": "nonsense", "internal_secret": SECRET}, "auth.url: must be an absolute URL"),
        ({"url": "http://a.example", "internal_secret": "short"}, "auth.internal_secret: must have at least 32"),
        ({}, "auth.data_key: required; set it under [auth] or as REACTOR_AUTH__DATA_KEY"),
    ],
)
def test_bad_configuration_stops_the_boot(kernel_factory, section, problem):
    from reactor_auth.plugin import AuthPlugin

    with pytest.raises(BootError) as caught:
        kernel_factory(AuthPlugin, config={"auth": section}, until=Stage.CONFIGURED)
    assert problem in str(caught.value)
