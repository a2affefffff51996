"""Encryption at rest."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_auth.sealing import SealBroken, Sealer

SEALER = Sealer(b"k" * 32)


@given(st.binary(max_size=200), st.text(max_size=20, alphabet="abc:é"))
def test_what_is_sealed_opens_for_its_purpose_only(plaintext, purpose):
    sealed = SEALER.seal(plaintext, purpose)
    assert SEALER.open(sealed, purpose) == plaintext
    assert len(base64.b64decode(sealed)) == 12 + len(plaintext) + 16
    with pytest.raises(SealBroken, match="made with another data key, or altered"):
        SEALER.open(sealed, purpose + "x")
    with pytest.raises(SealBroken):
        Sealer(b"x" * 32).open(sealed, purpose)


@given(st.integers(0, 47), st.integers(1, 255))
def test_any_altered_byte_is_noticed(position, mask):
    raw = bytearray(base64.b64decode(SEALER.seal(b"x" * 20, "p")))
    raw[position] ^= mask
    with pytest.raises(SealBroken):
        SEALER.open(base64.b64encode(raw).decode(), "p")


@pytest.mark.parametrize(
    ("text", "reason"), [("", "too short"), ("AAAA", "too short"), ("é", "not base64"), ("a", "not base64")]
)
def test_what_was_never_sealed_says_so(text, reason):
    with pytest.raises(SealBroken, match=reason):
        SEALER.open(text, "p")


def test_two_seals_of_one_secret_differ():
    assert SEALER.seal(b"x", "p") != SEALER.seal(b"x", "p")
