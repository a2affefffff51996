"""§6.8: what a log line holds, and what it never holds."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reactor_kernel.config.model import TracingConfig
from reactor_kernel.config.values import parse_log_filter
from reactor_kernel.observe.logs import LogRing, configure_logging, current_request_id, line_of, note_request
from reactor_kernel.observe.redact import MASK, redact, redact_text

SECRET = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=12, max_size=40)
WORDS = st.text("abc ,.:", max_size=20)
DISGUISES: dict[str, Callable[[str], str]] = {
    "bearer": lambda s: f"Authorization: Bearer {s}",
    "basic": lambda s: f"basic {s}",
    "api key": lambda s: f"rk_live_{s}",
    "project key": lambda s: f"rk_srv_{s}",
    "refresh token": lambda s: f"rrf_{s}",
    "jwt": lambda s: f"eyJ{s}.{s}.{s}",
    "url": lambda s: f"postgresql://shop:{s}@db:5432/shop",
    "query": lambda s: f"/x?limit=1&access_token={s}&a=b",
    "client secret": lambda s: f"/x?client_secret={s}&a=b",
    "conninfo": lambda s: f"host=db password='{s} \\' {s}' dbname=shop",
    "member": lambda s: f"{{'user': 'ann', 'new_password': '{s}'}}",
    "json": lambda s: json.dumps({"id_token": s, "user": "ann"}),
    "private key": lambda s: f"-----BEGIN RSA PRIVATE KEY-----\n{s}\n-----END RSA PRIVATE KEY-----",
}


@pytest.fixture
def configured() -> Iterator[Callable[..., tuple[io.StringIO, LogRing]]]:
    """Configure logging into memory; the root logger is put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    levels = {
        name: logger.level for name, logger in root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }

    def configure(**config: Any) -> tuple[io.StringIO, LogRing]:
        stream, ring = io.StringIO(), LogRing(size=1 << 20, first_id=1)
        if "filter" in config:
            config["filter"] = parse_log_filter(config["filter"])
        configure_logging(TracingConfig(**{"fmt": "json", **config}), ring=ring, stream=stream)
        return stream, ring

    yield configure
    root.handlers[:] = before
    root.setLevel(level)
    for name in [name for name in root.manager.loggerDict if name.startswith("reactor")]:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("reactor_shop", logging.INFO, __file__, 1, message, args, None)
    vars(made).update(fields)
    return made


def test_a_line_is_one_json_object_with_its_fields(configured: Callable[..., Any]) -> None:
    stream, ring = configured()
    current = current_request_id.set("r-1")
    try:
        logging.getLogger("reactor_kernel").warning("till %d\nis open", 3, extra={"till": 3, "user_id": "u-1"})
    finally:
        current_request_id.reset(current)
    [text] = stream.getvalue().splitlines()
    line = json.loads(text)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "warn",
        "target": "reactor_kernel",
        "message": "till 3\nis open",
        "capability": "kernel",
        "request_id": "r-1",
        "fields": {"till": 3, "user_id": "u-1"},
    }
    _, [(line_id, stored)], _ = ring.read(ring.start())
    assert (line_id, stored.decode()) == (1, text)


def test_an_exception_is_logged_with_its_traceback_and_without_its_secrets(configured: Callable[..., Any]) -> None:
    stream, _ = configured()
    try:
        raise OSError("cannot reach postgresql://shop:hunter2@db/shop")
    except OSError:
        logging.getLogger("reactor_kernel").exception("down")
    line = json.loads(stream.getvalue())
    assert "Traceback (most recent call last)" in line["fields"]["exception"]
    assert f"OSError: cannot reach postgresql://shop:{MASK}@db/shop" in line["fields"]["exception"]
    assert "hunter2" not in stream.getvalue()


def test_the_filter_drops_what_is_below_its_level(configured: Callable[..., Any]) -> None:
    stream, _ = configured(filter="warn")
    logging.getLogger("reactor_kernel").info("dropped")
    logging.getLogger("reactor_kernel").warning("kept")
    assert [json.loads(text)["message"] for text in stream.getvalue().splitlines()] == ["kept"]


def test_the_human_format_is_one_line_a_record_and_redacted_as_well(configured: Callable[..., Any]) -> None:
    stream, _ = configured(fmt="pretty")
    logging.getLogger("reactor_kernel").info("hello", extra={"till": 3, "token": "hunter2"})
    assert stream.getvalue()[8:] == f" info  reactor_kernel: hello till=3 token={MASK}\n"


def test_nothing_that_is_logged_forges_a_line_or_controls_the_terminal(configured: Callable[..., Any]) -> None:
    stream, _ = configured(fmt="pretty")
    evil = "a\n12:00:00 error all is lost\x1b[2J\r\u202eä"
    try:
        raise ValueError(evil)
    except ValueError:
        logging.getLogger("reactor_kernel").exception(evil, extra={"user": evil})
    shown = r"a\n12:00:00 error all is lost\x1b[2J\r\u202eä"
    first, *trace = stream.getvalue().splitlines()
    assert first[8:] == f" error reactor_kernel: {shown} user={shown}"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-2:] == ["ValueError: a", r"12:00:00 error all is lost\x1b[2J\r\u202eä"]


def test_configuring_again_does_not_double_lines(configured: Callable[..., Any]) -> None:
    configured()
    stream, _ = configured()
    logging.getLogger("reactor_kernel").info("once")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("disguise", DISGUISES)
@given(secret=SECRET, before=WORDS, after=WORDS)
def test_no_credential_survives_in_a_text(disguise: str, secret: str, before: str, after: str) -> None:
    assume(secret not in DISGUISES[disguise](""))  # as "Authorizatio", which the name of the header keeps
    text = f"{before} {DISGUISES[disguise](secret)} {after}"
    assert secret not in redact_text(text)
    assert MASK in redact_text(text)


@pytest.mark.parametrize("piece", ["a-", "a://", "eyJaaaa-", "-----END ", "_token ", "'x' "])
def test_a_long_text_made_of_what_only_begins_a_credential_is_read_once(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))  # read again from each of its places it takes the better part of an hour
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "cookie", "set_cookie", "password", "admin_token", "client_secret",
        "api_key", "apikey", "api-key", "data_key", "master_key", "credentials", "private_key",
    ],
)  # fmt: skip
@given(secret=SECRET)
def test_no_field_with_a_secrets_name_is_shown(name: str, secret: str) -> None:
    for value in (secret, [secret], {"inner": secret}, secret.encode(), 4711):
        assert redact(name, value) == MASK
    assert secret not in str(redact("outer", {"deep": [{name: secret}]}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_can_be_a_field(value: Any) -> None:
    line = line_of(record("m", field_of_mine=value))
    msgspec.json.encode(redact("x", str(line["fields"].keys())), enc_hook=str)


def test_a_private_key_without_its_end_is_not_shown() -> None:
    assert redact_text("-----BEGIN PRIVATE KEY-----\nhush\nhu") == MASK


def test_plain_words_are_left_alone() -> None:
    text = "user 42 bought 3 tokens of type basic; see https://example.com/a?b=c and postgresql://db:5432/shop"
    assert redact_text("GET /x 200") == "GET /x 200"
    assert redact_text("postgresql://db:5432/shop") == "postgresql://db:5432/shop"
    assert "https://example.com/a?b=c" in redact_text(text)


def test_requests_are_logged_soon_in_order_with_other_lines_and_without_secrets(
    configured: Callable[..., tuple[io.StringIO, LogRing]],
) -> None:
    stream, ring = configured()
    long_token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    for request_id in ("r-1", f"Bearer {long_token}"):
        noted = (1.5, request_id, "GET", "/x/{id}", "200", 0.00123, "noop", "127.0.0.1", "abc", None)
        assert note_request(noted)
    logging.getLogger("reactor_kernel").warning("after both")
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first == {
        "timestamp": "1970-01-01T00:00:01.500+00:00",
        "level": "info",
        "target": "reactor_kernel.http",
        "message": "request",
        "capability": "noop",
        "request_id": "r-1",
        "fields": {
            "method": "GET",
            "path": "/x/{id}",
            "status": 200,
            "latency_ms": 1.23,
            "client": "127.0.0.1",
            "project_ref": "abc",
        },
    }
    assert second["request_id"] == "Bearer [redacted]"
    assert third["message"] == "after both"
    assert note_request((2.0, "r-3", "GET", "/x/{id}", "200", 0.1, "noop", "127.0.0.1", "abc", "0192-user"))
    # Whoever reads the ring sees what was noted before.
    last = json.loads(ring.read(ring.start())[1][-1][1])
    assert (last["request_id"], last["fields"]["user_id"]) == ("r-3", "0192-user")


def test_requests_are_not_logged_where_the_filter_wants_only_warnings(
    configured: Callable[..., tuple[io.StringIO, LogRing]],
) -> None:
    stream, ring = configured(filter="warn")
    assert note_request((1.5, "r-1", "GET", "/x", "200", 0.1, "noop", "127.0.0.1", "abc", None))
    assert ring.read(ring.start())[1] == []
    assert stream.getvalue() == ""
