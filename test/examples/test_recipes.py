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
import time
import numpy as np
from types import SimpleNamespace

class Array(np.ndarray):
    def cpu(self):
        return self

class YOLO:
    def __init__(self, weights):
        assert weights == "weights.pt"

    def __call__(self, image, verbose):
        time.sleep(SECONDS)
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


PIXELS = [(29, 20), (30, 20), (39, 29), (40, 29), (35, 25), (35, 25)]  # the last two have no depth
DEPTHS = [1, 2, 3, 4, NAN, 0]


def cloud_of(height: int = 1, pad: int = 0, number: str = "<f4") -> PointCloud2:
    """PIXELS in `height` rows, each with `pad` bytes after it; each point has a gap, and its number as its colour."""
    kind = np.dtype(number)
    depth = np.array(DEPTHS)[:, None]
    table = np.zeros((len(PIXELS), 5), kind)
    table[:, :3], table[:, 4] = np.hstack([(np.array(PIXELS) - (32, 24)) / 50 * depth, depth]), range(len(PIXELS))
    datatype = {4: PointField.FLOAT32, 8: PointField.FLOAT64}[kind.itemsize]
    fields = [
        PointField(name=name, offset=kind.itemsize * place, datatype=datatype, count=1)
        for name, place in (("x", 0), ("y", 1), ("z", 2), ("rgb", 4))
    ]
    step, width = 5 * kind.itemsize, len(PIXELS) // height
    data = b"".join(rows.tobytes() + bytes(pad) for rows in np.split(table, height))
    return PointCloud2(
        header=HEADER,
        height=height,
        width=width,
        fields=fields,
        is_bigendian=number.startswith(">"),
        point_step=step,
        row_step=width * step + pad,
        data=array("B", data),
    )


@pytest.fixture
def filter_cloud(start_example, listener):  # noqa: F811
    """Starts the filter, and sends it this cloud with a mask until `heard`; returns what is heard of it."""
    mask = np.zeros((48, 64), np.uint8)
    mask[20:30, 30:40] = 255
    camera = CameraInfo(header=HEADER, width=64, height=48, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])

    def run(cloud: PointCloud2, keep: str, heard=lambda filtered, text: filtered) -> list[PointCloud2]:
        filtered = listener.listen(PointCloud2, "/points/filtered")
        topics = (
            ("/points", cloud),
            ("/camera/camera_info", camera),
            ("/sampt/mask", image_from_array(mask, "mono8", HEADER)),
        )
        sent = [(listener.node.create_publisher(type(message), topic, RELIABLE), message) for topic, message in topics]
        printed = start_example("cloud_filter", "/points", keep)
        publish_until(sent, lambda: heard(filtered, printed()), printed)
        return filtered

    return run


@pytest.mark.parametrize(
    ("keep", "layout", "expected"),
    [
        ("inside", {}, [1, 2]),
        ("outside", {}, [0, 3, 4, 5]),
        ("outside", {"height": 2, "pad": 8}, [0, 3, 4, 5]),
        ("outside", {"height": 2, "pad": 20}, [0, 3, 4, 5]),  # as many bytes as a point
        ("inside", {"number": "<f8"}, [1, 2]),
        ("inside", {"height": 3, "pad": 4, "number": ">f4"}, [1, 2]),
    ],
)
def test_cloud_filter_keeps_the_points_on_the_mask_or_the_others(filter_cloud, keep, layout, expected):
    cloud = cloud_of(**layout)
    message = filter_cloud(cloud, keep)[0]
    colours = np.frombuffer(message.data, layout.get("number", "<f4")).reshape(-1, 5)[:, 4]
    assert colours.tolist() == expected
    step = cloud.point_step
    assert (message.width, message.height, message.row_step) == (len(expected), 1, step * len(expected))
    assert (message.point_step, message.is_bigendian) == (step, cloud.is_bigendian)
    assert message.header == HEADER


def without_bytes(cloud: PointCloud2) -> str:
    cloud.data = cloud.data[:-1]
    return "expected 2 rows of 3 points of 20 bytes; got row_step 60 and 119 bytes"


def without_depth(cloud: PointCloud2) -> str:
    cloud.fields = [field for field in cloud.fields if field.name != "z"]
    return "expected numbers x, y and z; got the fields x, y, rgb"


@pytest.mark.parametrize("spoil", [without_bytes, without_depth])
def test_cloud_filter_tells_of_a_cloud_that_it_cannot_read(filter_cloud, spoil):
    cloud = cloud_of(height=2)
    complaint = f"a cloud is not filtered: {spoil(cloud)}"
    assert filter_cloud(cloud, "outside", lambda filtered, text: complaint in text) == []


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


@pytest.fixture
def detect(start_example, tmp_path, ros_domain):  # noqa: F811
    """Starts the detector, which takes some seconds, with a node that keeps images for a `history`.

    Returns the node, a function that tracks one more image, and one that reads what the detector printed.
    """
    nodes = []

    def start(seconds: float, history: float):
        (tmp_path / "ultralytics.py").write_text(YOLO.replace("SECONDS", str(seconds)))
        image = np.zeros((48, 64, 3), np.uint8)
        image[0, 0] = (10, 20, 30)
        node = Harness(history=history).start()
        nodes.append(node)
        # The object fills its box, and stays there.
        node.segmenter.side, node.tracker.drift = 19, np.zeros(2, np.float32)
        node.track(image)
        return node, lambda: node.track(image), start_example("detector", "weights.pt", "cup", modules=tmp_path)

    yield start
    for node in nodes:
        node.close()


@pytest.mark.parametrize("seconds", [0.0, 1.2])  # in time for the next detection, and later
def test_detector_starts_what_is_wanted_and_not_tracked_yet(detect, seconds):
    node, track, printed = detect(seconds, history=30.0)

    def is_told() -> bool:
        track()
        return "object 1 is a cup: started object 1" in printed()

    assert wait_until(is_told, PATIENCE), printed()
    for _ in range(30 if seconds == 0 else 50):  # in which the detector looks again, twice or more
        assert list(track().objects) == [1]
        wait_until(lambda: False, 0.1)
    assert node.diagnostics()["queries_accepted"] == "1"


def test_detector_tells_how_long_the_node_has_to_keep_images_for_it(detect):
    _, track, printed = detect(0.6, history=0.1)

    def is_told() -> bool:
        track()
        return "a cup is not tracked: expected the stamp of an image kept" in printed()

    assert wait_until(is_told, PATIENCE), printed()
    assert "(the detector took 0.6 s" in printed() and "`ros2 param set /sampt history 2.0`" in printed()
