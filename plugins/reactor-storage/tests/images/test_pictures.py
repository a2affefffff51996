"""What is rendered: sizes, formats, colours, orientation, and nothing of the metadata."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from .conftest import BLUE, GREEN, RED, WHITE, alike, corners, encoded, opened, quarters

SOURCE = (240, 120)
# What is asked of a picture of 240 × 120, and the size of the answer.
SIZES = [
    ({}, (240, 120)),
    ({"width": 60}, (60, 30)),
    ({"height": 60}, (120, 60)),
    ({"width": 60, "resize": "fill"}, (60, 30)),
    ({"height": 60, "resize": "contain"}, (120, 60)),
    ({"width": 60, "height": 60}, (60, 60)),
    ({"width": 60, "height": 60, "resize": "cover"}, (60, 60)),
    ({"width": 60, "height": 60, "resize": "contain"}, (60, 30)),
    ({"width": 60, "height": 60, "resize": "fill"}, (60, 60)),
    ({"width": 1, "height": 1}, (1, 1)),
    ({"width": 1}, (1, 1)),
    ({"width": 240, "height": 120}, (240, 120)),
    # Nothing is enlarged; the shape is that which was asked for.
    ({"width": 2500}, (240, 120)),
    ({"height": 2500}, (240, 120)),
    ({"width": 2500, "height": 2500}, (120, 120)),
    ({"width": 2500, "height": 2500, "resize": "contain"}, (240, 120)),
    ({"width": 2500, "height": 2500, "resize": "fill"}, (120, 120)),
    ({"width": 480, "height": 60}, (240, 30)),
    ({"width": 480, "height": 60, "resize": "fill"}, (240, 30)),
]
KINDS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_size_in_every_format(render, kind):
    file = encoded(quarters(SOURCE), kind)
    for target in ("origin", "webp", "avif", "jpeg", "png"):
        wanted = f"image/{kind.lower() if target == 'origin' else target}"
        for query, size in SIZES:
            answer = render(file, format=target, **query)
            image = opened(answer)
            assert answer.headers["Content-Type"] == wanted, (target, query)
            assert f"image/{image.format.lower()}" == wanted, (target, query)
            assert image.size == size, (target, query)
            if min(size) >= 30:
                found = corners(image)
                assert all(map(alike, found, (RED, GREEN, BLUE, WHITE))), (target, query, found)


def test_cover_shows_the_middle_and_fill_all_of_it(render):
    image = Image.new("RGB", (300, 100), GREEN)
    image.paste(RED, (0, 0, 100, 100))
    image.paste(BLUE, (200, 0, 300, 100))
    file = encoded(image, "PNG")
    covered = opened(render(file, width=90, height=90))
    assert [covered.getpixel((x, 45)) for x in (2, 45, 87)] == [GREEN, GREEN, GREEN]
    filled = opened(render(file, width=90, height=90, resize="fill"))
    assert [filled.getpixel((x, 45)) for x in (2, 45, 87)] == [RED, GREEN, BLUE]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(render, kind, orientation):
    upright = quarters((80, 40))
    turned = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = upright
    for turn in turned:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(stored, kind, exif=exif.tobytes())
    for query, size in (({}, (80, 40)), ({"width": 40}, (40, 20)), ({"width": 20, "height": 20}, (20, 20))):
        image = opened(render(file, format="png", **query))
        assert image.size == size, query
        found = corners(image)
        assert all(alike(*pair, 40) for pair in zip(found, (RED, GREEN, BLUE, WHITE), strict=True)), (query, found)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_nothing_but_the_picture_is_passed_on(render, kind):
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 26.0)
    options = {
        "exif": exif.tobytes(),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    if kind != "PNG":
        options["xmp"] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
    if kind == "JPEG":
        options["comment"] = b"SECRET comment"
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", "SECRET text")
    file = encoded(quarters((80, 40)), kind, **options)
    assert b"SECRET" in file
    for target in ("origin", "webp", "avif", "jpeg", "png"):
        answer = render(file, format=target)
        image = opened(answer)
        assert not dict(image.getexif()), target
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment"} & {
            key for key, value in image.info.items() if value
        }
        assert b"SECRET" not in answer.content, target
        assert alike(corners(image)[0], RED), target


def test_transparency(render):
    image = Image.new("RGBA", (80, 80), (255, 0, 0, 255))
    image.paste((0, 0, 255, 0), (0, 0, 40, 80))
    file = encoded(image, "PNG")
    for target in ("webp", "avif", "png", "origin"):
        found = opened(render(file, format=target, width=40)).convert("RGBA")
        assert found.getpixel((5, 20))[3] <= 2, target
        assert alike(found.getpixel((35, 20)), (255, 0, 0, 255)), target
    flat = opened(render(file, format="jpeg", width=40))
    assert flat.mode == "RGB"
    assert alike(flat.getpixel((5, 20)), WHITE)
    assert alike(flat.getpixel((35, 20)), RED)
    # What is invisible does not shine through at the edge.
    edge = opened(render(file, format="png", width=10)).convert("RGBA")
    assert all(blue <= 8 for _, _, blue, alpha in map(edge.getpixel, [(x, 5) for x in range(10)]) if alpha > 128)


def test_transparency_of_palettes(render):
    image = Image.new("P", (80, 80), 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.paste(0, (0, 0, 40, 80))
    for kind in ("PNG", "GIF"):
        file = encoded(image, kind, transparency=0)
        for target in ("origin", "webp"):
            found = opened(render(file, format=target, width=40)).convert("RGBA")
            assert found.getpixel((5, 20))[3] == 0, (kind, target)
            assert alike(found.getpixel((35, 20)), (255, 0, 0, 255)), (kind, target)


MODES = [
    ("1", 1, "PNG", (255, 255, 255)),
    ("L", 100, "PNG", (100, 100, 100)),
    ("L", 100, "JPEG", (100, 100, 100)),
    ("LA", (100, 255), "PNG", (100, 100, 100)),
    ("I;16", 40000, "PNG", (156, 156, 156)),
    ("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)),
]


@pytest.mark.parametrize(("mode", "colour", "kind", "seen"), MODES)
def test_kinds_of_pixels(render, mode, colour, kind, seen):
    file = encoded(Image.new(mode, (80, 60), colour), kind)
    for target in ("origin", "webp", "avif", "jpeg", "png"):
        image = opened(render(file, format=target, width=40))
        assert image.size == (40, 30)
        assert alike(image.convert("RGB").getpixel((20, 15)), seen, 4), (target, image.mode)


def test_16_bits_in_colour(render):
    # Written by hand, since Pillow writes none: 2 × 2 pixels of (0xffff, 0x8080, 0x0000).
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    row = b"\x00" + struct.pack(">HHH", 0xFFFF, 0x8080, 0) * 2
    head = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 2)) + chunk(b"IEND", b"")
    assert opened(render(file, format="png")).getpixel((0, 0)) == (255, 128, 0)


def test_colours_become_srgb(render):
    # A profile in which red and green are exchanged: what is stored as red is to be seen as green.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    file = encoded(Image.new("RGB", (80, 60), RED), "PNG", icc_profile=bytes(profile))
    for target in ("png", "webp", "jpeg", "avif"):
        assert alike(opened(render(file, format=target, width=40)).getpixel((20, 15)), GREEN), target
    clear = encoded(Image.new("RGBA", (80, 60), (*RED, 128)), "PNG", icc_profile=bytes(profile))
    assert alike(opened(render(clear, format="png", width=40)).getpixel((20, 15)), (*GREEN, 128), 3)
    broken = encoded(Image.new("RGB", (80, 60), RED), "PNG", icc_profile=b"no profile at all")
    assert opened(render(broken, format="png")).getpixel((20, 15)) == RED
    other = encoded(Image.new("L", (80, 60), 77), "PNG", icc_profile=bytes(profile))
    assert opened(render(other, format="png")).convert("RGB").getpixel((20, 15)) == (77, 77, 77)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_of_an_animation_the_first_frame(render, kind):
    frames = [Image.new("RGB", (60, 40), colour) for colour in (RED, GREEN, BLUE)]
    file = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    answer = render(file, format="origin", width=30)
    image = opened(answer)
    assert (answer.headers["Content-Type"], getattr(image, "n_frames", 1)) == (f"image/{kind.lower()}", 1)
    assert alike(image.convert("RGB").getpixel((15, 10)), RED)


def test_a_photo_with_further_pictures_inside(render):
    file = encoded(quarters((80, 40)), "MPO", save_all=True, append_images=[quarters((8, 4))])
    assert Image.open(io.BytesIO(file)).format == "MPO"
    answer = render(file, format="origin", width=40)
    assert (answer.headers["Content-Type"], opened(answer).size) == ("image/jpeg", (40, 20))


def test_quality(render):
    file = encoded(Image.effect_noise((300, 200), 60).convert("RGB"), "PNG")
    for target in ("jpeg", "webp", "avif"):
        least, usual, most = (len(render(file, format=target, quality=quality).content) for quality in (20, 80, 100))
        assert least < usual < most, target
        assert len(render(file, format=target).content) == usual
    assert len({render(file, format="png", quality=quality).content for quality in (20, 100)}) == 1


def test_no_side_is_longer_than_2500(render):
    file = encoded(Image.new("RGB", (5000, 20), RED), "PNG")
    for query in ({}, {"height": 20}, {"height": 20, "resize": "contain"}):
        assert opened(render(file, format="webp", **query)).size == (2500, 10), query
    assert opened(render(encoded(Image.new("RGB", (3000, 3000), RED), "JPEG"), width=2500)).size == (2500, 2500)
