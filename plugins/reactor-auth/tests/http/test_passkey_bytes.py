"""Credentials that somebody made up are refused, whatever is in them."""

from __future__ import annotations

import base64
from contextlib import suppress
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor_auth.ceremonies import Ceremonies
from reactor_auth.config import AuthConfig
from reactor_auth.errors import InvalidCredentials, ValidationError

CEREMONIES = Ceremonies(AuthConfig(data_key="", public_url="http://localhost:8000"))
FIXTURES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mangled(data, credential):
    """Change, cut or lengthen one of a credential's byte strings."""
    name = data.draw(st.sampled_from(sorted(key for key in credential["response"] if key != "transports")))
    raw = bytearray(unb64(credential["response"][name]))
    # Signatures differ in length from one run to the next; what is drawn must not.
    place = data.draw(st.integers(0, 1023))
    how = data.draw(st.sampled_from(["flip", "cut", "grow", "replace"]))
    if how == "flip":
        raw[place % len(raw)] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del raw[place % len(raw) :]
    elif how == "grow":
        raw += data.draw(st.binary(min_size=1, max_size=64))
    else:
        raw = bytearray(data.draw(st.binary(max_size=200)))
    return name, {**credential, "response": {**credential["response"], name: b64(bytes(raw))}}


@pytest.mark.parametrize("attestation", ["none", "packed"])
@FIXTURES
@given(data=st.data())
def test_a_mangled_registration_is_refused_or_still_whole(make_authenticator, attestation, data):
    authenticator = make_authenticator()
    challenge, options = CEREMONIES.registration(uuid4(), "ann@example.com", ())
    credential = authenticator.create(options, attestation)
    _, bad = mangled(data, credential)
    with suppress(ValidationError):
        assert CEREMONIES.registered(bad, challenge).public_key


@FIXTURES
@given(data=st.data())
def test_a_mangled_answer_is_refused(make_authenticator, data):
    authenticator = make_authenticator()
    challenge, options = CEREMONIES.registration(uuid4(), "ann@example.com", ())
    passkey = CEREMONIES.registered(authenticator.create(options), challenge)
    challenge, options = CEREMONIES.authentication((), verify_user=True)
    credential = authenticator.get(options)
    name, bad = mangled(data, credential)
    if name == "userHandle" or bad == credential:
        return
    with pytest.raises((ValidationError, InvalidCredentials)):
        CEREMONIES.verified(CEREMONIES.assertion(bad), challenge, passkey.public_key, verify_user=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "rawId": JSON,
        "type": st.just("public-key") | JSON,
        "response": st.dictionaries(
            st.sampled_from(["clientDataJSON", "attestationObject", "authenticatorData", "signature", "transports"]),
            JSON,
        )
        | JSON,
        "authenticatorAttachment": JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(credential=SHAPED)
def test_any_json_is_refused(credential):
    with pytest.raises(ValidationError):
        CEREMONIES.registered(credential, b"challenge")
    with pytest.raises((ValidationError, InvalidCredentials)):
        CEREMONIES.verified(CEREMONIES.assertion(credential), b"challenge", b"\xa0", verify_user=False)
