"""The node with depth beside its images: positions, poses, clouds and transforms, and what happens without."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import compressed_depth
import fake_message_filters
import fake_tf2_ros
from fakes import SIDE
from geometry_msgs.msg import PoseArray
from node_harness import CAMERA, CAMERA_INFO, FRAME_NS, HEIGHT, START_NS, WIDTH, Harness, raw_image, wait_for
from ros_helpers import listener, ros_domain  # noqa: F401
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from sampt_ros.ros import diagnostics
from sampt_ros.ros.conversions import stamp_ns, time_from_ns

DEPTH, COMPRESSED = "/camera/depth", "/camera/depth/compressedDepth"
FOCAL = 64.0  # of the harness's camera
CENTRE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
FAR, NEAR = 2.0, 1.5  # metres: a wall, and something before its right half
RECORDS = {7: "<f4", 6: "<u4"}  # by PointField's datatypes


@pytest.fixture(autouse=True)
def message_filters(monkeypatch):
    """ROS's own, or what does the same where it is not installed."""
    fake_message_filters.use_where_missing(monkeypatch)


@pytest.fixture
def start_node(ros_domain) -> Iterator[Callable[..., Harness]]:  # noqa: F811
    """Makes an active Harness that listens to depth and has tracked a frame, without depth."""
    made: list[Harness] = []

    def start(**parameters: Any) -> Harness:
        harness = Harness(args=["-r", f"depth:={DEPTH}"], **{"use_depth": True, "depth_timeout": 20.0} | parameters)
        made.append(harness)
        harness.start()
        harness.track()
        return harness

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def sampt(start_node) -> SimpleNamespace:
    """Such a node that has heard depth, with an object at (20, 20), and what it says of it in space."""
    sampt = without_depth(start_node)
    begin_depth(sampt.node)
    stamp = sampt.node.send()
    send_depth(sampt.node, stamp)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")  # nor is anything still to come
    sampt.poses.clear()
    sampt.clouds.clear()
    return sampt


def without_depth(start_node) -> SimpleNamespace:
    """The same before the first depth."""
    return in_space(start_node())


def in_space(node: Harness) -> SimpleNamespace:
    """A node that knows its camera, with an object at (20, 20); `poses` and `clouds` by stamp."""
    poses: dict[int, PoseArray] = {}
    clouds: dict[int, PointCloud2] = {}
    node.send_camera_info()
    node.start_object((20, 20))
    for kind, topic, kept in ((PoseArray, "/sampt/object_poses", poses), (PointCloud2, "/sampt/cloud", clouds)):
        node.listen(kind, topic, lambda message, kept=kept: kept.__setitem__(stamp_ns(message.header), message))
    return SimpleNamespace(node=node, poses=poses, clouds=clouds)


def scene() -> np.ndarray:
    """(H, W) float32 metres."""
    depth = np.full((HEIGHT, WIDTH), FAR, np.float32)
    depth[:, WIDTH // 2 :] = NEAR
    return depth


def send_depth(node: Harness, stamp: int, depth: np.ndarray | None = None, frame_id: str = CAMERA) -> None:
    """Publish depth, float32 metres or uint16 millimetres (default: the scene)."""
    depth = scene() if depth is None else depth
    encoding = {2: "16UC1", 4: "32FC1", 1: "8UC1"}[depth.itemsize]
    height, width = depth.shape
    message = raw_image(encoding, depth.tobytes(), width * depth.itemsize, width, height)
    message.header = Header(stamp=time_from_ns(stamp), frame_id=frame_id)
    node.publish(DEPTH, message)


def send_compressed_depth(node: Harness, stamp: int, coded: tuple[str, bytes]) -> None:
    """coded: the format and data that support/compressed_depth makes."""
    header = Header(stamp=time_from_ns(stamp), frame_id=CAMERA)
    node.publish(COMPRESSED, CompressedImage(header=header, format=coded[0], data=array("B", coded[1])))


def begin_depth(node: Harness) -> None:
    """Send depth and wait until it is heard: frames wait for depth from then on."""
    send_depth(node, node.send())
    wait_for(lambda: "no depth" not in node.diagnostics()["message"], "depth is not heard")


def positions(node: Harness, stamp: int, name: int = 1) -> np.ndarray:
    """(n, 3): where the tracked points of an object are."""
    points = node.result(stamp).objects[name].points
    return np.array([(point.position.x, point.position.y, point.position.z) for point in points])


def seen_at(x: float, y: float, z: float) -> list[float]:
    """What the harness's camera sees at a pixel with this depth."""
    return [*((np.array([x, y]) - CENTRE) / FOCAL * z), z]


def records(message: PointCloud2) -> np.ndarray:
    """The points of a cloud by the names and places that the message gives."""
    kind = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [RECORDS[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(message.data, kind)


# --- with depth ---


@pytest.mark.parametrize("kind", ["metres", "millimetres"])
@pytest.mark.parametrize("first", ["image", "depth"])
def test_points_poses_and_cloud_are_where_the_depth_says(sampt, kind, first):
    node = sampt.node
    depth = scene() if kind == "metres" else (1000 * scene()).astype(np.uint16)
    colour = np.full((HEIGHT, WIDTH, 3), (10, 200, 255), np.uint8)
    stamp = node.next_stamp()
    if first == "depth":
        send_depth(node, stamp, depth)
    node.send(colour, stamp=stamp)
    if first == "image":
        wait_for(lambda: stamp in node.masks, "the mask waits for its depth")
        send_depth(node, stamp, depth)
    found = positions(node, stamp)
    item = node.result(stamp).objects[1]
    np.testing.assert_allclose(found[0], seen_at(item.points[0].x, item.points[0].y, FAR), atol=1e-4)
    np.testing.assert_allclose(found[:, 2], FAR, atol=1e-4)

    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert sampt.poses[stamp].header == sampt.clouds[stamp].header == node.masks[stamp].header
    (pose,) = sampt.poses[stamp].poses
    assert pose == item.pose
    x, y = item.box.x_offset + SIDE // 2, item.box.y_offset + SIDE // 2
    centre = [pose.position.x, pose.position.y, pose.position.z]
    np.testing.assert_allclose(centre, seen_at(x, y, FAR), atol=1e-4)

    cloud = records(sampt.clouds[stamp])
    assert cloud.dtype.names == ("x", "y", "z", "rgb", "object_id")
    assert len(cloud) == sampt.clouds[stamp].width == (SIDE - 4) ** 2  # without the border
    np.testing.assert_allclose(cloud["z"], FAR, atol=1e-4)
    np.testing.assert_allclose(np.median(cloud["x"]), centre[0], atol=1e-4)
    assert set(cloud["object_id"]) == {1}
    assert set(cloud["rgb"].view("<u4")) == {0x0AC8FF}


def test_every_object_has_its_own_pose_and_points(sampt):
    node = sampt.node
    node.start_object((44, 30))
    stamp = node.send()
    send_depth(node, stamp)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert [pose.position.z for pose in sampt.poses[stamp].poses] == pytest.approx([FAR, NEAR], abs=1e-4)
    cloud = records(sampt.clouds[stamp])
    assert set(cloud["z"][cloud["object_id"] == 2]) == {np.float32(NEAR)}
    assert set(cloud["object_id"]) == {1, 2}
    np.testing.assert_allclose(positions(node, stamp, 2)[:, 2], NEAR, atol=1e-4)


def test_what_depth_does_not_show_is_nowhere(sampt):
    node = sampt.node
    stamp = node.send()
    depth = np.zeros((HEIGHT, WIDTH), np.uint16)
    depth[-1, -1] = 1000  # beside the objects
    send_depth(node, stamp, depth)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")
    assert np.isnan(positions(node, stamp)).all()
    assert np.isnan(node.result(stamp).objects[1].pose.position.z)
    assert (list(sampt.poses[stamp].poses), sampt.clouds[stamp].width) == ([], 0)


def test_hidden_points_have_no_position(sampt):
    node = sampt.node
    node.tracker.blind = True
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isnan(positions(node, stamp)).all()


def test_depth_within_the_slop_is_paired_and_beyond_it_not(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp + 15_000_000)
    assert np.isfinite(positions(node, stamp)).all()
    stamp = node.send(stamp=stamp + 10 * FRAME_NS)
    send_depth(node, stamp + 25_000_000)
    assert np.isnan(positions(node, stamp)).all()
    assert stamp not in sampt.poses


def test_a_frame_waits_for_its_depth_but_not_for_ever_and_masks_never_do(sampt):
    node = sampt.node
    stamps = [node.send()]
    send_depth(node, stamps[0])
    node.result(stamps[0])
    wait_for(lambda: sampt.poses, "no pose")
    for _ in range(3):
        stamps.append(node.send())
        wait_for(lambda: stamps[-1] in node.masks, "the mask waits for depth")
    # the second one is published without depth: two newer ones wait
    assert np.isnan(positions(node, stamps[1])).all()
    assert stamps[2] not in node.points
    send_depth(node, stamps[3])
    # depth comes in order, so that the third one's will not come any more
    assert np.isnan(positions(node, stamps[2])).all()
    assert np.isfinite(positions(node, stamps[3])).all()
    assert sorted(sampt.poses) == [stamps[0], stamps[3]]


def is_worked_on(node: Harness, stamp: int, rejected: int) -> bool:
    """Whether a frame is tracked, or more than so many are rejected."""
    return stamp in node.masks or node.node.statistics["frames_rejected"] > rejected


def test_a_bag_that_loops_keeps_its_depth(sampt):
    node = sampt.node
    for begin in (START_NS + 5_000_000_000, START_NS + 1_000_000_000):
        for stamp in range(begin, begin + 7 * FRAME_NS, FRAME_NS):
            rejected = node.node.statistics["frames_rejected"]
            node.send(stamp=stamp)
            send_depth(node, stamp)
            wait_for(partial(is_worked_on, node, stamp, rejected), "nothing is done")
        node.result(stamp)
        node.start_object((20, 20))
    stamp = node.send(stamp=begin + 8 * FRAME_NS)
    send_depth(node, stamp)
    newest = max(node.result(stamp).objects)
    assert np.isfinite(positions(node, stamp, newest)).all()


@pytest.mark.parametrize("encode", [compressed_depth.png, compressed_depth.rvl])
@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_compressed_depth_is_read_where_asked_for(start_node, encode, kind):
    node = start_node(depth_transport="compressedDepth")
    node.send_camera_info()
    node.start_object((20, 20))
    depth = scene() if kind is np.float32 else (1000 * scene()).astype(kind)
    send_compressed_depth(node, node.send(), encode(depth))
    wait_for(lambda: "no depth" not in node.diagnostics()["message"], "depth is not heard")
    stamp = node.send()
    send_compressed_depth(node, stamp, encode(depth))
    np.testing.assert_allclose(positions(node, stamp)[:, 2], FAR, atol=0.001)
    assert node.diagnostics()["level"] == "OK"


# --- without ---


def test_without_depth_2d_goes_on_and_the_diagnostics_say_so(start_node):
    sampt = without_depth(start_node)
    node = sampt.node
    stamp = node.track().stamp
    assert np.isnan(positions(node, stamp)).all()
    values = node.diagnostics()
    assert (values["level"], values["message"]) == ("WARN", f"tracking; objects: 1; no depth on {DEPTH} yet: 2D only")
    begin_depth(node)
    send_depth(node, node.send())
    wait_for(lambda: sampt.poses and sampt.clouds, "nothing in 3D")
    assert (node.diagnostics()["level"], node.diagnostics()["message"]) == ("OK", "tracking; objects: 1")
    # it falls silent
    assert node.set_parameter("depth_timeout", 0.05).successful
    wait_for(lambda: node.diagnostics()["level"] == "WARN", "nobody notices that there is no depth")
    assert f"no depth on {DEPTH} for " in node.diagnostics()["message"]
    before = len(sampt.poses)
    assert np.isnan(positions(node, node.track().stamp)).all()
    assert len(sampt.poses) == before


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), "expected depth encoded as one of 16UC1, mono16, 32FC1; got '8UC1'"),
        (np.zeros((HEIGHT, WIDTH + 2), np.uint16), "expected depth of the image's size 64x48; got 66x48"),
        (np.zeros((HEIGHT, WIDTH), np.uint16), "expected depth in which something is measured; got 0, NaN or the like"),
    ],
    ids=["encoding", "size", "nothing"],
)
def test_depth_that_cannot_be_used_is_left_out_with_the_reason(sampt, depth, reason):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp, depth)
    assert np.isnan(positions(node, stamp)).all()
    assert reason in node.diagnostics()["message"]
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isfinite(positions(node, stamp)).all()
    assert node.diagnostics()["level"] == "OK"


def test_depth_without_camera_info_is_told(start_node):
    node = start_node()
    node.start_object((20, 20))
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isnan(positions(node, stamp)).all()
    assert "no CameraInfo on /camera/camera_info: 2D only" in node.diagnostics()["message"]


def test_the_reason_of_a_refused_camera_info_is_told_with_the_click(start_node):
    node = start_node()
    info = CameraInfo(width=WIDTH, height=HEIGHT, k=[64.0, 0, 32, 0, 64, 24, 0, 0, 1], distortion_model="thin_prism")
    info.d = [0.1]
    node.publish(CAMERA_INFO, info)
    node.wait_for_count("camera_info_rejected", 1)
    node.click_3d(tuple(seen_at(20, 20, FAR)), CAMERA)
    reason = node.wait_for_count("queries_refused", 1)
    assert "before a 3D click; got one that cannot be used: expected a distortion model of plumb_bob" in reason
    begin_depth(node)
    wait_for(lambda: "is refused" in node.diagnostics()["message"], "the diagnostics do not say so")
    assert f"the CameraInfo on {CAMERA_INFO} is refused: expected a distortion model" in node.diagnostics()["message"]


def test_a_latched_camera_info_published_once_is_heard(start_node):
    node = start_node()
    assert node.change_state("deactivate")
    k = [FOCAL, 0.0, CENTRE[0], 0.0, FOCAL, CENTRE[1], 0.0, 0.0, 1.0]
    node.latch(CAMERA_INFO, CameraInfo(width=WIDTH, height=HEIGHT, k=k))
    assert node.change_state("activate")
    wait_for(lambda: node.node._stream.depth_queue.camera is not None, "the latched CameraInfo is not heard")


@pytest.mark.parametrize(("late", "apart"), [(30, "0.030"), (-30, "0.030"), (5_000_000, "4999.")])
def test_depth_that_never_pairs_is_told_with_the_offset_and_the_parameter(start_node, late, apart):
    node = in_space(start_node()).node
    for index in range(8):
        stamp = node.send(stamp=START_NS + (index + 2) * 100_000_000)
        send_depth(node, stamp + late * 1_000_000)
        wait_for(lambda stamp=stamp: stamp in node.masks, "no mask")
    wait_for(lambda: "apart" in node.diagnostics()["message"], lambda: node.diagnostics()["message"])
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"depth on {DEPTH} is {apart}" in values["message"]
    assert "apart from every image, and depth_slop is 0.02 s: 2D only" in values["message"]
    # it pairs again
    stamp = node.send(stamp=stamp + 100_000_000)
    send_depth(node, stamp)
    if abs(late) < 1000:
        wait_for(lambda: node.diagnostics()["level"] == "OK", lambda: node.diagnostics()["message"])


def test_depth_that_comes_too_late_is_told(sampt):
    node = sampt.node
    stamps = [node.send() for _ in range(1)]
    for _ in range(12):
        stamps.append(node.send())
        wait_for(lambda: stamps[-1] in node.masks, "no mask")
        if len(stamps) > 5:
            send_depth(node, stamps[-5])
    message = f"depth on {DEPTH} comes more than two frames after its images: 2D only"
    wait_for(lambda: message in node.diagnostics()["message"], lambda: node.diagnostics()["message"])


def test_depth_in_another_frame_than_the_images_is_used_and_doubted(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp, frame_id="depth_frame")
    assert np.isfinite(positions(node, stamp)).all()
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"depth on {DEPTH} is in frame 'depth_frame', the images are in '{CAMERA}'" in values["message"]


@pytest.mark.parametrize(
    ("heard", "published"), [("raw", COMPRESSED), ("compressedDepth", DEPTH)], ids=["compressed", "raw"]
)
def test_depth_that_is_published_in_the_other_form_alone_is_told(start_node, listener, heard, published):  # noqa: F811
    node = start_node(depth_transport=heard)
    listener.node.create_publisher(Image if published == DEPTH else CompressedImage, published, 1)
    wait_for(lambda: node.node.count_publishers(published), "the node does not see the publisher")
    message = node.diagnostics()["message"]
    other = "raw" if published == DEPTH else "compressedDepth"
    assert f" yet, but {published} is published (depth_transport: {other}): 2D only" in message


def test_what_stays_wrong_is_told_once_in_the_log(start_node, monkeypatch):
    monkeypatch.setattr(diagnostics, "_GRACE_PERIOD", 0.0)
    node = start_node()
    told: list[str] = []
    monkeypatch.setattr(node.node._log, "warning", told.append)
    for _ in range(3):
        node.diagnostics()
    assert [text for text in told if "no depth" in text] == [f"no depth on {DEPTH} yet: 2D only"]


def test_without_message_filters_2d_works_and_the_diagnostics_say_why(start_node, monkeypatch):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    node = start_node()
    node.start_object((20, 20))
    assert np.isnan(positions(node, node.track().stamp)).all()
    assert node.node.count_subscribers(DEPTH) == 0
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert "message_filters is not installed" in values["message"]


def test_depth_is_not_listened_to_unless_asked_for(start_node):
    node = start_node(use_depth=False)
    assert node.node.count_subscribers(DEPTH) == 0
    assert node.diagnostics()["level"] == "OK"


def test_after_a_restart_depth_is_paired_anew(sampt):
    node = sampt.node
    assert node.change_state("deactivate")
    assert node.change_state("activate")
    node._publishers.clear()  # the node's subscriptions are others now
    begin_depth(node)
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isfinite(positions(node, stamp)).all()


# --- clicks ---


def test_a_click_that_something_nearer_hides_is_refused_with_the_reason(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp)
    node.result(stamp)
    hidden, visible = seen_at(50, 20, FAR), seen_at(50, 20, NEAR)
    node.click_3d(tuple(hidden), CAMERA)
    reason = node.wait_for_count("queries_refused", 1)
    assert "2.00 m deep, and something 1.50 m deep hides it at pixel (50, 20)" in reason
    node.click_3d(tuple(visible), CAMERA, stamp=stamp)
    node.wait_for_count("queries_accepted", 2)
    # what has no depth any more is not known to be hidden
    assert node.set_parameter("history", 0.0).successful
    stamp = node.send()
    wait_for(lambda: stamp in node.masks, "no mask")
    node.click_3d(tuple(seen_at(50, 40, FAR)), CAMERA)
    node.wait_for_count("queries_accepted", 3)


# --- TF ---


@pytest.mark.parametrize(
    ("parameters", "frame_id", "reason"),
    [
        ({"use_depth": False}, CAMERA, "use_depth is not"),
        ({}, CAMERA, "tf2_ros is not installed"),
        ({}, "", "the images' frame_id is empty"),
    ],
)
def test_why_nothing_is_broadcast_is_told(start_node, monkeypatch, parameters, frame_id, reason):
    broadcast: list = []
    if frame_id:
        monkeypatch.setitem(sys.modules, "tf2_ros", None)
    else:
        fake_tf2_ros.use(monkeypatch)
        monkeypatch.setattr(fake_tf2_ros.TransformBroadcaster, "sendTransform", lambda _, each: broadcast.append(each))
    node = start_node(broadcast_tf=True, **parameters)
    node.send_camera_info()
    stamp = node.send(stamp=START_NS + FRAME_NS, frame_id=frame_id)
    node.start_object((20, 20), frame_id=frame_id)
    stamp = node.send(stamp=stamp + FRAME_NS, frame_id=frame_id)
    if not parameters:
        send_depth(node, stamp)
        wait_for(lambda: stamp in node.points, "no points")
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"broadcast_tf is set, but {reason}: nothing is broadcast on TF" in values["message"]
    assert broadcast == []


def test_objects_are_broadcast_on_tf(start_node, listener):  # noqa: F811
    tf2_ros = pytest.importorskip("tf2_ros", reason="needs tf2_ros, which is not on PyPI")
    from rclpy.time import Time

    sampt = in_space(start_node(broadcast_tf=True))
    begin_depth(sampt.node)
    buffer = tf2_ros.Buffer()
    tf2_ros.TransformListener(buffer, listener.node)
    stamps: list[int] = []

    def arrived() -> bool:
        stamps.append(sampt.node.send())
        send_depth(sampt.node, stamps[-1])
        wait_for(lambda: stamps[-1] in sampt.poses, "no pose")
        return buffer.can_transform(CAMERA, "sampt/object_1", Time(nanoseconds=stamps[-1]))

    wait_for(arrived, "no transform")
    (pose,) = sampt.poses[stamps[-1]].poses
    found = buffer.lookup_transform(CAMERA, "sampt/object_1", Time(nanoseconds=stamps[-1])).transform
    assert found.rotation == pose.orientation
    assert (found.translation.x, found.translation.y, found.translation.z) == (
        pose.position.x,
        pose.position.y,
        pose.position.z,
    )
