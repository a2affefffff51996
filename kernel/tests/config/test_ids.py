"""Project ids and refs."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_kernel.ids import NIL, derive_project_ref, is_project_ref, parse_project_id

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def written(value: uuid.UUID) -> str:
    symbols = ""
    number = value.int
    for _ in range(26):
        symbols = CROCKFORD[number % 32] + symbols
        number //= 32
    return "proj_" + symbols


@given(st.uuids())
def test_both_forms_of_an_id_are_the_same_id(value: uuid.UUID) -> None:
    assert parse_project_id(str(value)) == parse_project_id(str(value).upper()) == value
    assert parse_project_id(written(value)) == parse_project_id("proj_" + written(value)[5:].lower()) == value
    assert is_project_ref(derive_project_ref(value))


def test_letters_that_look_like_digits_are_those_digits() -> None:
    assert parse_project_id("proj_0000000000000000000000000i") == parse_project_id("proj_0000000000000000000000000L")
    assert parse_project_id("proj_OOOOOOOOOOOOOOOOOOOOOOOOOO") == NIL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proj_",
        "0" * 32,
        "{019213f5-0000-7000-8000-000000000001}",
        "019213f5-0000-7000-8000-000000000001\n",
        "proj_8" + "0" * 25,
        "proj_" + "0" * 25 + "U",
        "proj_" + "0" * 25,
        "0" * 26,
    ],
)
def test_what_is_no_project_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_project_id(text)
    assert str(caught.value) == "must be a UUID, or proj_ and 26 characters of Crockford base32"


def test_the_ref_follows_the_published_vectors() -> None:
    assert derive_project_ref(NIL) == "4vzn76bdaryaxblkkvnm"
    assert derive_project_ref(uuid.UUID("019213f5-0000-7000-8000-000000000001")) == "ydkp2usxw4l75pcnlajn"
