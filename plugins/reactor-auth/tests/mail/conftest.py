"""A real SMTP server in this process, whose faults a test chooses."""

from __future__ import annotations

import email
import email.policy
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Sink:
    """What arrived, and how the server answers."""

    port: int
    arrived: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    refuse_recipient: str | None = None
    refuse_data: str | None = None
    came: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.arrived.append(message)
        self.envelopes.append(envelope)
        self.sessions.append(session)
        self.came.set()
        return "250 OK"

    def bodies(self) -> list[tuple[str, str]]:
        """Text and HTML of everything that arrived."""
        found = []
        for message in self.arrived:
            plain, html = message.get_body(("plain",)), message.get_body(("html",))
            assert plain is not None
            assert html is not None
            found.append((plain.get_content(), html.get_content()))
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Servers:
    """Starts and stops servers on one port."""

    sink: Sink
    running: list[Controller] = field(default_factory=list)

    @staticmethod
    def one_account(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Accept relay-user with its password only."""
        fits = isinstance(data, LoginPassword) and (data.login, data.password) == (b"relay-user", b"relay-secret")
        return AuthResult(success=fits, handled=False)

    def start(self, **options: Any) -> Sink:
        controller = Controller(self.sink, hostname="127.0.0.1", port=self.sink.port, **options)
        controller.start()
        self.running.append(controller)
        return self.sink

    def stop(self) -> None:
        while self.running:
            self.running.pop().stop()


@pytest.fixture(autouse=True)
def _quiet_server() -> None:
    """The server logs every line it reads, mails included."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)


@pytest.fixture
def smtp() -> Iterator[Servers]:
    servers = Servers(Sink(free_port()))
    yield servers
    servers.stop()


@pytest.fixture
def auth_config(auth_config: dict[str, Any], smtp: Servers) -> dict[str, Any]:
    auth_config["smtp"] = {
        "host": "127.0.0.1",
        "port": smtp.sink.port,
        "from": "Acme <no-reply@acme.example>",
        "tls": "none",
        "timeout_secs": 5,
    }
    return auth_config


@dataclass(frozen=True)
class Certificate:
    """A certificate for `localhost` that signs itself."""

    file: Path
    server: ssl.SSLContext


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = tmp_path / "relay.pem", tmp_path / "relay.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return Certificate(file, context)
