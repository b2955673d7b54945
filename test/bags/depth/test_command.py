"""`sampt bag` on bags with depth."""

from __future__ import annotations

from itertools import islice

import bags
import compressed_depth
import numpy as np
import pytest
from bags import FRAME, images
from command_line import run
from depth_bags import FOCAL, HEIGHT, INFO, WIDTH, wall
from recordings import registered

from sampt_ros.io.rgbd_recording import Recording


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


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_depth_of_the_ordinary_transport_is_found(fakes, tmp_path, capsys, encoding):
    _, data = compressed_depth.plain(wall(2, np.uint16))
    form = f"{encoding}; png compressed "
    depths = [bags.compressed_depth(index, (form, data), topic=f"{bags.DEPTHS}/compressed") for index in range(2)]
    bags.write(tmp_path / "in", [INFO, *images(2), *depths])
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", "20,20") == 0
    assert "points of 2 images, 2 of them with depth; " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("topic", "change", "options", "told"),
    [
        ("/camera/image_rect_color", {"d": np.full(5, 0.1)}, [], True),
        ("/camera/image_rect", {"p": np.array([40, 0, 30, 0, 0, 40, 20, 0, 0, 0, 1, 0.0])}, [], True),
        ("/camera/image_rect", {"d": np.full(5, 0.1)}, ["--rectified"], False),
        # raw and rectified images are the same
        ("/camera/image_rect_raw", {}, [], False),
        ("/camera/image_raw", {"d": np.full(5, 0.1)}, [], False),
        ("/camera/direct_image", {"d": np.full(5, 0.1)}, [], False),
    ],
)
def test_images_that_are_called_rectified_and_read_as_raw_are_told(
    fakes, tmp_path, caplog, topic, change, options, told
):
    info = bags.camera_info(0, FOCAL, HEIGHT, WIDTH)
    for name, value in change.items():
        setattr(info[1], name, value)
    sent = [info, *((topic, message) for _, message in images(2)), bags.depth(0, wall(2)), bags.depth(1, wall(2))]
    bags.write(tmp_path / "in", sent)
    assert run("bag", tmp_path / "in", tmp_path / "out", "--point", "20,20", *options) == 0
    assert caplog.text.count(f"{topic} is rectified by its name, and its CameraInfo is read as that of raw") == told


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
    poses = "object 1 has a mask in 1 and a pose in 0, object 2 has a mask in 1 and a pose in 1"
    assert f"1 of them with depth; {poses}" in capsys.readouterr().out


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
