"""Images in colour or grey become RGB, whatever their encoding."""

from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import GREY, HEIGHT, RGB, WIDTH, alpha, changed, message, wide

from sampt_ros.errors import FrameError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages import color_backends
from sampt_ros.messages import images as image_messages
from sampt_ros.ros import conversions


@pytest.fixture(params=["cv_bridge", "rosbags"])
def backend(request, monkeypatch):
    """Both libraries that may convert; cv_bridge where ROS has installed it."""
    find = {"cv_bridge": conversions.cv_bridge_backend, "rosbags": color_backends.rosbags_backend}[request.param]
    found = find()
    if found is None:
        pytest.skip(f"needs {'the cv_bridge of ROS 2' if request.param == 'cv_bridge' else 'rosbags-image'}")
    monkeypatch.setattr(image_messages, "color_backend", lambda: found)


# What is sent, and the RGB that must come out.
EXACT = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "rgba8": (alpha(RGB), RGB),
    "bgra8": (alpha(RGB[..., ::-1]), RGB),
    "8UC4": (alpha(RGB[..., ::-1]), RGB),
    "mono8": (GREY, np.dstack([GREY] * 3)),
    "8UC1": (GREY, np.dstack([GREY] * 3)),
    "mono16": (wide(GREY), np.dstack([GREY] * 3)),
    "rgb16": (wide(RGB), RGB),
    "bgr16": (wide(RGB[..., ::-1]), RGB),
    "rgba16": (alpha(wide(RGB)), RGB),
    "bgra16": (alpha(wide(RGB[..., ::-1])), RGB),
}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", EXACT)
def test_encodings(backend, encoding, padding):
    sent, expected = EXACT[encoding]
    image = conversions.rgb_from_image(message(np.ascontiguousarray(sent), encoding, padding))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    tolerance = 1 if encoding.endswith("16") else 0  # the libraries round differently
    np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=tolerance)


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("encoding", [name for name in EXACT if name.endswith("16")])
def test_big_endian_is_swapped(backend, encoding, padding):
    sent, expected = EXACT[encoding]
    image = conversions.rgb_from_image(message(np.ascontiguousarray(sent), encoding, padding, big=True))
    np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=1)


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(backend, order, depth, padding):
    # An orange scene: every cell of the pattern sees its own channel of it.
    colour = {"r": 250, "g": 130, "b": 20}
    cells = np.array([colour[name] for name in order], np.uint8).reshape(2, 2)
    mosaic = np.tile(cells, (HEIGHT // 2, WIDTH // 2))
    sent = wide(mosaic) if depth == 16 else mosaic
    image = conversions.rgb_from_image(message(sent, f"bayer_{order}{depth}", padding))
    np.testing.assert_allclose(image[2:-2, 2:-2].astype(int), np.broadcast_to((250, 130, 20), (2, 4, 3)), atol=1)


def yuv(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """BT.601 with studio range, what video cameras send."""
    y = 16 + (65.5 * red + 128.6 * green + 25.0 * blue) / 255
    u = 128 + (-37.8 * red - 74.2 * green + 112.0 * blue) / 255
    v = 128 + (112.0 * red - 93.8 * green - 18.2 * blue) / 255
    return round(y), round(u), round(v)


Y, U, V = yuv(200, 90, 40)
PAIR = {"uyvy": (U, Y, V, Y), "yuv422": (U, Y, V, Y), "yuyv": (Y, U, Y, V), "yuv422_yuy2": (Y, U, Y, V)}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", PAIR)
def test_packed_yuv(backend, encoding, padding):
    sent = np.tile(np.array(PAIR[encoding], np.uint8).reshape(2, 2), (HEIGHT, WIDTH // 2, 1))
    image = conversions.rgb_from_image(message(sent, encoding, padding))
    np.testing.assert_allclose(image.astype(int), np.broadcast_to((200, 90, 40), RGB.shape), atol=3)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("encoding", "chroma"), [("nv12", (U, V)), ("nv21", (V, U))])
def test_planar_yuv(encoding, chroma, padding):
    chrominance = np.tile(np.array(chroma, np.uint8), (HEIGHT // 2, WIDTH // 2))
    sent = np.vstack([np.full((HEIGHT, WIDTH), Y, np.uint8), chrominance])
    image = conversions.rgb_from_image(message(sent, encoding, padding, height=HEIGHT))
    np.testing.assert_allclose(image.astype(int), np.broadcast_to((200, 90, 40), RGB.shape), atol=3)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", ["rgba16", "bgra16", "16UC4"])
def test_the_alpha_of_16_bits_does_not_darken_colours_of_12(backend, encoding, big):
    colours = np.random.default_rng(5).integers(0, 4096, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    sent = colours if encoding == "rgba16" else colours[..., ::-1]
    opaque = np.dstack([sent, np.full((HEIGHT, WIDTH), 65535, np.uint16)])
    found = conversions.rgb_from_image(message(opaque, encoding, 6, big), GreyRange())
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, conversions.rgb_from_image(message(colours, "rgb16"), GreyRange()))


def test_rgb8_is_not_copied():
    msg = message(RGB, "rgb8")
    image = conversions.rgb_from_image(msg)
    msg.data[0] = (int(RGB[0, 0, 0]) + 1) % 256
    assert image[0, 0, 0] == msg.data[0]


def test_deserialized_numpy_data_converts_too():
    msg = message(RGB, "rgb8")
    plain = type("Image", (), {name: getattr(msg, name) for name in ("height", "width", "encoding", "step")})
    plain.is_bigendian, plain.data = 0, np.frombuffer(msg.data, np.uint8)
    np.testing.assert_array_equal(conversions.rgb_from_image(plain), RGB)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"encoding": "32FC1"}, r"expected an image encoding in colour or grey \(mono8, .*; got '32FC1'"),
        ({"encoding": ""}, r"got ''"),
        ({"encoding": "rgba8"}, "a step of at least 32 bytes for 8 pixels of rgba8; got 24"),
        ({"step": 23}, "a step of at least 24 bytes for 8 pixels of rgb8; got 23"),
        ({"step": 0}, "got 0"),
        ({"step": 25}, "6 rows of 25 bytes, 150 in all; got 144"),
        ({"height": 7}, "7 rows of 24 bytes, 168 in all; got 144"),
        ({"height": 0}, "at least one pixel; got 8x0"),
        ({"width": 0}, "at least one pixel; got 0x6"),
        ({"encoding": "nv12", "height": 5}, "even height for nv12; got 8x5"),
        ({"encoding": "yuyv", "width": 7}, "even width for yuyv; got 7x6"),
        ({"data": array.array("B")}, "144 in all; got 0"),
    ],
)
def test_images_that_do_not_agree_with_themselves_are_refused(change, error):
    msg = changed(message(RGB, "rgb8"), change)
    with pytest.raises(FrameError, match=error):
        conversions.rgb_from_image(msg)


def test_without_any_backend_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(color_backends, "BACKENDS", [lambda: None])
    monkeypatch.setattr(image_messages, "color_backend", color_backends.color_backend.__wrapped__)
    conversions.rgb_from_image(message(RGB, "bgr8"))  # needs none
    with pytest.raises(FrameError, match=r"pip install rosbags-image.*got neither"):
        conversions.rgb_from_image(message(wide(GREY), "mono16"))
