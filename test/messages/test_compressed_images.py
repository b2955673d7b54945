"""Compressed images: what `format` says of them, and what their files say."""

import io
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from synthetic import texture

from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages.images import rgb_from_compressed, rgb_from_image

PICTURE = cv2.GaussianBlur(texture(96, 64), (0, 0), 3)


def _mosaic(depth: int) -> np.ndarray:
    mosaic = np.empty(PICTURE.shape[:2], np.uint8)
    for (row, column), channel in zip(((0, 0), (0, 1), (1, 0), (1, 1)), (0, 1, 1, 2)):
        mosaic[row::2, column::2] = PICTURE[row::2, column::2, channel]
    return mosaic if depth == 8 else mosaic.astype(np.uint16) * 257


@pytest.mark.parametrize("depth", [8, 16])
def test_a_mosaic_that_was_compressed_as_it_is_has_the_colours_of_the_raw_image(depth):
    mosaic = _mosaic(depth)
    data = cv2.imencode(".png", mosaic)[1].ravel()
    found = rgb_from_compressed(SimpleNamespace(format=f"bayer_rggb{depth}; png compressed ", data=data), GreyRange())
    raw = SimpleNamespace(
        height=mosaic.shape[0],
        width=mosaic.shape[1],
        encoding=f"bayer_rggb{depth}",
        is_bigendian=0,
        step=mosaic.strides[0],
        data=mosaic.reshape(-1).view(np.uint8),
    )
    np.testing.assert_array_equal(found, rgb_from_image(raw, GreyRange()))
    if depth == 8:
        assert np.abs(found.astype(int) - PICTURE)[4:-4, 4:-4].mean() < 3


@pytest.mark.parametrize("name", ["bayer_rggb8; jpeg compressed bgr8", "bgr8; png compressed bgr8", "png", ""])
def test_what_has_colours_keeps_them(name):
    data = cv2.imencode(".png", PICTURE[..., ::-1])[1].ravel()
    np.testing.assert_array_equal(rgb_from_compressed(SimpleNamespace(format=name, data=data)), PICTURE)


def test_grey_that_was_computed_of_a_mosaic_stays_grey():
    grey = cv2.cvtColor(PICTURE, cv2.COLOR_RGB2GRAY)
    data = cv2.imencode(".png", grey)[1].ravel()
    message = SimpleNamespace(format="bayer_rggb8; png compressed mono8", data=data)
    np.testing.assert_array_equal(rgb_from_compressed(message), np.repeat(grey[..., None], 3, axis=2))


def test_the_alpha_of_a_png_of_16_bits_does_not_darken_colours_of_12():
    colours = PICTURE.astype(np.uint16) * 16
    opaque = np.dstack([colours, np.full(colours.shape[:2], 65535, np.uint16)])
    found, right = (
        rgb_from_compressed(SimpleNamespace(format="png", data=cv2.imencode(".png", image)[1].ravel()), GreyRange())
        for image in (opaque, colours)
    )
    np.testing.assert_array_equal(found, right)
    assert found.mean() > 50


@pytest.mark.parametrize("grey", [None, GreyRange()], ids=["8 bits", "16 bits kept"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_an_orientation_that_the_file_names_does_not_turn_the_image(orientation, grey):
    exif = Image.Exif()
    exif[0x112] = orientation
    turned, plain = io.BytesIO(), io.BytesIO()
    Image.fromarray(PICTURE).save(turned, "JPEG", exif=exif)
    Image.fromarray(PICTURE).save(plain, "JPEG")
    found, right = (
        rgb_from_compressed(SimpleNamespace(format="jpeg", data=np.frombuffer(file.getvalue(), np.uint8)), grey)
        for file in (turned, plain)
    )
    np.testing.assert_array_equal(found, right)
