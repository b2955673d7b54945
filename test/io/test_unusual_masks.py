"""Masks of which a tool changed opacity, colours or bits."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from sampt_ros.errors import SourceError
from sampt_ros.io.masks import read_mask, read_masks

y, x = np.mgrid[:60, :80]
DISK = np.hypot(x - 25, y - 30) <= 12
BAR = (x >= 50) & (x < 70) & (y >= 10) & (y < 50)
RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
PNG_HEADER = 33  # bytes of the signature and of IHDR


def saved(folder, pixels, name="mask.png", **options):
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(folder / name, **options)
    return folder / name


def written(folder, pixels, name="mask.png"):
    """The path of an image file that OpenCV wrote, of 16 bits a channel; pixels in RGB order."""
    colors = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    assert cv2.imwrite(str(folder / name), cv2.cvtColor(pixels, colors))
    return folder / name


def painted(disk, bar=BLACK, around=BLACK, kind=np.uint8) -> np.ndarray:
    """(60, 80, 3): the disk and the bar in these colours."""
    return np.where(DISK[..., None], disk, np.where(BAR[..., None], bar, around)).astype(kind)


def check(found, **expected):
    assert found.keys() == {int(name[1:]) for name in expected}
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[int(name[1:])], mask)


@pytest.mark.parametrize("around", [0, 40])  # the opacity of the rest
@pytest.mark.parametrize(
    "colors",
    [
        painted(RED, RED, RED),
        painted(RED, WHITE, WHITE),
        painted(BLACK, WHITE, WHITE),
        painted(WHITE),
    ],
    ids=["red_everywhere", "red_on_white", "black_on_white", "white"],
)
def test_a_mask_drawn_with_less_than_half_opacity_is_what_was_drawn(tmp_path, colors, around):
    alpha = np.where(DISK, 100, around).astype(np.uint8)
    check(read_masks(saved(tmp_path, np.dstack([colors, alpha]))), _1=DISK)


def test_soft_edges_of_such_a_mask_are_cut_in_the_middle(tmp_path):
    soft = cv2.GaussianBlur(DISK.astype(np.uint8) * 100, (0, 0), 1.5)
    (found,) = read_masks(saved(tmp_path, np.dstack([painted(RED, RED, RED), soft]))).values()
    assert (found ^ DISK).sum() <= 20


def test_a_palette_may_have_such_opacity(tmp_path):
    image = Image.fromarray((~DISK).astype(np.uint8))
    image.putpalette([*RED, *BLACK])
    check(read_masks(saved(tmp_path, image, transparency=bytes([100, 0]))), _1=DISK)


def test_the_same_opacity_everywhere_says_nothing(tmp_path):
    check(read_masks(saved(tmp_path, np.dstack([painted(RED), np.full((60, 80), 100, np.uint8)]))), _1=DISK)


@pytest.mark.parametrize(
    "pixels",
    [
        painted((44, 1, 0), (45, 1, 0)),  # ids 300 and 301 of COCO panoptic
        painted((45, 1, 0), (45, 2, 0)),
        painted((45, 1, 0), (1, 0, 0)),
        np.dstack([painted(RED, (0, 255, 0), WHITE), (DISK | BAR).astype(np.uint8) * 255]),  # on nothing
        np.dstack([DISK * np.uint8(254) + BAR * np.uint8(255), (DISK | BAR).astype(np.uint8) * 255]),
    ],
    ids=["red", "green", "dark", "transparent", "grey"],
)
def test_areas_of_other_colours_are_not_merged_however_alike_they_are(tmp_path, pixels):
    path = saved(tmp_path, pixels)
    with pytest.raises(SourceError, match=r"got 2 different (colours|values)"):
        read_masks(path)
    np.testing.assert_array_equal(read_mask(path), DISK | BAR)


def test_areas_in_a_palette_with_a_transparent_background_are_not_merged(tmp_path):
    image = Image.fromarray(np.where(DISK, 0, np.where(BAR, 2, 1)).astype(np.uint8))
    image.putpalette([*RED, *BLACK, 0, 255, 0])
    with pytest.raises(SourceError, match="got 2 different colours"):
        read_masks(saved(tmp_path, image, transparency=1))


def drawn(*colors) -> np.ndarray:
    """(60, 80, channels): the disk in these colours, in bars side by side, on nothing."""
    width = 24 // len(colors) + 1
    fill = np.array(colors, np.uint8)[np.clip((x - 13) // width, 0, len(colors) - 1)]
    return np.where(DISK[..., None], np.dstack([fill, np.full((60, 80), 255, np.uint8)]), 0).astype(np.uint8)


def with_star(pixels, color):
    """The same with an area in this colour apart from the rest."""
    pixels[10:50, 50:70] = (*color, 255)
    return pixels


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (drawn(RED, (60, 60, 200), (240, 240, 240)), DISK),
        (drawn(RED, BLACK, (60, 60, 200)), DISK),  # parted by black
        (drawn((100,), (255,), (180,)), DISK),
        (with_star(drawn(RED, (60, 60, 200)), RED), DISK | BAR),  # apart, in a colour of the rest
    ],
    ids=["three", "black_between", "grey", "star"],
)
def test_flat_colours_that_touch_on_nothing_are_one_cut_out(tmp_path, caplog, pixels, expected):
    check(read_masks(saved(tmp_path, pixels)), _1=expected)
    assert "mask.png: different colours that touch are taken for one cut-out, object 1" in caplog.text


def test_a_cut_out_in_flat_colours_may_have_a_palette(tmp_path):
    image = Image.fromarray(np.where(DISK, np.where(x < 25, 0, 2), 1).astype(np.uint8))
    image.putpalette([*RED, *BLACK, 0, 255, 0])
    check(read_masks(saved(tmp_path, image, transparency=1)), _1=DISK)


def test_flat_colours_on_nothing_are_refused_where_one_is_apart_from_the_others(tmp_path):
    with pytest.raises(SourceError, match="got 3 different colours"):
        read_masks(saved(tmp_path, with_star(drawn(RED, (60, 60, 200)), (0, 255, 0))))


def test_one_colour_that_was_compressed_and_saved_as_png_is_read(tmp_path):
    noisy = Image.open(saved(tmp_path, painted((200, 30, 40)), "mask.jpg", quality=80))
    (found,) = read_masks(saved(tmp_path, noisy)).values()
    assert (found ^ DISK).sum() <= 20


def test_a_mask_so_soft_that_it_has_no_white_is_cut_in_the_middle(tmp_path):
    soft = cv2.GaussianBlur(DISK.astype(np.float32), (0, 0), 5)
    values = np.rint(soft / soft.max() * 253).astype(np.uint8)
    check(read_masks(saved(tmp_path, values)), _1=values > 127)


@pytest.mark.parametrize("name", ["mask.png", "mask.tif", "mask.ppm"])
@pytest.mark.parametrize(("first", "second"), [(1, 2), (300, 1000)])
def test_ids_of_16_bits_in_three_equal_channels_are_kept(tmp_path, name, first, second):
    path = written(tmp_path, painted((first,) * 3, (second,) * 3, kind=np.uint16), name)
    check(read_masks(path), **{f"_{first}": DISK, f"_{second}": BAR})


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_ids_of_16_bits_with_alpha_are_kept(tmp_path, name):
    alpha = np.where(y < 55, 65535, 0).astype(np.uint16)
    path = written(tmp_path, np.dstack([painted((1,) * 3, (300,) * 3, (7,) * 3, np.uint16), alpha]), name)
    check(read_masks(path), _1=DISK, _300=BAR, _7=~DISK & ~BAR & (y < 55))


def grey_alpha_png(values, alpha) -> bytes:
    """A PNG of grey and alpha of 16 bits each, which neither Pillow nor OpenCV writes."""
    rows = np.dstack([values, alpha]).astype(">u2")
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("label", [2, 300])
def test_a_single_id_of_16_bits_with_alpha_is_kept(tmp_path, label):
    path = tmp_path / "mask.png"
    path.write_bytes(grey_alpha_png(DISK * label, DISK * 65535))
    check(read_masks(path), **{f"_{label}": DISK})
    path.write_bytes(grey_alpha_png(DISK * 0, DISK * 65535))
    check(read_masks(path), _1=DISK)  # a black shape


def test_one_colour_of_16_bits_may_have_soft_edges(tmp_path):
    soft = cv2.GaussianBlur(DISK.astype(np.float32), (0, 0), 1.5)
    red = np.dstack([np.rint(soft * 65535), soft * 0, soft * 0]).astype(np.uint16)
    (found,) = read_masks(written(tmp_path, red)).values()
    assert (found ^ DISK).sum() <= 20


@pytest.mark.parametrize(("disk", "bar"), [((1, 0, 0), (2, 0, 0)), ((5, 0, 0), BLACK), ((300, 0, 0), (301, 0, 0))])
def test_colours_that_differ_in_the_lower_of_16_bits_are_refused(tmp_path, disk, bar):
    path = written(tmp_path, painted(disk, bar, kind=np.uint16))
    with pytest.raises(SourceError, match=r"expected colours of 8 bits .* got colours that differ in the lower"):
        read_masks(path)


def test_an_image_of_16_bits_that_its_metadata_turn_is_refused(tmp_path):
    path = written(tmp_path, painted((1,) * 3, (2,) * 3, kind=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    content, chunk = path.read_bytes(), b"eXIf" + turned.tobytes().removeprefix(b"Exif\0\0")
    added = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(content[:PNG_HEADER] + added + content[PNG_HEADER:])
    with pytest.raises(SourceError, match="got 16 bits a channel, turned by its metadata"):
        read_masks(path)
