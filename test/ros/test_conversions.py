"""ROS messages to arrays and back."""

import array
import importlib
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

import cv2
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointField, RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.cli import doctor
from sampt_ros.config.options import option
from sampt_ros.data_types import FrameResult, ObjectResult, ObjectState, Points
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.surfaces import CLOUD, ObjectSurface
from sampt_ros.messages import color_backends, fields
from sampt_ros.messages import images as image_messages
from sampt_ros.ros import conversions

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")
WIDTH, HEIGHT = 8, 6
RGB = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RGB[..., 0]


@pytest.fixture(params=["cv_bridge", "rosbags"])
def backend(request, monkeypatch):
    """Both libraries that may convert; cv_bridge where ROS has installed it."""
    find = {"cv_bridge": conversions.cv_bridge_backend, "rosbags": color_backends.rosbags_backend}[request.param]
    found = find()
    if found is None:
        pytest.skip(f"needs {'the cv_bridge of ROS 2' if request.param == 'cv_bridge' else 'rosbags-image'}")
    monkeypatch.setattr(image_messages, "color_backend", lambda: found)


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False, height: int = 0) -> Image:
    """A message of `pixels` with `padding` bytes after each row."""
    raw = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).reshape(len(pixels), -1).view(np.uint8)
    padded = np.pad(raw, ((0, 0), (0, padding)), constant_values=77)
    data = array.array("B", padded.tobytes())
    return Image(
        header=HEADER,
        height=height or len(pixels),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=padded.shape[1],
        data=data,
    )


def alpha(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 200, image.dtype)])


def wide(image: np.ndarray) -> np.ndarray:
    """8 bits as 16, white as white."""
    return image.astype(np.uint16) * 257


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
    msg = message(RGB, "rgb8")
    for name, value in change.items():
        setattr(msg, name, value)
    with pytest.raises(FrameError, match=error):
        conversions.rgb_from_image(msg)


def test_without_any_backend_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(color_backends, "BACKENDS", [lambda: None])
    monkeypatch.setattr(image_messages, "color_backend", color_backends.color_backend.__wrapped__)
    conversions.rgb_from_image(message(RGB, "bgr8"))  # needs none
    with pytest.raises(FrameError, match=r"pip install rosbags-image.*got neither"):
        conversions.rgb_from_image(message(wide(GREY), "mono16"))


@pytest.fixture
def other_cv_bridge(tmp_path, monkeypatch):
    """The package of this name on PyPI, which is ROS 1's."""
    package = tmp_path / "cv_bridge" / "boost"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "cv_bridge_boost.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("cv_bridge", "cv_bridge.boost", "cv_bridge.boost.cv_bridge_boost"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return package.parent


def test_a_cv_bridge_outside_the_ros_install_is_not_used(other_cv_bridge):
    assert conversions.cv_bridge_backend() is None


@pytest.mark.parametrize("has_ros_s", [False, True])
def test_doctor_says_why_the_node_refuses_a_cv_bridge(other_cv_bridge, monkeypatch, has_ros_s):
    if has_ros_s:
        packages = importlib.import_module("ament_index_python.packages")
        monkeypatch.setattr(packages, "get_package_prefix", lambda name: "/opt/ros/anywhere")
    (found,) = (check for check in doctor.examine() if check.name == "cv_bridge or rosbags.image")
    assert not found.detail.startswith("cv_bridge")
    assert "expected cv_bridge of " in found.detail and str(other_cv_bridge) in found.detail


def test_doctor_says_that_a_cv_bridge_does_not_load(other_cv_bridge):
    broken = 'raise ImportError("numpy.core.multiarray failed to import")'
    (other_cv_bridge / "boost/cv_bridge_boost.py").write_text(broken)
    packages = importlib.import_module("ament_index_python.packages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "get_package_prefix", lambda name: str(other_cv_bridge.parent))
        (found,) = (check for check in doctor.examine() if check.name == "cv_bridge or rosbags.image")
    assert "; cv_bridge does not load: numpy.core.multiarray failed to import" in found.detail


def test_in_a_node_cv_bridge_comes_first():
    assert [conversions.cv_bridge_backend, color_backends.rosbags_backend] == color_backends.BACKENDS


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "16 bit"])
def test_compressed_images(suffix, kind):
    if suffix == ".jpg" and kind in ("alpha", "16 bit"):
        pytest.skip("a JPEG has neither")
    flat = np.full((20, 30, 3), (200, 90, 40), np.uint8)
    expected = np.full_like(flat, 90) if kind == "grey" else flat
    bgr = np.ascontiguousarray(flat[..., ::-1])
    sent = {"colour": bgr, "grey": flat[..., 1], "alpha": alpha(bgr), "16 bit": wide(bgr)}[kind]
    data = cv2.imencode(suffix, sent)[1].tobytes()
    image = conversions.rgb_from_compressed(CompressedImage(format=suffix[1:], data=array.array("B", data)))
    np.testing.assert_allclose(image.astype(int), expected, atol=0 if suffix == ".png" else 3)


@pytest.mark.parametrize("data", [b"", b"not an image", b"\xff\xd8\xff\xe0"])
def test_corrupt_compressed_images_are_refused(data):
    with pytest.raises(FrameError, match=f"expected JPEG or PNG data; got {len(data)} bytes"):
        conversions.rgb_from_compressed(CompressedImage(format="jpeg", data=array.array("B", data)))


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("mono8", "u1"),
        ("8UC1", "u1"),
        ("8SC1", "i1"),
        ("mono16", "u2"),
        ("16UC1", "u2"),
        ("32SC1", "i4"),
        ("32FC1", "f4"),
        ("64FC1", "f8"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
def test_seed_masks(encoding, kind, big, padding):
    expected = GREY > 128
    sent = np.where(expected, np.arange(1, GREY.size + 1).reshape(GREY.shape), 0).astype(kind)
    mask = conversions.mask_from_image(message(sent, encoding, padding, big))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)


def test_nan_and_below_zero_are_not_mask():
    sent = np.array([[np.nan, -1, 0, 0.5]], np.float32)
    assert conversions.mask_from_image(message(sent, "32FC1")).tolist() == [[False, False, False, True]]


def test_an_empty_mask_message_is_no_mask():
    assert conversions.mask_from_image(Image()) is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"encoding": "rgb8"}, r"expected a mask encoded as one of mono8, .*; got 'rgb8'"),
        ({"width": 0}, "at least one pixel; got 0x6"),
        ({"step": 3}, "mask: expected a step of at least 8 bytes"),
        ({"height": 60}, "480 in all; got 48"),
    ],
)
def test_bad_masks_are_refused(change, error):
    msg = message(GREY, "mono8")
    for name, value in change.items():
        setattr(msg, name, value)
    with pytest.raises(QueryError, match=error):
        conversions.mask_from_image(msg)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("mono8", GREY), ("mono16", GREY.astype(np.uint16) * 200), ("rgb8", RGB)],
)
@pytest.mark.parametrize("strided", [False, True])
def test_images_that_are_published(encoding, sent, strided):
    if strided:
        sent = np.repeat(sent, 2, axis=1)[:, ::2]
    msg = conversions.image_from_array(sent, encoding, HEADER)
    assert msg.header is HEADER
    assert (msg.width, msg.height, msg.encoding, msg.is_bigendian) == (WIDTH, HEIGHT, encoding, 0)
    assert msg.step == WIDTH * sent.itemsize * (3 if encoding == "rgb8" else 1)
    assert msg.data.tobytes() == sent.astype(sent.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("mono8", RGB), ("mono8", GREY > 3), ("mono16", GREY), ("rgb8", GREY), ("rgb8", alpha(RGB)), ("mono8", GREY[0])],
)
def test_arrays_that_are_not_the_encodings_are_refused(encoding, sent):
    with pytest.raises(FrameError, match=f"for {encoding}; got "):
        conversions.image_from_array(sent, encoding, HEADER)
    with pytest.raises(FrameError, match="mono8, mono16, rgb8; got 'bgr8'"):
        conversions.image_from_array(RGB, "bgr8", HEADER)


def median_ms(action) -> float:
    """Milliseconds, the median of 21 runs."""
    times = []
    for _ in range(21):
        started = time.perf_counter()
        action()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


def test_conversions_cost_little_at_vga():
    # The bounds are ten times what a laptop needs: a conversion byte by byte takes longer still.
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    msg = conversions.image_from_array(image, "rgb8", HEADER)
    assert median_ms(lambda: conversions.rgb_from_image(msg)) < 5
    assert median_ms(lambda: conversions.image_from_array(image, "rgb8", HEADER)) < 10
    msg.encoding = "bgr8"
    assert median_ms(lambda: conversions.rgb_from_image(msg)) < 10


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_000_000_000, 1_762_000_000_123_456_789])
def test_stamps_lose_nothing(ns):
    assert conversions.stamp_ns(conversions.time_from_ns(ns)) == ns
    assert conversions.stamp_ns(Header(stamp=conversions.time_from_ns(ns))) == ns


def test_tracked_objects():
    pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1:3, 2:6] = True
    points = Points.start(np.array([7, 8]), np.array([[2.5, 1.5], [7, 0]]), np.array([1, 0]))
    points = points.moved(points.xy, np.array([True, False]), np.array([0.75, 0.25]))
    found = ObjectResult(3, ObjectState.TRACKING, 0.5, mask, points)
    lost = ObjectResult(65535, ObjectState.LOST, 0.0, np.zeros_like(mask), Points.none())
    msg = fields.tracked_objects(FrameResult(0, mask.shape, (found, lost)), HEADER, conversions.message_classes())

    assert msg.header == HEADER
    first, second = msg.objects
    assert (first.id, first.state, first.score, first.area) == (3, 1, 0.5, 8)
    assert first.box == RegionOfInterest(x_offset=2, y_offset=1, width=4, height=2)
    values = [(p.id, p.x, p.y, p.label, p.visible, p.confidence) for p in first.points]
    assert values == [(7, 2.5, 1.5, 1, True, 0.75), (8, 7.0, 0.0, 0, False, 0.25)]
    assert (second.id, second.state, second.area, second.box, second.points) == (65535, 3, 0, RegionOfInterest(), [])


def test_diagnostic_status():
    status = conversions.diagnostic_status("sampt: stream", DiagnosticStatus.WARN, "late", {"fps": 12.5, "objects": 2})
    assert (status.name, status.level, status.message) == ("sampt: stream", DiagnosticStatus.WARN, "late")
    assert [(pair.key, pair.value) for pair in status.values] == [("fps", "12.5"), ("objects", "2")]


def test_parameter_descriptors_say_what_is_allowed():
    def descriptor(default, **limits):
        return conversions.parameter_descriptor(option(default, "What it is", **limits).metadata["option"], default)

    number = descriptor(0.5, minimum=0, maximum=2, unit="seconds")
    assert number.description == "What it is (seconds)"
    bounds = number.floating_point_range[0]
    assert (bounds.from_value, bounds.to_value, bounds.step) == (0.0, 2.0, 0.0)
    count = descriptor(8, fixed=True, minimum=1, maximum=256)
    assert count.read_only
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 256)
    assert descriptor("raw", choices=("raw", "compressed")).additional_constraints == "raw, compressed"
    assert descriptor(5, minimum=1).additional_constraints == "at least 1"
    assert descriptor(True).additional_constraints == ""


def camera_info(**changes) -> CameraInfo:
    msg = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[-0.1, 0.01, 0.0, 0.0, 0.0])
    msg.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    msg.p = [450.0, 0.0, 310.0, 0.0, 0.0, 460.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


def test_camera_info():
    camera = conversions.intrinsics_from_camera_info(camera_info())
    assert camera.K.tolist() == [[500, 0, 320], [0, 510, 240], [0, 0, 1]]
    assert camera.D.tolist() == [-0.1, 0.01, 0, 0]  # the fifth, which is 0, says nothing
    assert (camera.model, camera.width, camera.height) == ("plumb_bob", 640, 480)


def test_a_rectified_image_has_the_matrix_p_and_no_distortion():
    camera = conversions.intrinsics_from_camera_info(camera_info(), rectified=True)
    assert camera.K.tolist() == [[450, 0, 310], [0, 460, 230], [0, 0, 1]]
    assert not camera.D.any()


def test_region_of_interest_is_cut_before_binning():
    window = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    camera = conversions.intrinsics_from_camera_info(camera_info(roi=window, binning_x=2, binning_y=4))
    assert camera.K.tolist() == [[250, 0, 110], [0, 127.5, 50], [0, 0, 1]]
    assert (camera.width, camera.height) == (200, 75)


@pytest.mark.parametrize("rectified", [False, True])
def test_uncalibrated_cameras_are_refused(rectified):
    with pytest.raises(QueryError, match="expected a calibrated CameraInfo"):
        conversions.intrinsics_from_camera_info(CameraInfo(width=640, height=480), rectified)


def test_unknown_distortion_is_refused():
    with pytest.raises(QueryError, match="got 'fov'"):
        conversions.intrinsics_from_camera_info(camera_info(distortion_model="fov"))


# --- depth and 3D ---

SURFACE = ObjectSurface(
    np.array([[1, 2]]),
    np.array([[0.1, 0.2, 1.5]], np.float32),
    np.array([0.1, 0.2, 1.5]),
    np.array([0.0, 0.6, 0.0, 0.8]),
    np.array([[0.3, 0.4, 2.0], [np.nan] * 3], np.float32),
)
NOWHERE = ObjectSurface(
    SURFACE.xy[:0], SURFACE.xyz[:0], np.full(3, np.nan), np.full(4, np.nan), SURFACE.points * np.nan
)


@pytest.mark.parametrize("big", [False, True], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize(("kind", "encoding"), [(np.uint16, "16UC1"), (np.uint16, "mono16"), (np.float32, "32FC1")])
def test_depth_images(kind, encoding, big):
    depth = (np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) * 260.5).astype(kind)
    found = conversions.depth_from_image(message(depth, encoding, padding=8, big=big))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, depth)


def test_other_depth_images_are_refused():
    with pytest.raises(FrameError, match="one of 16UC1, mono16, 32FC1; got 'rgb8'"):
        conversions.depth_from_image(message(RGB, "rgb8"))
    short = message(GREY.astype(np.uint16), "16UC1")
    short.data = short.data[:-1]
    with pytest.raises(FrameError, match="in all; got"):
        conversions.depth_from_image(short)


def test_poses_and_transforms_of_the_objects_that_have_one():
    found = {4: NOWHERE, 7: SURFACE}
    poses = fields.object_poses(found, HEADER, conversions.message_classes())
    (transform,) = conversions.object_transforms(found, HEADER, "front/sampt")
    assert poses.header == transform.header == HEADER
    (pose,) = poses.poses
    assert (pose.position.x, pose.position.y, pose.position.z) == (0.1, 0.2, 1.5)
    assert (pose.orientation.y, pose.orientation.w) == (0.6, 0.8)
    assert transform.child_frame_id == "front/sampt/object_7"
    assert (transform.transform.translation.z, transform.transform.rotation) == (1.5, pose.orientation)


def test_tracked_objects_have_poses_and_positions_where_depth_shows_them():
    pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
    points = Points.start(np.array([5, 6]), np.zeros((2, 2)), np.ones(2))
    item = ObjectResult(7, ObjectState.TRACKING, 0.9, np.zeros((HEIGHT, WIDTH), bool), points)
    result = FrameResult(0, (HEIGHT, WIDTH), (item,))
    (shown,) = fields.tracked_objects(result, HEADER, conversions.message_classes(), {7: SURFACE}).objects
    assert shown.pose.position.z == 1.5
    assert [point.position.z for point in shown.points] == [2.0, pytest.approx(np.nan, nan_ok=True)]
    for found in (None, {}, {7: NOWHERE}):
        (hidden,) = fields.tracked_objects(result, HEADER, conversions.message_classes(), found).objects
        assert np.isnan([hidden.pose.position.x, hidden.pose.orientation.w, hidden.points[0].position.y]).all()


def test_a_cloud_is_laid_out_as_its_fields_say():
    points = np.zeros(3, CLOUD)
    points["z"], points["rgb"], points["object_id"] = [1, 2, 3], 0x0102FF, 70_000
    cloud = fields.point_cloud(points, HEADER, conversions.message_classes())
    assert (cloud.header, cloud.height, cloud.width, cloud.is_dense, cloud.is_bigendian) == (HEADER, 1, 3, True, False)
    assert (cloud.point_step, cloud.row_step, len(cloud.data)) == (20, 60, 60)
    laid_out = {field.name: (field.offset, field.datatype, field.count) for field in cloud.fields}
    float32, uint32 = PointField.FLOAT32, PointField.UINT32
    assert laid_out == {
        "x": (0, float32, 1),
        "y": (4, float32, 1),
        "z": (8, float32, 1),
        "rgb": (12, float32, 1),
        "object_id": (16, uint32, 1),
    }
    np.testing.assert_array_equal(np.frombuffer(cloud.data, CLOUD), points)
    assert list(cloud.data[12:16]) == [0xFF, 0x02, 0x01, 0]  # blue first, as PCL has it
    assert fields.point_cloud(points[:0], HEADER, conversions.message_classes()).width == 0
