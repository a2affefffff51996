"""Renders a picture. Runs in a process of its own (`worker.py`), because decoders are where hostile bytes do harm.

Only what the eye sees is passed on: orientation is applied, colours become sRGB, and no metadata is written.
"""

from __future__ import annotations

import io
import struct
import warnings

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from reactor_storage.images.wire import Order

# No result has a longer side.
MAX_SIDE = 2500
_NAMES = "JPEG, PNG, GIF, WebP or AVIF"
_DECODERS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        GifImagePlugin.GifImageFile,
        WebPImagePlugin.WebPImageFile,
        AvifImagePlugin.AvifImageFile,
    )
)
# The formats that JPEG and EXIF are read with, which they load when they need them.
_BEHIND = (MpoImagePlugin, TiffImagePlugin)
# One core for each picture; the number of processes says how many work at a time.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# A JPEG with further pictures inside, as cameras make them, is of the format MPO.
_ENCODERS = {"webp": "WEBP", "avif": "AVIF", "jpeg": "JPEG", "png": "PNG", "MPO": "JPEG"}
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)
_SRGB = ImageCms.createProfile("sRGB")
# A decoder may shrink to twice the size that is wanted; the rest is filtered well.
_GAP = 2.0
# AVIF's scale has another meaning: its 63 looks like JPEG's 80.
_AVIF_SCALE = 0.79

Box = tuple[float, float, float, float]


class Unsupported(Exception):
    """It is no picture of a format that is rendered, or a broken one."""


class TooLarge(Exception):
    """It has more pixels, or needs more memory, than is allowed."""


def render(source: bytes, order: Order) -> tuple[bytes, str]:
    """Return the picture that an order asks for, and its content type.

    Of an animation the first frame is rendered. Raises Unsupported, TooLarge.
    """
    Image.MAX_IMAGE_PIXELS = order.max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _render(source, order)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise TooLarge(f"has more than {order.max_pixels} pixels") from error
    except MemoryError as error:
        raise TooLarge("needs more memory to be rendered than is allowed") from error
    except Unsupported:
        raise
    except Exception as error:
        raise Unsupported(f"cannot be decoded: {str(error)[:200] or type(error).__name__}") from error


def load_all() -> None:
    """Make a picture of each format from one: what the library would load at its first use needs files, which may be out of reach."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    told = {"icc_profile": ImageCms.ImageCmsProfile(_SRGB).tobytes(), "exif": exif.tobytes()}
    for kind in _DECODERS:
        file = io.BytesIO()
        Image.new("RGB", (2, 2)).save(file, kind, **({} if kind == GifImagePlugin.GifImageFile.format else told))
        render(file.getvalue(), Order(1, 1, "cover", 80, "origin", 4, 0.0))


def fitted(size: tuple[int, int], order: Order) -> tuple[tuple[int, int], Box | None]:
    """Return the size of the result and which part of a source of `size` it shows; None = all of it.

    Nothing is enlarged: where the source is smaller than what is asked, the result keeps the shape that was asked for.
    """
    width, height = size
    if order.width is None or order.height is None or order.resize == "contain":
        scale = min(1.0, (order.width or MAX_SIDE) / width, (order.height or MAX_SIDE) / height)
        return (_side(width * scale), _side(height * scale)), None
    shrink = max(1.0, order.width / width, order.height / height)
    result = _side(order.width / shrink), _side(order.height / shrink)
    if order.resize == "fill":
        return result, None
    scale = max(result[0] / width, result[1] / height)
    shown = min(width, result[0] / scale), min(height, result[1] / scale)
    left, top = (width - shown[0]) / 2, (height - shown[1]) / 2
    return result, (left, top, left + shown[0], top + shown[1])


def _side(length: float) -> int:
    return max(1, round(length))


def _render(source: bytes, order: Order) -> tuple[bytes, str]:
    try:
        image: Image.Image = Image.open(io.BytesIO(source), formats=_DECODERS)
    except UnidentifiedImageError as error:
        raise Unsupported(f"is no {_NAMES} picture") from error
    origin, profile = image.format or "", image.info.get("icc_profile")
    if image.width * image.height > order.max_pixels:
        raise Image.DecompressionBombError
    orientation = _orientation(image)
    lying = orientation in _LYING
    size, box = fitted((image.height, image.width) if lying else image.size, order)
    if lying:
        # What is shown lies in the middle, so that turning it exchanges the axes and no more.
        size, box = (size[1], size[0]), box and (box[1], box[0], box[3], box[2])
    image = _resized(image, size, box)
    image = _in_srgb(image, profile)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    return _encoded(image, _ENCODERS.get(order.format) or _ENCODERS.get(origin, origin), order.quality)


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, OSError, struct.error):
        # Metadata that cannot be read says nothing; the picture itself may be whole.
        return 1
    return found if isinstance(found, int) else 1


def _resized(image: Image.Image, size: tuple[int, int], box: Box | None) -> Image.Image:
    whole = image.size
    shown = box or (0.0, 0.0, *map(float, whole))
    # Decoders of JPEG can shrink while they decode, which costs a fraction of the time and memory.
    scale = max(size[0] / (shown[2] - shown[0]), size[1] / (shown[3] - shown[1])) * _GAP
    image.draft(None, (_side(whole[0] * scale), _side(whole[1] * scale)))
    across, down = image.width / whole[0], image.height / whole[1]
    shown = (
        shown[0] * across,
        shown[1] * down,
        min(shown[2] * across, image.width),
        min(shown[3] * down, image.height),
    )
    image = _filterable(image)
    if image.size != size or box is not None:
        image = image.resize(size, Image.Resampling.LANCZOS, shown, reducing_gap=_GAP)
    return image.convert("RGBA") if image.mode == "RGBa" else image


def _filterable(image: Image.Image) -> Image.Image:
    """Return it in a mode whose pixels can be averaged: L, RGB, CMYK, or RGB with premultiplied alpha."""
    if image.mode.startswith("I"):
        # 16 bits; a plain conversion would cut off all above 255.
        image.load()
        return image.point(lambda value: value * (1 / 256)).convert("L")
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    if image.mode == "1":
        return image.convert("L")
    image.load()
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return it in sRGB, as L, RGB or RGBA."""
    if profile:
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            told = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, told, ImageCms.ImageCmsProfile(_SRGB), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A profile that is broken or of another kind of picture says nothing of these colours.
            converted = None
        if converted is not None:
            return converted.convert("L") if image.mode == "L" else converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def _encoded(image: Image.Image, encoder: str, quality: int) -> tuple[bytes, str]:
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    if encoder == "JPEG" and image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    # Encoders write what they find here: profile, comment, place and time.
    image.info = {}
    options: dict[str, dict[str, object]] = {
        "JPEG": {"quality": quality, "progressive": True, "optimize": True},
        # Slower settings cost several times as much and save a few per cent.
        "WEBP": {"quality": quality, "method": 2},
        "AVIF": {"quality": round(quality * _AVIF_SCALE), "speed": 8, "max_threads": 1},
    }
    result = io.BytesIO()
    image.save(result, encoder, **options.get(encoder, {}))
    return result.getvalue(), f"image/{encoder.lower()}"
