"""What the tool sends to a server and how it ends when the server refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import reactor_kernel

if TYPE_CHECKING:
    from conftest import Scripted, Tool

LIST = ("vault", "list")


def test_a_request_carries_the_token_an_id_and_the_name_of_the_tool(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"secrets": [{"name": "a/b", "version": 2}]})
    done = reactor(*LIST, "--endpoint", scripted.url, env={"REACTOR_TOKEN": "sesame"})
    assert done.data == {"secrets": [{"name": "a/b", "version": 2}]}
    ((method, path, headers, _),) = scripted.requests
    assert (method, path) == ("GET", "/_admin/vault/secrets")
    assert headers["Authorization"] == "Bearer sesame"
    assert headers["User-Agent"] == f"reactor-client/{reactor_kernel.__version__}"
    assert headers["X-Request-Id"][14] == "7"


def test_a_flag_beats_the_environments_token(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"secrets": []})
    reactor(*LIST, "--endpoint", scripted.url, "--token", "flag", env={"REACTOR_TOKEN": "sesame"})
    assert scripted.requests[0][2]["Authorization"] == "Bearer flag"


def test_the_projects_token_is_shown_to_the_projects_server_only(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"version": "0.1.0", "capabilities": {}})
    reactor.project(port=int(scripted.url.rpartition(":")[2]))
    reactor("version")
    reactor("version", "--endpoint", scripted.url)
    reactor("version", "--endpoint", scripted.url.replace("127.0.0.1", "localhost"))
    shown = [headers.get("Authorization") for _, _, headers, _ in scripted.requests]
    assert shown == [f"Bearer {reactor.token}", f"Bearer {reactor.token}", None]


def test_a_wrapped_answer_is_unwrapped(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"ok": True, "data": {"secrets": []}})
    assert reactor(*LIST, "--endpoint", scripted.url).data == {"secrets": []}


@pytest.mark.parametrize(
    ("status", "server_code", "token", "code", "exit_code", "hint"),
    [
        (401, "unauthorized", None, "AUTH_REQUIRED", 3, "pass the admin token as REACTOR_TOKEN"),
        (401, "unauthorized", "x", "AUTH_FAILED", 3, "the token is not the one of this server; see [admin] token"),
        (
            403,
            "forbidden",
            "x",
            "PERMISSION_DENIED",
            3,
            "admin access is restricted to loopback unless [admin] allow_remote = true",
        ),
        (403, "step_up_required", "x", "PERMISSION_DENIED", 3, "sign in again with a security key"),
        (404, "not_found", "x", "CLIENT_ERROR", 1, None),
        (409, "conflict", "x", "CLIENT_ERROR", 1, None),
        (400, "validation_error", "x", "VALIDATION_ERROR", 4, None),
        (400, "bad_request", "x", "CLIENT_ERROR", 1, None),
        (500, "migration_failed", "x", "SERVER_ERROR", 5, None),
        (503, "unavailable", "x", "SERVER_ERROR", 5, None),
    ],
)
def test_a_refusal_has_its_code_and_exit_class(
    reactor: Tool,
    scripted: Scripted,
    status: int,
    server_code: str,
    token: str | None,
    code: str,
    exit_code: int,
    hint: str | None,
) -> None:
    scripted.refuse(status, server_code, "no")
    env = {"REACTOR_TOKEN": token} if token else {}
    done = reactor("migrate", "--endpoint", scripted.url, env=env)
    expected: dict[str, Any] = {
        "code": code,
        "message": "no",
        "details": {"server_code": server_code, "status": status, "request_id": "r-1"},
    }
    assert (done.code, done.error) == (exit_code, expected | ({"hint": hint} if hint else {}))
    assert len(scripted.requests) == 1, "POST is never tried again"


def test_reads_are_tried_again_on_5xx_with_a_fresh_id(reactor: Tool, scripted: Scripted) -> None:
    scripted.refuse(500, "internal_error", "no")
    scripted.refuse(503, "unavailable", "no")
    scripted.answer(200, {"secrets": []})
    assert reactor(*LIST, "--endpoint", scripted.url).data == {"secrets": []}
    assert len({headers["X-Request-Id"] for _, _, headers, _ in scripted.requests}) == 3


def test_the_last_of_four_attempts_counts(reactor: Tool, scripted: Scripted) -> None:
    scripted.refuse(500, "internal_error", "no")
    done = reactor(*LIST, "--endpoint", scripted.url)
    assert (done.code, done.error["code"], len(scripted.requests)) == (5, "SERVER_ERROR", 4)


def test_retry_after_is_honoured_for_reads_up_to_half_a_minute(reactor: Tool, scripted: Scripted) -> None:
    scripted.refuse(429, "rate_limited", "slow down", Retry_After="0")
    scripted.refuse(429, "rate_limited", "slow down", Retry_After="3600")
    done = reactor(*LIST, "--endpoint", scripted.url)
    assert (done.code, len(scripted.requests)) == (1, 2)
    assert (done.error["code"], done.error["hint"]) == ("CLIENT_ERROR", "try again in 3600 s")


@pytest.mark.parametrize(
    ("body", "server_code", "message"),
    [
        (b"<html>gateway</html>", "HTTP_404", "the server answered 404"),
        (b"", "HTTP_404", "the server answered 404"),
        (b'{"error": "flat"}', "HTTP_404", "the server answered 404"),
        (b"[1]", "HTTP_404", "the server answered 404"),
    ],
)
def test_a_refusal_that_is_no_envelope_is_named_by_its_status(
    reactor: Tool, scripted: Scripted, body: bytes, server_code: str, message: str
) -> None:
    scripted.answer(404, body)
    error = reactor(*LIST, "--endpoint", scripted.url).error
    assert error == {
        "code": "CLIENT_ERROR",
        "message": message,
        "details": {"server_code": server_code, "status": 404},
    }


@pytest.mark.parametrize("arguments", [("vault", "set", "a", "b"), ("vault", "unset", "a", "--yes"), ("logs", "-f")])
def test_a_redirect_is_no_success_and_is_not_followed(
    reactor: Tool, scripted: Scripted, arguments: tuple[str, ...]
) -> None:
    scripted.answer(308, b"", Location="https://shop.example/elsewhere")
    done = reactor(*arguments, "--endpoint", scripted.url)
    assert (done.code, done.error) == (
        2,
        {
            "code": "URL_ERROR",
            "message": f"{scripted.url} answered 308 instead of doing it and points to https://shop.example/elsewhere",
            "hint": "name the server by the URL at which it answers itself",
            "details": {"server_code": "HTTP_308", "status": 308},
        },
    )
    assert len(scripted.requests) == 1


def test_an_answer_that_is_not_json_is_the_servers_fault(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, b"<html>")
    done = reactor(*LIST, "--endpoint", scripted.url)
    assert (done.code, done.error["code"], done.error["hint"]) == (5, "SERVER_ERROR", "is it a Reactor server?")


def test_nothing_listening_is_a_network_failure(reactor: Tool) -> None:
    done = reactor("shutdown", "--endpoint", "http://127.0.0.1:1")
    assert (done.code, done.error) == (
        6,
        {
            "code": "CONNECTION_REFUSED",
            "message": "nothing listens at http://127.0.0.1:1",
            "hint": "is the server up? start it with: reactor up",
        },
    )


def test_an_unknown_host_is_a_network_failure(reactor: Tool) -> None:
    done = reactor("shutdown", "--endpoint", "http://no-such-host.invalid")
    assert (done.code, done.error["code"]) == (6, "NETWORK_ERROR")
    assert done.error["message"].startswith("http://no-such-host.invalid cannot be reached: ")


def test_a_proxy_is_not_shown_the_token_of_this_machine(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"secrets": []})
    done = reactor(*LIST, "--endpoint", scripted.url, env={"HTTP_PROXY": "http://127.0.0.1:1", "REACTOR_TOKEN": "x"})
    assert done.data == {"secrets": []}


def test_verbose_tells_requests_and_never_the_token(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"secrets": []})
    done = reactor(*LIST, "-v", "--endpoint", scripted.url, env={"REACTOR_TOKEN": "sesame"})
    assert done.data == {"secrets": []}
    assert f"debug: GET {scripted.url}/_admin/vault/secrets → 200 in " in done.err
    assert "sesame" not in done.err + done.out


def test_a_refused_confirmation_sends_nothing(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"status": "ok", "message": "gone"})
    arguments = ("vault", "unset", "a/b", "--endpoint", scripted.url)
    question = "removing the secret a/b with all its versions"
    done = reactor(*arguments)
    assert (done.code, done.error) == (
        1,
        {
            "code": "REQUIRES_CONFIRMATION",
            "message": f"{question} needs confirmation",
            "hint": "pass --yes or set REACTOR_ASSUME_YES=1",
        },
    )
    for typed in ("n\n", "\n", "yess\n"):
        asked = reactor.on_terminal(*arguments, typed=typed)
        assert (asked.code, asked.out.strip()) == (1, "")
        assert asked.err == f"{question}? [y/N] error: {question} was not confirmed; nothing was changed\n"
    assert scripted.requests == []
    assert reactor.on_terminal(*arguments, typed="Y\n").out.endswith("a/b is removed\n")
    for flags, env in (((), {"REACTOR_ASSUME_YES": "on"}), (("--yes",), {}), (("--yes",), {"REACTOR_ASSUME_YES": "0"})):
        assert reactor(*arguments, *flags, env=env).data == {"status": "ok", "key": "a/b"}
    assert reactor(*arguments, env={"REACTOR_ASSUME_YES": "0"}).code == 1
    assert [request[:2] for request in scripted.requests] == [("DELETE", "/_admin/vault/secrets/a%2Fb")] * 4


def test_a_binary_secret_travels_as_base64(reactor: Tool, scripted: Scripted) -> None:
    scripted.answer(200, {"status": "ok", "message": "stored"})
    (reactor.directory / "key.bin").write_bytes(b"\xff\x00")
    assert reactor("vault", "set", "k", "@key.bin", "--endpoint", scripted.url).data == {"status": "ok", "key": "k"}
    reactor("vault", "set", "k", "-", "--endpoint", scripted.url, stdin="wörd\n")
    bodies = [json.loads(body) for _, _, _, body in scripted.requests]
    assert bodies == [{"value": "/wA=", "is_base64": True}, {"value": "wörd", "is_base64": False}]
