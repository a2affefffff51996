"""Pictures, and whom to show them to."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# Lossy formats do not give a colour back exactly.
NEAR = 16


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def quarters(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Make a picture with red, green, blue and white from the upper left to the lower right."""
    image = Image.new("RGB", size, WHITE)
    across, down = size[0] // 2, size[1] // 2
    image.paste(RED, (0, 0, across, down))
    image.paste(GREEN, (across, 0, size[0], down))
    image.paste(BLUE, (0, down, across, size[1]))
    return image.convert(mode)


def opened(answer: Any) -> Image.Image:
    """Return the picture of an answer, whole."""
    assert answer.status_code in (200, 206), answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the colours of the four quarters, from the upper left to the lower right."""
    plain = image.convert("RGB")
    places = [(x * plain.width // 4, y * plain.height // 4) for y in (1, 3) for x in (1, 3)]
    return [plain.getpixel(place) for place in places]


def alike(found: tuple[int, ...], wanted: tuple[int, ...], by: int = NEAR) -> bool:
    """Tell whether two colours look alike."""
    return len(found) == len(wanted) and all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


@pytest.fixture
def render(ann: Any) -> Callable[..., Any]:
    """Store a file and ask for a picture of it: `render(file, width=10)`."""
    stored: dict[bytes, str] = {}

    def ask(file: bytes, accept: str = "*/*", **query: object) -> Any:
        if not stored:
            ann.bucket("pics")
        if file not in stored:
            stored[file] = f"pics/{len(stored)}"
            ann.put(stored[file], file)
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return ann.call("GET", f"render/image/authenticated/{stored[file]}?{text}", Accept=accept)

    return ask


@pytest.fixture
def renders(kernel: Any) -> Callable[[], int]:
    """Count what was rendered so far, as the metrics say."""

    def count() -> int:
        text = kernel.metrics.render()[0].decode()
        found = re.findall(r'reactor_storage_render_duration_seconds_count\{outcome="rendered"\} ([0-9.]+)', text)
        return int(sum(map(float, found)))

    return count
