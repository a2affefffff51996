"""What clients get from either engine: limits, envelopes, streams, slow clients."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
import uuid

import pytest

from .conftest import eventually

MIB = 1024 * 1024
TOO_LARGE = "the request body is larger than the 2097152 bytes this route accepts"


def envelope(body: bytes, status: int, code: str, message: str) -> str:
    """Check a whole error envelope; return its request id."""
    document = json.loads(body)
    rid = document["error"]["request_id"]
    assert document == {
        "ok": False,
        "error": {"code": code, "message": message, "status": status, "request_id": rid},
    }
    return rid


def raw(server, data: bytes) -> bytes:
    """Send bytes, return everything the server answers until it closes."""
    with server.connect() as sock:
        sock.sendall(data)
        return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while block := sock.recv(65536):
        received += block
    return received


def test_a_body_over_its_routes_limit_is_refused_by_length(start, engine):
    server = start("--engine", engine).until_up()
    answer = server.request("POST", "/upload", b"x" * (3 * MIB))
    assert answer.status == 413
    rid = envelope(answer.body, 413, "payload_too_large", TOO_LARGE)
    assert uuid.UUID(rid).version == 7
    assert answer.headers["x-request-id"] == rid
    assert answer.headers["connection"] == "close"


def test_a_declared_length_is_refused_before_any_body_is_sent(start, engine):
    server = start("--engine", engine).until_up()
    with server.connect() as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n")
        head = sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_over_its_routes_limit_is_refused_in_the_middle(start, engine):
    server = start("--engine", engine).until_up()
    with server.connect() as sock:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            sock.sendall(b"100000\r\n" + b"x" * MIB + b"\r\n")
        # The last chunk is never sent: the answer comes without it.
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 413 ")
    envelope(body, 413, "payload_too_large", TOO_LARGE)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_exactly_the_limit_passes(start, engine, chunked):
    server = start("--engine", engine).until_up()
    body = iter([b"x" * MIB, b"x" * MIB]) if chunked else b"x" * (2 * MIB)
    answer = server.request("POST", "/upload", body, encode_chunked=chunked)
    assert answer.json == {"received": 2 * MIB, "declared": str(2 * MIB)}


def test_a_chunked_body_in_one_byte_chunks_counts_its_content_only(start, engine):
    server = start("--engine", engine).until_up()
    chunks = b"1\r\nx\r\n" * 100_000
    answer = raw(
        server,
        b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunks
        + b"0\r\n\r\n",
    )
    assert b'"received": 100000' in answer


def test_who_uploads_what_the_application_does_not_read_gets_its_answer(start, engine):
    server = start("--engine", engine).until_up()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    for _ in range(3):
        connection.request("POST", "/unread", b"x" * (8 * MIB))
        response = connection.getresponse()
        assert response.status == 401
        response.read()
    connection.request("POST", "/big", b"y" * MIB)
    assert json.loads(connection.getresponse().read())["received"] == MIB
    connection.close()


def test_who_asks_before_sending_what_the_application_does_not_read_holds_no_thread(start, engine):
    server = start("--engine", engine, "--threads", 2).until_up()
    head = b"POST /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
    waiting = [server.connect() for _ in range(4)]
    for sock in waiting:
        sock.sendall(head)
    if engine == "granian":  # waitress takes bodies before the application sees their requests
        assert [sock.recv(65536).split(b"\r\n", 1)[0] for sock in waiting] == [b"HTTP/1.1 401 Unauthorized"] * 4
    assert server.get("/health").status == 200
    for sock in waiting:
        sock.close()


def test_each_route_has_its_own_limit_whatever_the_spelling_of_its_path(start, engine):
    server = start("--engine", engine).until_up()
    assert server.request("POST", "/big", b"x" * (3 * MIB)).json["received"] == 3 * MIB
    assert server.request("POST", "/b%69g", b"x" * (3 * MIB)).json["received"] == 3 * MIB
    assert server.request("POST", "//upload", b"x" * (3 * MIB)).status == 413


def test_lines_of_a_body_can_be_iterated(start, engine):
    server = start("--engine", engine).until_up()
    assert server.request("POST", "/lines", b"one\n\ntwo\nthree").json == {"lines": ["one\n", "\n", "two\n", "three"]}


def test_a_header_bomb_is_refused(start, engine):
    server = start("--engine", engine).until_up()
    answer = raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Bomb: " + b"a" * 70_000 + b"\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 431 ")
    envelope(body, 431, "request_header_fields_too_large", "the request line and headers are larger than 65536 bytes")
    # Far beyond the limit granian's own layer answers, without a body.
    answer = raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Bomb: " + b"a" * 400_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert server.answers()


def test_many_small_headers_are_a_bomb_too(start, engine):
    server = start("--engine", engine).until_up()
    answer = raw(server, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert server.answers()


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"GARBAGE\r\n\r\n", "the request is not well-formed HTTP: Start line is invalid"),
        (b"GET  /x\r\nHost: x\r\n\r\n", "the request is not well-formed HTTP: Start line is invalid"),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", "the request is not well-formed HTTP: Malformed HTTP method"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "the request is not well-formed HTTP: Invalid header"),
        (
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            "the request is not well-formed HTTP: Content-Length is invalid",
        ),
        (
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "the request is not well-formed HTTP: Content-Length and Transfer-Encoding exclude each other",
        ),
        (
            b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "the request is not well-formed HTTP: Invalid chunk size",
        ),
        (
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
            "the request is not well-formed HTTP: the address or Content-Length is invalid",
        ),
        (
            b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "the request is not well-formed HTTP: the address or Content-Length is invalid",
        ),
        (
            b"POST /upload HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "the request is not well-formed HTTP: Transfer-Encoding belongs to HTTP/1.1",
        ),
        (
            b"GET / HTTP/1.1\r\n Authorization: Bearer hunter2\r\n\r\n",
            "the request is not well-formed HTTP: Malformed header line",
        ),
    ],
)
def test_waitress_answers_malformed_requests_in_the_envelope(start, sent, message):
    server = start("--engine", "waitress").until_up()
    head, body = raw(server, sent).split(b"\r\n\r\n", 1)
    assert head.splitlines()[0].split()[1] == b"400"
    envelope(body, 400, "bad_request", message)
    assert b"hunter2" not in body
    assert server.answers()


def test_waitress_bounds_an_endless_chunk_size_line(start):
    server = start("--engine", "waitress").until_up()
    answer = raw(
        server, b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 20_000 + b"\r\n"
    )
    body = answer.split(b"\r\n\r\n", 1)[1]
    envelope(
        body, 400, "bad_request", "the request is not well-formed HTTP: a chunk's size line or the trailer is too long"
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"5\r\n\r\nhello",
    ],
)
def test_granian_refuses_malformed_requests(start, sent):
    pytest.importorskip("granian")
    server = start("--engine", "granian").until_up()
    assert raw(server, sent).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")) or raw(server, sent) == b""
    assert server.answers()


def test_an_own_request_id_comes_back_and_an_unusable_one_does_not(start, engine):
    server = start("--engine", engine).until_up()
    big = b"x" * (3 * MIB)
    assert server.request("POST", "/upload", big, {"X-Request-Id": "mine-1"}).json["error"]["request_id"] == "mine-1"
    minted = server.request("POST", "/upload", big, {"X-Request-Id": "a b"}).json["error"]["request_id"]
    assert uuid.UUID(minted).version == 7


def test_an_exception_of_the_application_shows_nothing_of_itself(start, engine):
    server = start("--engine", engine).until_up()
    answer = server.get("/boom")
    envelope(answer.body, 500, "internal_error", "something went wrong on the server")
    assert "hunter2" in server.log


def test_the_environment_of_the_process_is_not_the_requests(start, engine, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_PROCESS", "hunter2")
    server = start("--engine", engine).until_up()
    environ = server.request("GET", "/environ", headers={"X-Forwarded-For": "203.0.113.9"}).json
    assert "SECRET_OF_THE_PROCESS" not in environ
    # The kernel resolves these itself, so the engine must hand them on untouched.
    assert environ["HTTP_X_FORWARDED_FOR"] == "203.0.113.9"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"


def test_waitress_names_no_server_and_keeps_the_path_as_it_was_sent(start):
    server = start("--engine", "waitress").until_up()
    answer = server.get("/environ?a=%2F")
    assert "server" not in answer.headers
    assert answer.json["QUERY_STRING"] == "a=%2F"
    assert server.request("GET", "/a%2Fb/%2e%2e").json["path"] == "/a/b/.."


def test_a_client_that_goes_away_closes_the_response_iterator(start, engine, tmp_path):
    server = start("--engine", engine).until_up()
    mark = tmp_path / "mark"
    with server.connect() as sock:
        sock.sendall(f"GET /stream?mark={mark} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"data: tick" in sock.recv(65536) + sock.recv(65536)
    assert eventually(lambda: mark.exists() and mark.read_text() == "closed")


def test_who_expects_to_be_told_to_continue_with_nothing_is_answered(start, engine):
    server = start("--engine", engine).until_up()
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert raw(server, head).startswith(b"HTTP/1.1 200 ")


def test_requests_on_one_connection_follow_each_other(start, engine):
    server = start("--engine", engine).until_up()
    answer = raw(
        server,
        b"GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert re.findall(rb'"path": "(/\w+)"', answer) == [b"/one", b"/two"]


def test_clients_that_dribble_their_heads_hold_no_thread(start, engine):
    server = start("--engine", engine, "--threads", "2").until_up()
    slow = [server.connect() for _ in range(50)]
    for sock in slow:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    assert server.get("/health").status == 200
    for sock in slow:
        sock.close()


def test_clients_that_dribble_their_bodies_cannot_hold_every_thread(start, engine):
    server = start("--engine", engine, "--threads", "4").until_up()
    slow = [server.connect() for _ in range(20)]
    for sock in slow:
        sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
    assert server.get("/health").status == 200
    if engine == "granian":
        # Two wait for bodies, the others were told to come back.
        refused = [sock for sock in slow if _has_answer(sock)]
        assert len(refused) == 18
        assert refused[0].recv(65536).startswith(b"HTTP/1.1 503 ")
    for sock in slow:
        sock.close()
    eventually(lambda: server.request("POST", "/upload", b"hello").status == 200)


def _has_answer(sock: socket.socket) -> bool:
    sock.settimeout(3)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def test_waitress_ends_requests_that_take_too_long_to_arrive():
    """Driven in-process, because the real timeouts are longer than a test."""
    import threading

    from reactor_kernel.contributions import ServeRequest
    from reactor_kernel.runtime.binding import bind
    from reactor_kernel.runtime.engines import WAITRESS

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    listener, stop = bind("127.0.0.1", 0), threading.Event()
    address = listener.getsockname()
    request = ServeRequest(
        app=app,
        listener=listener,
        threads=2,
        body_limit=100,
        body_limit_for=lambda method, path: 100,
        drain_timeout=5,
        stop=stop,
        options={"header_timeout_secs": 0.2, "cleanup_interval_secs": 0, "idle_timeout_secs": 6},
    )
    server = threading.Thread(target=WAITRESS.serve, args=(request,))
    server.start()
    try:
        with (
            socket.create_connection(address, timeout=10) as dribbling,
            socket.create_connection(address, timeout=10) as idle,
        ):
            dribbling.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
            head, body = read_all(dribbling).split(b"\r\n\r\n", 1)
            assert head.startswith(b"HTTP/1.1 408 ")
            envelope(body, 408, "request_timeout", "the request was not received in time")
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_all(idle).endswith(b"ok")
    finally:
        stop.set()
        server.join(10)
    assert not server.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)


def test_a_missing_granian_is_a_clear_fault(monkeypatch):
    import importlib.metadata

    from reactor_kernel.errors import BootError
    from reactor_kernel.runtime.engines import GRANIAN

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(BootError) as caught:
        GRANIAN.check()
    assert str(caught.value) == (
        "config error: server.engine: granian is not installed\n"
        "  fix: pip install 'reactor-kernel[granian]', or set [server] engine = \"waitress\""
    )
    assert caught.value.exit_code == 2
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.0.0")
    with pytest.raises(BootError) as caught:
        GRANIAN.check()
    assert str(caught.value).startswith(
        "config error: server.engine: granian 3.0.0 is installed, but Reactor runs with >=2.6,<2.9\n"
    )


def test_serving_starts_without_importing_either_engine():
    import subprocess
    import sys

    program = (
        "import sys, reactor_kernel.runtime.serve, reactor_kernel.runtime.engines, reactor_kernel.runtime.supervisor\n"
        "print([name for name in ('waitress', 'granian', 'asyncio') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_drained_server_lets_the_stream_say_goodbye(start, engine):
    server = start("--engine", engine).until_up()
    with server.connect() as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        received = sock.recv(65536)
        time.sleep(0.2)
        server.signal(15)
        received += read_all(sock)
    assert b"event: shutdown" in received
    assert received.endswith(b"0\r\n\r\n")
    assert server.wait() == 0
