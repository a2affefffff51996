"""A forgotten password over two server processes, with a real mail server between them and the person."""

from __future__ import annotations

import email
import email.policy
import re
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiosmtpd.controller import Controller

from reactor_kernel.testing import free_port

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


class Mailbox:
    """A mail server that keeps what arrives."""

    def __init__(self) -> None:
        self._arrived: list[tuple[list[str], str]] = []
        self._came = threading.Condition()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        plain = message.get_body(("plain",))
        assert plain is not None
        with self._came:
            self._arrived.append((envelope.rcpt_tos, plain.get_content()))
            self._came.notify_all()
        return "250 OK"

    def link(self, to: str, path: str) -> str:
        """Wait for somebody's mail with a link to a path; return the link's path and query."""

        def found() -> list[str]:
            texts = [text for recipients, text in self._arrived if recipients == [to]]
            return [link for text in texts for link in re.findall(r"https?://\S+", text) if path in link]

        with self._came:
            assert self._came.wait_for(lambda: bool(found()), 30), self._arrived
            parts = urlsplit(found()[-1])
        return f"{parts.path}?{parts.query}"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    found, port = Mailbox(), free_port()
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    yield found, port
    controller.stop()


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"]) if answer.status_code >= 400 else "ok"


def open_link(node: Any, link: str, accept: str) -> httpx.Response:
    return httpx.get(f"{node.server.url}{link}", headers={"Accept": accept}, timeout=20)


def test_a_link_survives_scanners_and_a_weak_password_and_ends_every_session(
    start_pair: Any, mailbox: tuple[Mailbox, int], eventually: Any
) -> None:
    mails, port = mailbox
    pair = start_pair(
        AUTH__SMTP__HOST="127.0.0.1",
        AUTH__SMTP__PORT=port,
        AUTH__SMTP__TLS="none",
        AUTH__SMTP__FROM="no-reply@a.example",
    )
    ann = pair.one.sign_up("ann@example.com")
    bob = pair.two.sign_up("bob@example.com")
    phone = pair.two.sign_in("ann@example.com")

    # Programs that scan mail open every link, as often as they like; the human presses the page's button.
    link = mails.link("ann@example.com", "/verify")
    for node in pair.nodes:
        for _ in range(3):
            assert open_link(node, link, "text/html,*/*;q=0.8").status_code == 200
    [token] = parse_qs(urlsplit(link).query)["token"]
    pressed = pair.two.call("POST", "/verify", data={"type": "signup", "token": token})
    assert pressed.status_code in (200, 303), pressed.text
    assert pair.one.call("GET", "/user", ann["access_token"]).json()["email_verified"] is True

    assert pair.two.call("POST", "/password-reset/request", json={"email": "ann@example.com"}).status_code == 202
    link = mails.link("ann@example.com", "/reset")
    for node in pair.nodes:
        for accept in ("text/html,*/*;q=0.8", "*/*", "application/json"):
            assert open_link(node, link, accept).status_code in (200, 406)
    [token] = parse_qs(urlsplit(link).query)["token"]

    def choose(node: Any, password: str) -> str:
        body = {"token": token, "new_password": password}
        return code(node.call("POST", "/password-reset/confirm", json=body))

    assert [choose(node, "short") for node in pair.nodes] == ["weak_password"] * 2
    for session in (ann, phone):
        for node in pair.nodes:
            assert code(node.call("GET", "/user", session["access_token"])) == "ok"
    assert choose(pair.one, "an entirely new phrase") == "ok"

    for session in (ann, phone):
        for node in pair.nodes:
            eventually(
                lambda node=node, token=session["access_token"]: (
                    code(node.call("GET", "/user", token)) == "session_revoked"
                )
            )
            assert code(node.refresh(session["refresh_token"])) == "session_revoked"
    assert [choose(node, "another new phrase") for node in pair.nodes] == ["invalid_token"] * 2
    for node in pair.nodes:
        assert code(node.call("GET", "/user", bob["access_token"])) == "ok"
        for password, answer in (("correct horse battery", "invalid_credentials"), ("an entirely new phrase", "ok")):
            body = {"email": "ann@example.com", "password": password}
            assert code(node.call("POST", "/login", json=body)) == answer
