"""Second factors for tests: an authenticator app, and an authenticator for passkeys in software."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

Json = dict[str, Any]


@dataclass
class App:
    """An authenticator app that knows one secret."""

    id: str
    secret: str
    clock: Any
    recovery_codes: list[str] = field(default_factory=list)
    tokens: Json = field(default_factory=dict)

    def code(self, steps: int = 0) -> str:
        """The code of now, or of some steps later or earlier."""
        from pyotp import TOTP

        return TOTP(self.secret).at(self.clock.now(), counter_offset=steps)


@pytest.fixture
def begin_app(frozen_clock: Any) -> Callable[[Any], App]:
    """Enrol an app without verifying it."""

    def begin(person: Any) -> App:
        answer = person.post("/factors", {"factor_type": "totp"})
        assert answer.status_code == 201, answer.text
        return App(answer.json()["id"], answer.json()["totp"]["secret"], frozen_clock)

    return begin


@pytest.fixture
def enrol(begin_app: Callable[[Any], App]) -> Callable[[Any], App]:
    """Enrol and verify an app; the clock moves on, so that its next code is a fresh one."""

    def enrol(person: Any) -> App:
        app = begin_app(person)
        answer = person.post(f"/factors/{app.id}/verify", {"code": app.code()})
        assert answer.status_code == 200, answer.text
        app.tokens = answer.json()
        app.recovery_codes = app.tokens.get("recovery_codes", [])
        app.clock.advance(seconds=30)
        return app

    return enrol


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """A roaming authenticator with resident P-256 keys and one signature counter per key (WebAuthn §6)."""

    def __init__(self, origin: str = "http://localhost:8000", *, verifies_user: bool = True) -> None:
        self.origin = origin
        self.verifies_user = verifies_user
        self.counts = True
        # By credential id: private key, user handle, counter.
        self.keys: dict[bytes, list[Any]] = {}

    def create(self, options: Json, attestation: str = "none", **overrides: Any) -> Json:
        """Answer `navigator.credentials.create()`; `overrides` falsify the client data."""
        import cbor2
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        asked = options["publicKey"]
        assert {"type": "public-key", "alg": -7} in asked["pubKeyCredParams"]
        key, credential_id = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32)
        self.keys[credential_id] = [key, unb64(asked["user"]["id"]), 0]
        point = key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + cbor2.dumps(cose)
        auth_data = self._auth_data(asked["rp"]["id"], 0, attested)
        client_data = self._client_data("webauthn.create", asked["challenge"], overrides)
        statement: Json = {}
        if attestation == "packed":
            signed = key.sign(auth_data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
            statement = {"alg": -7, "sig": signed}
        made = {"fmt": attestation, "attStmt": statement, "authData": auth_data}
        response = {
            "clientDataJSON": b64(client_data),
            "attestationObject": b64(cbor2.dumps(made)),
            "transports": ["usb", "teleport"],
        }
        return {"id": b64(credential_id), "rawId": b64(credential_id), "type": "public-key", "response": response}

    def get(self, options: Json, *, counter: int | None = None, **overrides: Any) -> Json:
        """Answer `navigator.credentials.get()` with a key that is allowed, else with the newest."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        asked = options["publicKey"]
        allowed = [unb64(item["id"]) for item in asked.get("allowCredentials", [])]
        credential_id = next((known for known in self.keys if known in allowed), list(self.keys)[-1])
        held = self.keys[credential_id]
        held[2] = counter if counter is not None else held[2] + self.counts
        auth_data = self._auth_data(overrides.pop("rp_id", asked["rpId"]), held[2])
        client_data = self._client_data("webauthn.get", asked["challenge"], overrides)
        signature = held[0].sign(auth_data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(auth_data),
            "signature": b64(signature),
            "userHandle": b64(held[1]),
        }
        return {"id": b64(credential_id), "rawId": b64(credential_id), "type": "public-key", "response": response}

    def _auth_data(self, rp_id: str, counter: int, attested: bytes = b"") -> bytes:
        flags = 0x01 | (0x04 if self.verifies_user else 0) | (0x40 if attested else 0)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + counter.to_bytes(4, "big") + attested

    def _client_data(self, kind: str, challenge: str, overrides: Json) -> bytes:
        data = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **overrides}
        return json.dumps(data).encode()


@pytest.fixture
def make_authenticator() -> type[Authenticator]:
    """The class, for tests that need several."""
    return Authenticator


@pytest.fixture
def authenticator() -> Authenticator:
    """An authenticator that checks who holds it."""
    return Authenticator()


@pytest.fixture
def register() -> Callable[..., Json]:
    """Register a passkey of an authenticator; return the answer."""

    def register(person: Any, authenticator: Authenticator, attestation: str = "none", name: str | None = None) -> Json:
        begun = person.post("/webauthn/register/start", {"name": name})
        assert begun.status_code == 200, begun.text
        credential = authenticator.create(begun.json()["options"], attestation)
        body = {"session_id": begun.json()["session_id"], "credential": credential}
        answer = person.post("/webauthn/register/finish", body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return register


@pytest.fixture
def prove() -> Callable[..., Any]:
    """Verify a passkey in a person's session; return the response."""

    def prove(person: Any, authenticator: Authenticator, **overrides: Any) -> Any:
        begun = person.post("/webauthn/authenticate/start", {})
        assert begun.status_code == 200, begun.text
        credential = authenticator.get(begun.json()["options"], **overrides)
        body = {"session_id": begun.json()["session_id"], "credential": credential}
        return person.post("/webauthn/authenticate/finish", body)

    return prove
