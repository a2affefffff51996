"""WebAuthn ceremonies: what a browser is asked, and whether its answer holds (W3C Web Authentication, level 2).

No database here. The library is imported when the first ceremony begins; it costs more than boot may.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from reactor_auth.config import AuthConfig
from reactor_auth.errors import InvalidCredentials, PasskeysUnavailable, invalid_field

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticationCredential, PublicKeyCredentialDescriptor

Json = dict[str, Any]
MAX_CREDENTIAL_ID = 1023
TIMEOUT_MS = 300_000


@dataclass(frozen=True, slots=True)
class KnownPasskey:
    """A passkey as the browser is told of it."""

    credential_id: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a registration yields."""

    credential_id: bytes
    public_key: bytes
    aaguid: UUID
    counter: int
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """An answer that is well-formed and not verified yet."""

    credential_id: bytes
    user_handle: bytes | None
    parsed: AuthenticationCredential


def relying_party_id(config: AuthConfig) -> str | None:
    """Return the domain passkeys belong to; None where `public_url` names none, but an IP address."""
    host = urlsplit(config.public_url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return config.mfa.rp_id or host
    return None


class Ceremonies:
    """Makes options for browsers and checks what comes back."""

    def __init__(self, config: AuthConfig) -> None:
        self._name = config.mfa_name
        self._rp_id = relying_party_id(config)
        self._origins = frozenset(config.mfa.origins)

    def registration(self, user_id: UUID, account: str, known: Sequence[KnownPasskey]) -> tuple[bytes, Json]:
        """Return a challenge and the options for `navigator.credentials.create()`. Raises PasskeysUnavailable."""
        from webauthn import generate_registration_options
        from webauthn.helpers import generate_challenge
        from webauthn.helpers.options_to_json_dict import options_to_json_dict
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        challenge = generate_challenge()
        options = generate_registration_options(
            rp_id=self._domain(),
            rp_name=self._name,
            user_id=user_id.bytes,
            user_name=account,
            challenge=challenge,
            timeout=TIMEOUT_MS,
            exclude_credentials=_descriptors(known),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
            ),
        )
        return challenge, {"publicKey": options_to_json_dict(options)}

    def authentication(self, known: Sequence[KnownPasskey], *, verify_user: bool) -> tuple[bytes, Json]:
        """Return a challenge and the options for `navigator.credentials.get()`. Raises PasskeysUnavailable.

        Without `known` passkeys the authenticator is asked which ones it has. `verify_user` makes it check who holds
        it, which makes it two factors in one.
        """
        from webauthn import generate_authentication_options
        from webauthn.helpers import generate_challenge
        from webauthn.helpers.options_to_json_dict import options_to_json_dict
        from webauthn.helpers.structs import UserVerificationRequirement

        challenge = generate_challenge()
        wanted = UserVerificationRequirement.REQUIRED if verify_user else UserVerificationRequirement.PREFERRED
        options = generate_authentication_options(
            rp_id=self._domain(),
            challenge=challenge,
            timeout=TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=wanted,
        )
        return challenge, {"publicKey": options_to_json_dict(options)}

    def registered(self, credential: Json, challenge: bytes) -> NewPasskey:
        """Check a new credential. Raises ValidationError."""
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_registration_credential_json

        domain = self._domain()
        try:
            parsed = parse_registration_credential_json(credential)
            found = verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=domain,
                expected_origin=self._origin(parsed.response.client_data_json),
            )
            aaguid = UUID(found.aaguid)
        except _faults() as fault:
            raise invalid_field("credential", f"is not valid: {_reason(fault)}") from fault
        if len(found.credential_id) > MAX_CREDENTIAL_ID:
            raise invalid_field("credential", f"has an id of more than {MAX_CREDENTIAL_ID} bytes")
        transports = tuple(transport.value for transport in parsed.response.transports or ())
        return NewPasskey(found.credential_id, found.credential_public_key, aaguid, found.sign_count, transports)

    def assertion(self, credential: Json) -> Assertion:
        """Read an answer. Raises ValidationError where it is malformed."""
        from webauthn.helpers import parse_authentication_credential_json

        try:
            parsed = parse_authentication_credential_json(credential)
        except _faults() as fault:
            raise invalid_field("credential", f"is not valid: {_reason(fault)}") from fault
        return Assertion(parsed.raw_id, parsed.response.user_handle, parsed)

    def verified(self, assertion: Assertion, challenge: bytes, public_key: bytes, *, verify_user: bool) -> int:
        """Check an answer and return the authenticator's counter, which the caller compares with the stored one.

        Raises:
            InvalidCredentials
        """
        from webauthn import verify_authentication_response

        domain = self._domain()
        try:
            found = verify_authentication_response(
                credential=assertion.parsed,
                expected_challenge=challenge,
                expected_rp_id=domain,
                expected_origin=self._origin(assertion.parsed.response.client_data_json),
                credential_public_key=public_key,
                credential_current_sign_count=0,
                require_user_verification=verify_user,
            )
        except _faults() as fault:
            raise InvalidCredentials(f"the passkey's answer does not hold: {_reason(fault)}") from fault
        return found.new_sign_count

    def _domain(self) -> str:
        if self._rp_id is None:
            raise PasskeysUnavailable
        return self._rp_id

    def _origin(self, client_data: bytes) -> str:
        """Return the origin the browser was at, if it is one of ours. Raises what `_faults` names."""
        from webauthn.helpers import parse_client_data_json

        found = parse_client_data_json(client_data)
        if found.cross_origin:
            raise ValueError("it was made inside a page of another origin")
        if not isinstance(found.origin, str) or not self._is_ours(found.origin):
            raise ValueError("it was made for another origin")
        return found.origin

    def _is_ours(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        parts = urlsplit(origin)
        host = parts.hostname or ""
        if host != self._rp_id and not host.endswith(f".{self._rp_id}"):
            return False
        is_local = host == "localhost" or host.endswith(".localhost")
        return parts.scheme == "https" or (parts.scheme == "http" and is_local)


def _descriptors(known: Sequence[KnownPasskey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    names = {transport.value for transport in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id,
            transports=[AuthenticatorTransport(name) for name in passkey.transports if name in names],
        )
        for passkey in known
    ]


def _faults() -> tuple[type[Exception], ...]:
    """What the library and those below it raise for bytes that somebody made up."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from OpenSSL.crypto import Error
    from pyasn1.error import PyAsn1Error  # type: ignore[import-untyped]
    from webauthn.helpers.exceptions import WebAuthnException

    lookups: tuple[type[Exception], ...] = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
    return (
        *lookups,
        WebAuthnException,
        InvalidSignature,
        UnsupportedAlgorithm,
        Error,
        PyAsn1Error,
        RecursionError,
        struct.error,
    )


def _reason(fault: Exception) -> str:
    text = str(fault).partition(". See __cause__")[0]
    return text[:200] or type(fault).__name__
