"""References from uploaded files, in memory alone."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest

from sampt_ros.errors import FrameError, QueryError
from sampt_ros.web.uploads import reference_from_upload


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def picture(size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """(H, W, 3) BGR: blue."""
    return np.full((*size, 3), (200, 0, 0), np.uint8)


def mask(size: tuple[int, int] = (20, 30)) -> np.ndarray:
    white = np.zeros(size, np.uint8)
    white[5:10, 5:15] = 255
    return white


def upload(first: bytes, second: bytes = b""):
    return reference_from_upload({"type": "reference", "picture": len(first)}, first + second, 4)


def test_a_picture_and_its_mask_make_a_reference():
    reference = upload(png(picture()), png(mask()))
    assert reference.object_id == 4
    assert reference.image.shape == (20, 30, 3) and reference.image[0, 0].tolist() == [0, 0, 200]
    assert reference.mask.dtype == bool and reference.mask.sum() == 50


def test_a_transparent_background_is_a_mask():
    cut_out = np.dstack([picture(), mask()])
    cut_out[7, 7, :3] = (0, 90, 200)
    assert upload(png(cut_out)).mask.sum() == 50


def test_a_mask_of_the_same_shape_is_scaled():
    assert upload(png(picture()), png(mask((40, 60)))).mask.shape == (20, 30)


def test_a_large_picture_is_scaled_down_with_its_mask():
    large = np.zeros((2000, 3200), np.uint8)
    large[200:1000, 400:800] = 255
    reference = upload(png(picture((2000, 3200))), png(large))
    assert reference.image.shape == (1000, 1600, 3) and reference.mask.shape == (1000, 1600)
    assert reference.mask.sum() == 400 * 200


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (b"no image", b"", "expected a picture as JPEG, PNG, WebP or BMP"),
        (png(picture()), b"no image", "expected a mask as JPEG, PNG, WebP or BMP"),
        (png(picture())[:60], png(mask()), "expected a picture"),
        (png(picture()), b"", "expected a mask, or a picture with a transparent background"),
        (png(picture()), png(mask((25, 30))), "expected a mask of the picture's size 30x20"),
        (png(picture()), png(np.zeros((20, 30), np.uint8)), "expected an object in the mask"),
        (png(picture()), png(np.random.default_rng(0).integers(0, 256, (20, 30, 3))), "expected a mask"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", b"", "expected a picture as JPEG"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(first, second, reason):
    with pytest.raises((QueryError, FrameError), match=reason):
        upload(first, second)


@pytest.mark.parametrize(("side", "came"), [(5001, "5001x5001"), (30000, "a far larger one")])
def test_an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded(side, came):
    claims = bytearray(png(picture()))
    claims[16:24] = (side).to_bytes(4, "big") * 2  # width and height
    claims[29:33] = zlib.crc32(claims[12:29]).to_bytes(4, "big")
    with pytest.raises(FrameError, match=f"expected a picture of at most 25 megapixels; got {came}"):
        upload(bytes(claims), png(mask()))
    with pytest.raises(FrameError, match=f"expected a mask of at most 25 megapixels; got {came}"):
        upload(png(picture()), bytes(claims))


@pytest.mark.parametrize("header", [{}, {"type": "reference"}, {"type": "reference", "picture": -1}])
def test_a_header_that_does_not_fit_is_refused(header):
    with pytest.raises(QueryError, match="expected a reference"):
        reference_from_upload(header, b"abc", 1)


def test_text_in_an_image_that_unpacks_to_a_hundred_times_its_size_is_refused():
    content = b"Comment\0\0" + zlib.compress(bytes(20 * 2**20))
    bomb = len(content).to_bytes(4, "big") + b"zTXt" + content + zlib.crc32(b"zTXt" + content).to_bytes(4, "big")
    small = png(picture())
    with pytest.raises(FrameError, match="expected a picture"):
        upload(small[:33] + bomb + small[33:], png(mask()))
