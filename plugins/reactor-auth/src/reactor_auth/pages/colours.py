"""Which colours can be read on which (WCAG 2.2, contrast ratio)."""

from __future__ import annotations

DARK, LIGHT = "#000000", "#ffffff"
# What WCAG demands of text of usual size.
READABLE = 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours written as #rrggbb, from 1 to 21."""
    dim, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def readable_on(colour: str) -> str:
    """Return black or white, whichever is read more easily on `colour`."""
    return max((DARK, LIGHT), key=lambda text: contrast(text, colour))


def link_colour(accent: str) -> str:
    """Return the accent where it can be read on white, else black: links are underlined besides."""
    return accent if contrast(accent, LIGHT) >= READABLE else DARK


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
