"""What a caller asks to be made of a picture (decision 31), in a query, in the options of a signed URL, and in its signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, cast, get_args
from urllib.parse import parse_qsl

import msgspec

from reactor_storage.errors import InvalidTransform
from reactor_storage.images.wire import Resize, Target

if TYPE_CHECKING:
    from reactor_storage.images.wire import Order

SIDES = (1, 2500)
QUALITIES = (20, 100)
DEFAULT_QUALITY = 80
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_ENTRY = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+*-]+|\*/\*)\s*((?:;[^;]*)*)\Z")
_Q = re.compile(r";\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*\Z", re.IGNORECASE)


class Transform(msgspec.Struct, frozen=True, omit_defaults=True):
    """How large a picture is to be, and in which format. `format` "auto" is the best that the client takes."""

    width: int | None = None
    height: int | None = None
    resize: Resize = "cover"
    quality: int = DEFAULT_QUALITY
    format: Target | Literal["auto"] = "auto"

    @classmethod
    def of(cls, members: Mapping[str, object]) -> Transform:
        """Read it from members of a query or a body; others are left alone. Raises InvalidTransform."""
        quality = _number(members, "quality", QUALITIES)
        return cls(
            _number(members, "width", SIDES),
            _number(members, "height", SIDES),
            cast("Resize", _word(members, "resize", get_args(Resize)) or "cover"),
            DEFAULT_QUALITY if quality is None else quality,
            cast("Target", _word(members, "format", get_args(Target)) or "auto"),
        )

    @classmethod
    def of_text(cls, text: str) -> Transform:
        """Read what `text` wrote."""
        return cls.of(dict(parse_qsl(text)))

    def text(self) -> str:
        """Return it as one text, the same for what renders alike; never empty. Part of signatures: it stays as it is."""
        both = self.width is not None and self.height is not None
        facts = {
            "width": self.width,
            "height": self.height,
            "resize": self.resize if both else "contain",
            "quality": None if self.format == "png" else self.quality,
            "format": None if self.format == "auto" else self.format,
        }
        return "&".join(f"{name}={value}" for name, value in facts.items() if value is not None)

    def settled(self, accept: str | None) -> Transform:
        """Return it with the format that a client gets which sent this Accept."""
        if self.format != "auto":
            return self
        return msgspec.structs.replace(self, format=negotiated(accept))

    def order(self, *, max_pixels: int, seconds: float) -> Order:
        """Return it as what a rendering process is told."""
        from reactor_storage.images.wire import Order

        target = "origin" if self.format == "auto" else self.format
        return Order(self.width, self.height, self.resize, self.quality, target, max_pixels, seconds)


def negotiated(accept: str | None) -> Target:
    """Return the format for a client that names its own.

    A wildcard names none: whoever takes anything gets what is there. Where AVIF and WebP are equally welcome it is AVIF, which is
    smaller.
    """
    welcome: dict[str, float] = {}
    for part in (accept or "").split(","):
        if (entry := _ENTRY.match(part)) is not None:
            weight = _Q.search(entry[2])
            welcome[entry[1].lower()] = float(weight[1]) if weight else 1.0
    avif, webp = welcome.get("image/avif", 0.0), welcome.get("image/webp", 0.0)
    if avif and avif >= webp:
        return "avif"
    return "webp" if webp else "origin"


def _number(members: Mapping[str, object], name: str, bounds: tuple[int, int]) -> int | None:
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, str) and _NUMBER.match(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not bounds[0] <= value <= bounds[1]:
        raise InvalidTransform(f"{name} must be a whole number from {bounds[0]} to {bounds[1]}, not {_shown(value)}")
    return value


def _word(members: Mapping[str, object], name: str, words: tuple[str, ...]) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value in words:
        return value
    raise InvalidTransform(f"{name} must be one of {', '.join(words)}, not {_shown(value)}")


def _shown(value: object) -> str:
    return repr(value)[:60]
