"""The one form of an e-mail address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_auth import emails


@given(st.emails())
def test_normalising_is_idempotent_and_ignores_case_and_space(address):
    once = emails.parse(address)
    if once is None:
        return
    assert emails.parse(once) == once
    assert emails.parse(f"  {once}\t") == once
    assert once == once.lower()
    assert len(once) <= emails.MAX_LENGTH + 100


@given(st.text())
def test_any_text_is_an_address_or_not_but_never_an_error(text):
    found = emails.parse(text)
    assert found is None or ("@" in found and "\x00" not in found and "\n" not in found)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("A\u030ann@example.com", "\u00e5nn@example.com"),
        ("ann@EXÄMPLE.de", "ann@exämple.de"),
        ("ann@xn--exmple-cua.de", "ann@exämple.de"),
        ("Ann@Corp.LOCAL", "ann@corp.local"),
        ("ann@localhost", "ann@localhost"),
        ("ann@x.test", "ann@x.test"),
    ],
)
def test_spellings_of_one_address_become_one(text, stored):
    assert emails.parse(text) == stored


@pytest.mark.parametrize(
    "text", ["@x.test", "ann@.test", "ann@x..local", "a b@x.local", "ann@x.test\n.test", "x@y@z.local"]
)
def test_private_names_are_checked_as_strictly(text):
    assert emails.parse(text) is None
