from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

import compressed_depth
import numpy as np
import pytest

from sampt_ros.errors import FrameError
from sampt_ros.messages.compressed_depth import depth_from_compressed

ENCODERS = [compressed_depth.png, compressed_depth.rvl]


def decoded(format_: str, data: bytes) -> np.ndarray:
    return depth_from_compressed(SimpleNamespace(format=format_, data=np.frombuffer(data, np.uint8)))


def scene(seed: int = 0) -> np.ndarray:
    """(24, 32) uint16 millimetres: slopes, steps, noise and holes."""
    rng = np.random.default_rng(seed)
    depth = (500 + 7 * np.arange(32) + 13 * np.arange(24)[:, None] + rng.integers(0, 9, (24, 32))).astype(np.uint16)
    depth[5:9, 3:20] = 65535
    depth[rng.random(depth.shape) < 0.2] = 0
    return depth


@pytest.mark.parametrize("encode", [*ENCODERS, compressed_depth.plain])
@pytest.mark.parametrize(
    "depth",
    [
        scene(),
        np.zeros((4, 6), np.uint16),  # nothing measured
        np.full((4, 6), 800, np.uint16),  # no holes
        np.array([[0, 65535, 1], [0, 0, 65535]], np.uint16),  # the largest steps there are
        np.array([[7]], np.uint16),
    ],
    ids=["scene", "empty", "wall", "steps", "pixel"],
)
def test_millimetres_come_back_as_they_were(encode, depth):
    found = decoded(*encode(depth))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, depth)


@pytest.mark.parametrize("encode", ENCODERS)
def test_metres_come_back_as_exactly_as_they_were_sent(encode):
    depth = np.linspace(0.3, 9.5, 600, dtype=np.float32).reshape(20, 30)
    depth[2, 3:6] = np.nan
    depth[7, 8] = 12  # beyond the furthest that is sent
    found = decoded(*encode(depth))
    assert found.dtype == np.float32
    seen = depth < 10
    assert np.isnan(found[~seen]).all()
    # the numbers are steps of 1 in 10100 / depth
    np.testing.assert_array_less(np.abs(found[seen] - depth[seen]), 1.01 * depth[seen] ** 2 / 10100 + 1e-4)


def test_metres_in_a_plain_file_are_exact():
    depth = np.where(scene() > 0, scene() / np.float32(1000), np.float32(np.nan))
    np.testing.assert_array_equal(decoded(*compressed_depth.plain(depth)), depth)


def test_mono16_in_a_plain_file_is_millimetres():
    _, data = compressed_depth.plain(scene())
    np.testing.assert_array_equal(decoded("mono16; png compressed ", data), scene())


@pytest.mark.parametrize(
    ("format_", "message"),
    [
        ("16UC1; jpeg compressed ", "as compressedDepth, PNG or TIFF; got .*, in which the distances are lost"),
        ("rgb8; png compressed bgr8", "expected 16UC1 or 32FC1 as compressedDepth, PNG or TIFF; got the format 'rgb8"),
        ("32FC1; png compressed ", "expected a PNG or TIFF of one channel of 32 bits; got .* uint16"),
    ],
)
def test_plain_files_that_are_not_depth_are_refused(format_, message):
    with pytest.raises(FrameError, match=message):
        decoded(format_, compressed_depth.plain(scene())[1])


def test_formats_of_older_senders_are_png():
    _, data = compressed_depth.png(scene())
    np.testing.assert_array_equal(decoded("16UC1; compressedDepth", data), scene())


PNG, RVL = (encode(scene()) for encode in ENCODERS)


@pytest.mark.parametrize(
    ("format_", "data", "expected"),
    [
        ("rgb8; jpeg compressed bgr8", PNG[1], "16UC1 or 32FC1"),
        ("8UC1; compressedDepth png", PNG[1], "16UC1 or 32FC1"),
        (PNG[0], PNG[1][:12], "12 bytes"),
        (PNG[0], PNG[1][:40], "do not decode"),
        (PNG[0], RVL[1], "expected PNG data"),
        (RVL[0], RVL[1][:16], "got 0x0"),
        (RVL[0], RVL[1][:12] + b"\xff" * 8, "got 4294967295x4294967295"),
        (RVL[0], RVL[1][:60], "run beyond the end|end after"),
        (RVL[0], RVL[1][:20], "end after 0"),
        (RVL[0], RVL[1][:20] + b"\xff" * 40, "end after 0|half bytes"),
        (RVL[0], RVL[1][:20] + b"\x77" * 40, "run beyond|depths from"),
    ],
)
def test_what_cannot_be_decoded_says_why(format_, data, expected):
    with pytest.raises(FrameError, match=expected):
        decoded(format_, data)


def test_damaged_rvl_is_refused_or_has_the_size_that_it_names():
    rng = np.random.default_rng(1)
    format_, whole = RVL
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(20, len(data), 3):
            data[at] = rng.integers(256)
        with suppress(FrameError):
            assert decoded(format_, bytes(data)).shape == (24, 32)
