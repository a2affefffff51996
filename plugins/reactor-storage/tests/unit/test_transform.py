"""Transforms as text, the choice of a format, and sizes: what holds for all of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor_storage.errors import InvalidTransform
from reactor_storage.images.render import fitted
from reactor_storage.images.transform import Transform, negotiated
from reactor_storage.images.wire import Order

SIDES = st.none() | st.integers(1, 2500)
RESIZES = st.sampled_from(["cover", "contain", "fill"])
FORMATS = st.sampled_from(["origin", "webp", "avif", "jpeg", "png"])
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "width": SIDES,
        "height": SIDES,
        "resize": st.none() | RESIZES,
        "quality": st.none() | st.integers(20, 100),
        "format": st.none() | FORMATS,
        "other": st.text(),
    },
)


@given(MEMBERS)
def test_a_text_says_what_it_was_made_of(members):
    transform = Transform.of(members)
    text = transform.text()
    assert text
    assert Transform.of_text(text).text() == text
    as_query = {name: str(value) for name, value in members.items() if value is not None}
    assert Transform.of(as_query) == transform
    again = Transform.of_text(text)
    for settled in (transform.settled("image/webp"), again.settled("image/webp")):
        assert settled.format == (members.get("format") or "webp")
    assert (again.width, again.height) == (transform.width, transform.height)
    if None not in (transform.width, transform.height):
        assert again.resize == transform.resize


@given(MEMBERS, MEMBERS)
def test_what_renders_differently_has_another_text(one, other):
    def meaning(members):
        found = Transform.of(members)
        both = None not in (found.width, found.height)
        quality = None if found.format == "png" else found.quality
        return found.width, found.height, found.resize if both else None, quality, found.format

    assert (meaning(one) == meaning(other)) == (Transform.of(one).text() == Transform.of(other).text())


@given(
    st.sampled_from(["width", "height", "quality", "resize", "format"]),
    st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.integers(1, 9)) | st.dictionaries(st.text(), st.text()),
)  # fmt: skip
def test_any_other_value_is_refused(name, value):
    bounds = {"width": (1, 2500), "height": (1, 2500), "quality": (20, 100)}.get(name)
    if bounds is None:
        right = (
            value in ("cover", "contain", "fill")
            if name == "resize"
            else value in ("origin", "webp", "avif", "jpeg", "png")
        )
    elif isinstance(value, str):
        right = re.fullmatch("[0-9]{1,9}", value) is not None and bounds[0] <= int(value) <= bounds[1]
    else:
        right = type(value) is int and bounds[0] <= value <= bounds[1]
    if right:
        assert str(getattr(Transform.of({name: value}), name)) == str(value).lstrip("0")
        return
    with pytest.raises(InvalidTransform, match=f"^{name} must be ") as caught:
        Transform.of({name: value})
    assert len(caught.value.message) < 200


def entries():
    kind = st.sampled_from(["image/avif", "image/webp", "image/*", "*/*", "text/html", "IMAGE/AVIF"])
    return st.tuples(kind, st.none() | st.integers(0, 10))


@given(st.lists(entries(), max_size=5, unique_by=lambda entry: entry[0].lower()))
def test_the_client_gets_what_it_named(accepted):
    header = ", ".join(kind if q is None else f"{kind};q={q / 10}" for kind, q in accepted)
    weights = {kind.lower(): 10 if q is None else q for kind, q in accepted}
    found = negotiated(header)
    if found == "origin":
        assert not weights.get("image/avif")
        assert not weights.get("image/webp")
    else:
        other = "webp" if found == "avif" else "avif"
        assert weights[f"image/{found}"] >= max(1, weights.get(f"image/{other}", 0))


@given(st.text())
def test_no_accept_is_too_strange(header):
    assert negotiated(header) in ("origin", "webp", "avif")


@given(st.integers(1, 20000), st.integers(1, 20000), SIDES, SIDES, RESIZES)
def test_sizes(width, height, wide, high, resize):
    (across, down), box = fitted((width, height), Order(wide, high, resize, 80, "png", 1, 1.0))
    # Never larger than asked for, than the source, than the most there is, and never nothing.
    assert 1 <= across <= min(wide or 2500, width)
    assert 1 <= down <= min(high or 2500, height)
    if box is not None:
        left, top, right, bottom = box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        # The middle of it, touching two sides.
        assert left + right == pytest.approx(width)
        assert top + bottom == pytest.approx(height)
        assert right - left == pytest.approx(width) or bottom - top == pytest.approx(height)
    if wide and high and resize != "contain" and wide <= width and high <= height:
        assert (across, down) == (wide, high)
    elif resize == "contain" or not (wide and high):
        # As large as possible in the source's own shape.
        assert across in (wide, width, 2500) or down in (high, height, 2500)
        assert abs(across * height - down * width) <= max(width, height)
