"""Bags with depth beside their images: what is in space, of which depth it is, and what happens without."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import bags
import compressed_depth
import numpy as np
import pytest
from bags import FRAME, images
from fakes import DriftingTracker, SquareSegmenter, blank
from recordings import registered

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.recorder import BagRecorder
from sampt_ros.bags.topics import choose_inputs, inspect_topics
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli import bag as command
from sampt_ros.cli import main as cli
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import cloud, in_metres, object_surfaces
from sampt_ros.io.rgbd_recording import Recording
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.tracking.sam_pt import SamPt

FOCAL, HEIGHT, WIDTH = 50.0, 48, 64
CAMERA = Pinhole(np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]), np.zeros(0), "", WIDTH, HEIGHT)
INFO = bags.camera_info(0, FOCAL, HEIGHT, WIDTH)
MS = 1_000_000


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


def wall(metres: float, kind: type = np.float32) -> np.ndarray:
    """(H, W): everything so far away."""
    return np.full((HEIGHT, WIDTH), metres * (1000 if kind is np.uint16 else 1), kind)


def tracked(path, sam_pt, slop: float = 0.02, points=("20,20",)):
    """What the tracker makes of a bag, and the tracker."""
    with BagReader(path) as bag:
        inputs = choose_inputs(bag.topics, inspect_topics(bag))
        tracker = BagTracker(sam_pt, inputs, parse_starts(points, [], []), NodeConfig(depth_slop=slop))
        return list(tracker.track(bag)), tracker


def depths(results) -> list[float | None]:
    """How far away object 1 is in each image; None without depth."""
    return [None if each.surfaces is None else round(float(each.surfaces[1].centre[2]), 3) for each in results]


# --- which depth ---


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("first", ["image", "depth"])
def test_every_image_has_the_depth_of_its_own_time(tmp_path, sam_pt, first, kind):
    sent = [INFO]
    for index, picture in enumerate(images(6)):
        pair = [picture, bags.depth(index, wall(1 + index, kind))]
        sent += pair if first == "image" else pair[::-1]
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert [each.header for each in results] == [bags.header(index) for index in range(6)]
    assert depths(results) == [1, 2, 3, 4, 5, 6]
    assert tracker.refused == 0


def test_the_nearest_within_the_slop_counts_whatever_came_first(tmp_path, sam_pt):
    sent = [INFO, *images(1)]
    sent += [bags.depth(0, wall(1), late=30 * MS), bags.image(1, blank()), bags.depth(0, wall(2), late=90 * MS)]
    sent += [bags.image(2, blank()), bags.depth(1, wall(3), late=90 * MS), bags.depth(2, wall(4), late=5 * MS)]
    sent += [bags.image(3, blank()), bags.image(4, blank())]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, slop=0.02)
    assert depths(results) == [None, 2, 4, None, None]
    results, _ = tracked(tmp_path / "in", SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()), slop=0.04)
    assert depths(results) == [1, 2, 4, None, None]


def test_depth_that_was_recorded_late_is_waited_for_but_not_forever(tmp_path, sam_pt):
    sent = [INFO, *images(8), *(bags.depth(index, wall(1 + index)) for index in range(8))]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, 2, 3, 4, 5, 6, 7, 8]
    sam_pt.reset()
    sent = [INFO, *images(14), *(bags.depth(index, wall(1 + index)) for index in range(14))]
    expected = [None] * 4 + list(range(5, 15))
    assert depths(tracked(bags.write(tmp_path / "late", sent), sam_pt)[0]) == expected


def test_a_camera_info_after_the_first_image_is_in_time(tmp_path, sam_pt):
    sent = [bags.depth(0, wall(1)), *images(1), INFO, bags.image(1, blank())]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, None]


def test_memory_for_depth_is_bounded_and_time_may_jump_back(tmp_path, sam_pt):
    ahead = [message for index in range(50) for message in (bags.depth(index, wall(2)), bags.image(index, blank()))]
    again = [message for index in range(9) for message in (bags.depth(index, wall(3)), bags.image(index, blank()))]
    path = bags.write(tmp_path / "in", [INFO, *ahead, *again])
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, inspect_topics(bag)), parse_starts(["20,20"], [], []))
        results, kept = [], []
        for each in tracker.track(bag):
            results.append(each)
            kept.append(len(tracker._stream.depth_queue._depths))
    assert len(results) == 59
    assert max(kept) <= 12
    frames = [each for each in results if each is not None]
    assert [each.surfaces is not None for each in frames] == [True] * 55
    assert not len(frames[50].surfaces[1].xy)  # the object is looked for again


def test_after_a_jump_back_every_image_gets_its_own_depth_again(tmp_path, sam_pt):
    loop = [(index, [bags.image(index, blank()), bags.depth(index, wall(2))]) for index in range(7)]
    far = [(index, [bags.image(index, blank()), bags.depth(index, wall(3))]) for index in (50, 51)]
    sent = [INFO, *(message for _, pair in [*far, *loop] for message in pair)]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, points=("20,20",))
    results = [each for each in results if each is not None]  # four frames show the jump before it is believed
    assert [each.surfaces is not None for each in results] == [True] * 5
    assert depths(results[:2]) == [3, 3]


def test_without_stamps_the_times_of_the_recording_count(tmp_path, sam_pt):
    sent = [INFO]
    for index in range(4):
        sent += [bags.image(index, blank()), bags.depth(index, wall(1 + index), late=MS)]
    for _, message in sent:
        message.at, message.header = message.header, bags.header(-1)
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [1, 2, 3, 4]


def test_an_image_has_the_camera_of_its_own_time(tmp_path, sam_pt):
    other = bags.camera_info(1, 2 * FOCAL, HEIGHT, WIDTH)
    sent = [INFO, *images(2), other, bags.depth(0, wall(2)), bags.depth(1, wall(2))]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert results[0].surfaces[1].centre[0] == pytest.approx((20 - WIDTH / 2) / FOCAL * 2, abs=0.05)


def test_depth_is_not_kept_for_a_camera_that_never_comes(tmp_path, sam_pt):
    uncalibrated = bags.camera_info(0, 0, HEIGHT, WIDTH)
    sent = [uncalibrated, *images(2), *(bags.depth(index, wall(2)) for index in range(60))]
    path = bags.write(tmp_path / "in", sent)
    with BagReader(path) as bag:
        tracker = BagTracker(sam_pt, choose_inputs(bag.topics, inspect_topics(bag)), parse_starts(["20,20"], [], []))
        results = list(tracker.track(bag))
        assert len(tracker._stream.depth_queue._depths) <= 12
    assert depths(results) == [None, None]


# --- what is written ---


def test_positions_poses_and_cloud_are_those_that_the_depth_shows(tmp_path, sam_pt):
    plane = wall(2)
    plane[:, 40:] = 1.5
    sent = [INFO, *images(1), bags.depth(0, plane), bags.image(1, blank())]
    results, _ = tracked(bags.write(tmp_path / "in", sent), sam_pt, points=("20,20", "50,20,1,2"))
    with BagRecorder(tmp_path / "out", "mcap", depth=True) as recorder:
        for each in results:
            recorder.add(each)
    assert (recorder.frames, recorder.with_depth) == (2, 1)
    written = bags.read(tmp_path / "out")
    assert {name: len(messages) for name, messages in written.items()} == {
        **{f"/sampt/{name}": 2 for name in ("mask", "labels", "points")},
        **{f"/sampt/{name}": 1 for name in ("object_poses", "cloud")},
    }
    found = object_surfaces(results[0].result, in_metres(plane, (HEIGHT, WIDTH)), CAMERA)
    first, second = (message.objects for _, message in written["/sampt/points"])
    for item in first:
        positions = [(point.position.x, point.position.y, point.position.z) for point in item.points]
        np.testing.assert_allclose(positions, found[item.id].points, atol=1e-6)
    assert np.isnan(second[0].points[0].position.x)
    poses = written["/sampt/object_poses"][0][1]
    assert poses.header == bags.header(0)
    centres = [(pose.position.x, pose.position.y, pose.position.z) for pose in poses.poses]
    np.testing.assert_allclose(centres, [found[1].centre, found[2].centre])
    points = written["/sampt/cloud"][0][1]
    assert [field.name for field in points.fields] == ["x", "y", "z", "rgb", "object_id"]
    assert points.data.tobytes() == cloud(results[0].result, found, results[0].image).tobytes()


def test_the_bytes_are_those_of_the_nodes_messages(tmp_path, sam_pt):
    pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
    pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    from rclpy.serialization import deserialize_message, serialize_message

    from sampt_ros.ros import conversions

    sent = [INFO, *images(1), bags.depth(0, wall(2))]
    (each,), _ = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    with BagRecorder(tmp_path / "out", "mcap", depth=True) as recorder:
        recorder.add(each)
    with BagReader(tmp_path / "out") as bag:
        written = {topic: data for topic, _, data in bag.messages(bag.topics)}
    types = bag_types.types()
    header = deserialize_message(bytes(types.serialize_cdr(each.header, "std_msgs/msg/Header")), conversions.Header)
    frame = replace(each, event=replace(each.event, header=header))
    for name in ("points", "object_poses", "cloud"):
        topic, kind = f"/sampt/{name}", OUTPUTS[name].type
        message = OUTPUTS[name].make(frame, conversions.message_classes())
        assert str(deserialize_message(written[topic], type(message))) == str(message)
        # through rosbags and back: what is in the bytes between two fields is nobody's business
        assert written[topic] == bytes(
            types.serialize_cdr(types.deserialize_cdr(serialize_message(message), kind), kind)
        )


# --- what goes wrong ---


def test_a_click_on_what_something_nearer_hides_is_refused(tmp_path, sam_pt, caplog):
    sent = [INFO, bags.depth(0, wall(1)), *images(1), bags.click(0, (0, 0, 2)), bags.click(0, (0.2, 0, 1))]
    results, tracker = tracked(bags.write(tmp_path / "in", [*sent, bags.image(1, blank())]), sam_pt)
    assert tracker.refused == 1
    assert "it is 2.00 m deep, and something 1.00 m deep hides it" in caplog.text
    assert [item.id for item in results[-1].result.objects] == [1, 2]


def test_depth_that_cannot_be_used_costs_nothing_else(tmp_path, sam_pt, caplog):
    sent = [INFO]
    for index, plane in enumerate([wall(2), wall(2), wall(2)[:24], wall(2)[:24], wall(3)]):
        sent += [bags.image(index, blank()), bags.depth(index, plane)]
    sent[4][1].data = sent[4][1].data[:100]
    results, tracker = tracked(bags.write(tmp_path / "in", sent), sam_pt)
    assert depths(results) == [2, None, None, None, 3]
    assert (tracker.dropped, tracker.refused) == (0, 3)
    assert "a depth image is dropped: expected 48 rows of 256 bytes" in caplog.text
    assert caplog.text.count("no 3D: expected depth of the image's size 64x48; got 64x24") == 1


def test_why_there_is_no_3d_is_said_once(tmp_path, sam_pt, caplog):
    sent = [INFO]
    for index in range(5):
        sent += [bags.image(index, blank()), bags.depth(index, wall(2), late=30 * MS)]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [None] * 5
    assert (
        caplog.text.count("no 3D: expected depth within 0.02 s of each image (depth_slop); got it 0.030 s apart") == 1
    )
    assert caplog.text.count("no 3D") == 1


def test_the_camera_info_of_other_images_is_told(tmp_path, sam_pt, caplog):
    sent = [bags.camera_info(0, FOCAL, 24, 32), *images(2), bags.depth(0, wall(2)), bags.depth(1, wall(2))]
    assert depths(tracked(bags.write(tmp_path / "in", sent), sam_pt)[0]) == [None, None]
    assert caplog.text.count("no 3D: expected the CameraInfo of 64x48 images; got one of 32x24") == 1


# --- the command ---


@pytest.fixture
def fakes(monkeypatch):
    """Let `sampt bag` track squares, whatever the images show."""
    monkeypatch.setattr(command, "SamPt", lambda config: SamPt(config, SquareSegmenter(), DriftingTracker()))


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize(("frame", "named"), [(FRAME, False), ("depth_frame", True)])
def test_bag_finds_depth_in_the_images_frame_or_takes_it_by_name(fakes, tmp_path, capsys, frame, named):
    sent = [INFO]
    for index, picture in enumerate(images(4)):
        sent += [picture, bags.depth(index, wall(2), frame)][: 1 if index == 2 else 2]
    bags.write(tmp_path / "in", sent)
    asked = ["--depth", bags.DEPTHS] if named else []
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", "20,20", *asked) == 0
    assert "points of 4 images, 3 of them with depth; " in capsys.readouterr().out
    written = bags.read(tmp_path / "out")
    stamps = [message.header for _, message in written["/sampt/object_poses"]]
    assert stamps == [bags.header(index) for index in (0, 1, 3)]


@pytest.mark.parametrize("unknown", [np.uint16(0), np.float32(np.nan)])
def test_depth_that_measures_nothing_is_no_depth_and_is_told(fakes, tmp_path, capsys, caplog, unknown):
    sent = [INFO, *images(3), *(bags.depth(index, np.full((HEIGHT, WIDTH), unknown)) for index in (0, 1))]
    sent += [bags.depth(2, wall(2))]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    out = capsys.readouterr().out
    assert "points of 3 images, 1 of them with depth, 2 messages refused; " in out
    assert "object 1 has a mask in 3 and a pose in 1" in out
    assert "no 3D: expected depth in which something is measured; got 0, NaN" in caplog.text


@pytest.mark.parametrize(
    ("focal", "far", "told"),
    [
        (FOCAL, 2000, "most of the depth is beyond 200 m: expected metres in 32FC1; these may be millimetres"),
        (800 * FOCAL, 2, ""),
        (None, 2, "principal point (0, 0) is not inside its 64x48 images, as of an uncalibrated camera or another"),
    ],
)
def test_cameras_and_depth_of_another_unit_or_resolution_are_told(fakes, tmp_path, caplog, focal, far, told):
    info = bags.camera_info(0, focal or 1, HEIGHT, WIDTH)
    if focal is None:
        info[1].k = np.eye(3).ravel()
    sent = [info, *images(1), bags.depth(0, wall(far))]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    assert told in caplog.text and bool(caplog.text) == bool(told)


def test_depth_as_mono16_is_found_by_its_name(fakes, tmp_path, capsys):
    sent = [INFO, *images(2), *(bags.depth(index, wall(2, np.uint16)) for index in range(2))]
    for _, message in sent[3:]:
        message.encoding = "mono16"
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    assert "2 of them with depth" in capsys.readouterr().out


def test_objects_without_a_pose_are_told_where_there_is_depth(fakes, tmp_path, capsys):
    plane = wall(2)
    plane[:, :40] = 0  # something black, which the camera does not measure
    sent = [INFO, *images(1), bags.depth(0, plane)]
    prompts = ["--point", "20,20", "--point", "50,20,1,2"]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", *prompts) == 0
    assert (
        "1 of them with depth; tracking alone ran at" in (out := capsys.readouterr().out)
        and "object 1 has a mask in 1 and a pose in 0, object 2 has a mask in 1 and a pose in 1" in out
    )


def test_bag_without_registered_depth_has_no_3d_topics_and_says_so(fakes, tmp_path, capsys, caplog):
    sent = [INFO, *images(2), bags.depth(0, wall(2), "depth_frame")]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    assert "depth" not in capsys.readouterr().out
    assert set(bags.read(tmp_path / "out")) == {"/sampt/mask", "/sampt/labels", "/sampt/points"}
    assert (
        f"no 3D: depth is not known to be registered to the images in frame '{FRAME}': {bags.DEPTHS} in frame "
        "'depth_frame'; --depth TOPIC reads it" in caplog.text
    )


def test_bag_says_that_depth_without_a_camera_info_is_not_read(fakes, tmp_path, caplog):
    sent = [*images(2), bags.depth(0, wall(2))]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    assert f"no 3D: {bags.DEPTHS} has depth, but the images' CameraInfo is not known; --camera-info" in caplog.text


@pytest.mark.parametrize("encode", [compressed_depth.png, compressed_depth.rvl])
def test_bag_reads_compressed_depth(fakes, tmp_path, capsys, caplog, encode):
    sent = [INFO]
    for index, picture in enumerate(images(4)):
        sent += [picture, bags.compressed_depth(index, encode(wall(2, np.uint16)))]
    assert run("bag", bags.write(tmp_path / "in", sent), tmp_path / "out", "--point", "20,20") == 0
    assert "points of 4 images, 4 of them with depth" in capsys.readouterr().out
    z = [message.poses[0].position.z for _, message in bags.read(tmp_path / "out")["/sampt/object_poses"]]
    assert z == [2.0] * 4
    assert not caplog.text


def test_depth_that_is_there_raw_and_compressed_is_read_once(tmp_path):
    sent = [INFO, *images(1), bags.compressed_depth(0, compressed_depth.png(wall(2, np.uint16)))]
    sent += [bags.depth(0, wall(3))]
    with BagReader(bags.write(tmp_path / "in", sent)) as bag:
        assert choose_inputs(bag.topics, inspect_topics(bag)).depth.name == bags.DEPTHS


RAW_DEPTH = "/camera/aligned_depth_to_color/image_raw"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("other_frame", ["--depth", RAW_DEPTH]),
        ("no_frame", ["--depth", RAW_DEPTH]),
        ("compressed_depth", []),
    ],
)
def test_depth_that_was_not_used_silently_gives_poses(shared_folder, tmp_path, caplog, name, arguments):
    path = shared_folder / "cases/depth_silently_unused" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    prompts = ["--point", "25,30", "--preset", "grabcut"]
    assert run("bag", path, tmp_path / "out", *prompts, *arguments) == 0
    poses = [message.poses for _, message in bags.read(tmp_path / "out")["/sampt/object_poses"]]
    assert [round(found[0].position.z, 3) for found in poses] == [0.8] * 8
    if arguments:
        caplog.clear()
        assert run("bag", path, tmp_path / "without", *prompts) == 0
        assert f"{RAW_DEPTH} in frame" in caplog.text and "--depth TOPIC reads it" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--depth", "/nowhere"],
            "--depth: expected a topic of type sensor_msgs/msg/Image or sensor_msgs/msg/CompressedImage; got no /now",
        ),
        (["--depth-slop", "7"], "depth_slop: expected"),
    ],
)
def test_options_that_make_no_sense_are_refused(fakes, tmp_path, capsys, arguments, complaint):
    bags.write(tmp_path / "in", [INFO, *images(1)])
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", "20,20", *arguments) == 2
    assert complaint in capsys.readouterr().err


def test_points_of_a_real_recording_stay_where_they_are_in_the_world(shared_folder, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which runs the default preset")
    views = [registered(view) for view in islice(Recording(shared_folder / "data/rgbd"), 16)]
    focal, size = views[0].camera.K[0, 0], (views[0].camera.height, views[0].camera.width)
    sent = [bags.camera_info(0, focal, *size)]
    for index, view in enumerate(views):
        sent += [bags.image(index, view.image), bags.depth(index, (1000 * view.depth).astype(np.uint16))]
    bags.write(tmp_path / "in", sent)
    mug, table = "381,181", "260,300,1,2"
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", mug, "--point", table) == 0
    assert "16 of them with depth" in capsys.readouterr().out
    seen: dict[tuple[int, int], list[np.ndarray]] = {}
    for view, (_, message) in zip(views, bags.read(tmp_path / "out")["/sampt/points"], strict=True):
        for item in message.objects:
            for point in item.points:
                xyz = np.array([point.position.x, point.position.y, point.position.z])
                seen.setdefault((item.id, point.id), []).append(view.pose[:3, :3] @ xyz + view.pose[:3, 3])
    moved = [np.linalg.norm(world - np.nanmedian(world, axis=0), axis=1) for world in map(np.array, seen.values())]
    off = np.concatenate(moved)
    assert np.isfinite(off).mean() > 0.5
    assert np.nanmedian(off) < 0.02
