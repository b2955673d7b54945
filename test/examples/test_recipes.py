"""The recipes of docs/recipes.md that need ROS, each in a process of its own as people run it."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from example_process import start_example  # noqa: F401
from geometry_msgs.msg import Point, Pose, PoseArray, PoseStamped, Quaternion, TransformStamped
from node_harness import CAMERA, LATCHED, PATIENCE, Harness, wait_for
from ros_helpers import RELIABLE, listener, ros_domain, wait_until  # noqa: F401
from sampt_ros.msg import TrackedObject, TrackedObjects
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField
from std_msgs.msg import Header

from sampt_ros.ros.conversions import image_from_array, time_from_ns

HEADER = Header(stamp=time_from_ns(10**9), frame_id=CAMERA)
NAN = float("nan")

YOLO = """
import numpy as np
from types import SimpleNamespace

class Array(np.ndarray):
    def cpu(self):
        return self

class YOLO:
    def __init__(self, weights):
        assert weights == "weights.pt"

    def __call__(self, image, verbose):
        assert image.shape == (48, 64, 3) and image[0, 0].tolist() == [30, 20, 10]  # BGR
        boxes = np.array([[10, 10, 30, 30], [40, 10, 60, 30]], float).view(Array)
        numbers = np.array([0.0, 1.0]).view(Array)
        return [SimpleNamespace(boxes=SimpleNamespace(xyxy=boxes, cls=numbers), names={0: "cup", 1: "dog"})]
"""


def publish_until(publishers_and_messages, heard, printed):
    """Publish messages again and again, as cameras do, until there is an answer."""
    for publisher, _ in publishers_and_messages:
        wait_for(lambda publisher=publisher: publisher.get_subscription_count() > 0, printed)

    def is_heard() -> bool:
        for publisher, message in publishers_and_messages:
            publisher.publish(message)
        return wait_until(heard, 0.5)

    assert wait_until(is_heard, PATIENCE), printed()


def test_grasp_pose_approaches_the_object_from_the_camera(start_example, listener):  # noqa: F811
    # an object whose longest extent is upright (x is the camera's y), seen from the front (z is against the camera's z)
    half = math.sqrt(0.5)
    seen = Pose(position=Point(x=0.1, y=-0.2, z=0.7), orientation=Quaternion(x=half, y=half, z=0.0, w=0.0))
    hidden = Pose(position=Point(x=NAN, y=NAN, z=NAN))
    objects = [TrackedObject(id=2, pose=seen), TrackedObject(id=1, pose=hidden)]
    unseen = TrackedObjects(header=HEADER, objects=objects)
    message = TrackedObjects(header=HEADER, objects=[*objects, TrackedObject(id=1, pose=seen)])
    grasps, pregrasps = (listener.listen(PoseStamped, topic) for topic in ("/grasp", "/pregrasp"))
    publisher = listener.node.create_publisher(TrackedObjects, "/sampt/points", RELIABLE)
    printed = start_example("grasp_pose")
    publish_until([(publisher, unseen), (publisher, message)], lambda: grasps and pregrasps, printed)
    for pose, z in ((grasps[0].pose, 0.7), (pregrasps[0].pose, 0.6)):
        assert (pose.position.x, pose.position.y, pose.position.z) == pytest.approx((0.1, -0.2, z))
        turn = pose.orientation
        # z is the camera's z; x is still along the longest extent, the camera's y
        assert (turn.x, turn.y, turn.z, turn.w) == pytest.approx((0, 0, -half, -half))
    assert grasps[0].header == HEADER


@pytest.mark.parametrize(("keep", "expected"), [("inside", [1, 2]), ("outside", [0, 3, 4, 5])])
def test_cloud_filter_keeps_the_points_on_the_mask_or_the_others(start_example, listener, keep, expected):  # noqa: F811
    mask = np.zeros((48, 64), np.uint8)
    mask[20:30, 30:40] = 255
    pixels = np.array(
        [(29, 20), (30, 20), (39, 29), (40, 29), (35, 25), (35, 25)], np.float32
    )  # the last two: no depth
    depth = np.array([1, 2, 3, 4, NAN, 0], np.float32)[:, None]
    xyz = np.hstack([(pixels - (32, 24)) / 50 * depth, depth])
    rows = np.zeros((6, 5), np.float32)  # with a colour between, as drivers pad them
    rows[:, :3], rows[:, 4] = xyz, np.arange(6)
    fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for name, place in (("x", 0), ("y", 1), ("z", 2), ("rgb", 4))
    ]
    cloud = PointCloud2(header=HEADER, height=1, width=6, fields=fields, point_step=20, row_step=120)
    cloud.data = array("B", rows.tobytes())
    camera = CameraInfo(header=HEADER, width=64, height=48, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])
    filtered = listener.listen(PointCloud2, "/points/filtered")
    topics = (
        ("/points", cloud),
        ("/camera/camera_info", camera),
        ("/sampt/mask", image_from_array(mask, "mono8", HEADER)),
    )
    sent = [(listener.node.create_publisher(type(message), topic, RELIABLE), message) for topic, message in topics]
    printed = start_example("cloud_filter", "/points", keep)
    publish_until(sent, lambda: filtered, printed)
    message = filtered[0]
    assert np.frombuffer(message.data, np.float32).reshape(-1, 5)[:, 4].tolist() == expected
    assert (message.width, message.height, message.row_step) == (len(expected), 1, 20 * len(expected))
    assert message.header == HEADER


def test_keepout_zone_draws_a_disk_around_every_object_on_the_map(start_example, listener):  # noqa: F811
    tf2_ros = pytest.importorskip("tf2_ros", reason="needs tf2_ros, which only a full ROS installation has")
    from nav_msgs.msg import OccupancyGrid

    # a camera 1 m over the map's point (2, 1), looking along the map's x
    camera = TransformStamped(header=Header(frame_id="map"), child_frame_id=CAMERA)
    shift, turn = camera.transform.translation, camera.transform.rotation
    shift.x, shift.y, shift.z = 2.0, 1.0, 1.0
    turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
    tf2_ros.StaticTransformBroadcaster(listener.node).sendTransform(camera)
    poses = PoseArray(header=HEADER, poses=[Pose(position=Point(x=-0.5, y=0.2, z=3.0))])  # left, below, before it
    grids = []
    listener.node.create_subscription(OccupancyGrid, "/keepout_mask", grids.append, LATCHED)
    publisher = listener.node.create_publisher(PoseArray, "/sampt/object_poses", RELIABLE)
    printed = start_example("keepout_zone", "0.5")
    publish_until([(publisher, poses)], lambda: grids, printed)
    grid = grids[0]
    cells = np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    y, x = np.nonzero(cells == 100)
    origin, size = grid.info.origin.position, grid.info.resolution
    assert (origin.x + (x.mean() + 0.5) * size, origin.y + (y.mean() + 0.5) * size) == pytest.approx(
        (5.0, 1.5), abs=0.01
    )
    assert len(x) * size**2 == pytest.approx(math.pi * 0.5**2, rel=0.05)
    assert grid.header.frame_id == "map"


def test_detector_starts_what_is_wanted_and_not_tracked_yet(start_example, tmp_path, ros_domain):  # noqa: F811
    (tmp_path / "ultralytics.py").write_text(YOLO)
    image = np.zeros((48, 64, 3), np.uint8)
    image[0, 0] = (10, 20, 30)
    node = Harness().start()
    try:
        node.segmenter.side, node.tracker.drift = (
            19,
            np.zeros(2, np.float32),
        )  # the object fills its box, and stays there
        node.track(image)
        printed = start_example("detector", "weights.pt", "cup", modules=tmp_path)

        def is_told() -> bool:
            node.track(image)
            return "object 1 is a cup: started object 1" in printed()

        assert wait_until(is_told, PATIENCE), printed()
        for _ in range(30):  # in which the detector looks again, twice or more
            assert list(node.track(image).objects) == [1]
            wait_until(lambda: False, 0.1)
        assert node.diagnostics()["queries_accepted"] == "1"
    finally:
        node.close()
