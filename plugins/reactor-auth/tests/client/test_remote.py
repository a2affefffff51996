"""A process where identity runs elsewhere, and the routes it asks."""

from __future__ import annotations

import httpx
import pytest

from reactor_kernel.api import BootError, Unavailable
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
    assert [path for path in paths if "internal" in path or "/users/" in path] == []


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
