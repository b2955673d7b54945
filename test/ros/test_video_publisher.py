"""video_publisher: a file played as a camera."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

import cv2
import rclpy
from ros_helpers import BEST_EFFORT, RELIABLE, listener, ros_domain, wait_until  # noqa: F401
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sampt_ros.errors import ConfigError
from sampt_ros.ros import video_publisher
from sampt_ros.ros.conversions import rgb_from_compressed, rgb_from_image, stamp_ns
from sampt_ros.ros.video_publisher import VideoPublisherConfig, camera_info, main

FRAMES = 12


@pytest.fixture(autouse=True)
def middleware_settings_end_with_the_test(monkeypatch):
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path):
    """A folder of images 32x24; image k is grey 20 * k."""
    made = tmp_path / "frames"
    made.mkdir()
    for k in range(FRAMES):
        cv2.imwrite(str(made / f"{k}.png"), np.full((24, 32, 3), 20 * k, np.uint8))
    return made


@pytest.fixture
def video(tmp_path):
    """The same as a video of 50 frames per second."""
    path = tmp_path / "frames.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, (32, 24))
    for k in range(FRAMES):
        writer.write(np.full((24, 32, 3), 20 * k, np.uint8))
    writer.release()
    return path


def arguments(*remaps: str, **parameters: object) -> list[str]:
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    return ["--ros-args", *given, *(word for remap in remaps for word in ("-r", remap))]


def stamps(messages: list) -> list[int]:
    return [stamp_ns(message.header) for message in messages]


@pytest.mark.parametrize("qos", [RELIABLE, BEST_EFFORT], ids=["reliable", "best effort"])
def test_every_frame_arrives_in_order_with_a_steady_stamp(folder, listener, qos):  # noqa: F811
    images = listener.listen(Image, "/camera/image_raw", qos)
    infos = listener.listen(CameraInfo, "/camera/camera_info", qos)
    before = time.time_ns()
    assert main(arguments(source=folder, rate=50)) == 0
    after = time.time_ns()
    assert wait_until(lambda: len(images) == len(infos) == FRAMES)

    assert [int(rgb_from_image(image).mean()) for image in images] == [20 * k for k in range(FRAMES)]
    assert stamps(images) == stamps(infos)
    assert np.diff(stamps(images)).tolist() == [20_000_000] * (FRAMES - 1)
    assert before < stamps(images)[0] < stamps(images)[-1] < after
    assert {image.header.frame_id for image in images + infos} == {"camera_optical_frame"}


def test_a_qos_override_is_for_its_own_topic(folder, listener):  # noqa: F811
    images = listener.listen(Image, "/camera/image_raw", BEST_EFFORT)
    infos = listener.listen(CameraInfo, "/camera/camera_info", RELIABLE)
    override = {"qos_overrides./camera/image_raw.publisher.reliability": "best_effort"}
    assert main(arguments(source=folder, rate=50, **override)) == 0
    assert wait_until(lambda: len(images) == len(infos) == FRAMES)


def test_a_video_has_its_own_rate(video, listener):  # noqa: F811
    images = listener.listen(Image, "/camera/image_raw")
    assert main(arguments(source=video)) == 0
    assert wait_until(lambda: len(images) == FRAMES)
    assert np.diff(stamps(images)).tolist() == [20_000_000] * (FRAMES - 1)


def test_compressed_images_on_a_remapped_topic(folder, listener):  # noqa: F811
    images = listener.listen(CompressedImage, "/front/image/compressed")
    infos = listener.listen(CameraInfo, "/front/info")
    remaps = ("image_raw:=/front/image", "camera_info:=/front/info")
    assert main(arguments(*remaps, source=folder, rate=100, image_transport="compressed", frame_id="front")) == 0
    assert wait_until(lambda: len(images) == len(infos) == FRAMES)
    grey = [rgb_from_compressed(image).mean() for image in images]
    np.testing.assert_allclose(grey, [20 * k for k in range(FRAMES)], atol=1)
    assert {image.header.frame_id for image in images} == {"front"}
    assert images[0].format == "rgb8; jpeg compressed bgr8"


def test_a_hiccup_drops_nothing_and_delays_nothing_else(folder, listener, monkeypatch):  # noqa: F811
    class Slow:
        """Reading the fourth frame takes as long as six frames."""

        fps, size = 50.0, (24, 32)

        def __iter__(self):
            for k in range(FRAMES):
                time.sleep(0.12 if k == 3 else 0)
                yield np.full((24, 32, 3), k, np.uint8)

    monkeypatch.setattr(video_publisher, "open_source", lambda _: Slow())
    arrived = []
    listener.node.create_subscription(Image, "/camera/image_raw", lambda _: arrived.append(time.monotonic()), RELIABLE)
    assert main(arguments(source="slow")) == 0
    assert wait_until(lambda: len(arrived) == FRAMES)
    assert arrived[-1] - arrived[0] == pytest.approx((FRAMES - 1) / 50, abs=0.05)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_loop_goes_on_until_stopped(folder, listener, stop):  # noqa: F811
    images = listener.listen(Image, "/camera/image_raw")
    command = [sys.executable, "-m", "sampt_ros.ros.video_publisher", *arguments(source=folder, rate=100, loop=True)]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert wait_until(lambda: len(images) > 2 * FRAMES, timeout=20)
            process.send_signal(stop)
            _, log = process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in log
    assert set(np.diff(stamps(images)).tolist()) == {10_000_000}


def test_large_images_reach_best_effort_subscribers_in_other_processes(tmp_path, listener):  # noqa: F811
    for k in range(30):
        cv2.imwrite(str(tmp_path / f"{k}.bmp"), np.full((480, 640, 3), k, np.uint8))
    images = listener.listen(Image, "/camera/image_raw", BEST_EFFORT)
    command = [sys.executable, "-m", "sampt_ros.ros.video_publisher", *arguments(source=tmp_path, rate=30)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)
    assert len(images) > 20  # all 30 on an idle machine; 3 with the middleware's own settings


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "source: expected the path of a video file or an image folder; got none"),
        ({"source": "missing.mp4"}, "there is no 'missing.mp4'"),
        ({"source": "x", "rate": "fast"}, "rate: expected float, got 'fast'"),
        ({"source": "x", "rate": -1.0}, "rate"),
        ({"source": "x", "fov": 180}, "fov: expected 1 to 179, got 180.0"),
        ({"source": "x", "image_transport": "theora"}, "image_transport: expected one of raw, compressed"),
        ({"source": "x", "camera_matrix": "[500.0, 320.0]"}, "camera_matrix: expected 9 numbers"),
    ],
)
def test_a_bad_start_is_one_line_and_status_1(parameters, message, ros_domain, capfd):  # noqa: F811
    assert main(arguments(**parameters)) == 1
    assert not rclpy.ok()
    log = capfd.readouterr().err.strip()
    assert message in log
    assert len(log.splitlines()) == 1


def test_intrinsics_from_the_field_of_view():
    # 90 degrees across 640 pixels: the edge, 320 px off the centre, is at 45 degrees.
    msg = camera_info((480, 640), VideoPublisherConfig(source="x", fov=90, frame_id="cam"))
    np.testing.assert_allclose(np.reshape(msg.k, (3, 3)), [[320, 0, 319.5], [0, 320, 239.5], [0, 0, 1]])
    np.testing.assert_allclose(np.reshape(msg.p, (3, 4))[:, :3], np.reshape(msg.k, (3, 3)))
    np.testing.assert_allclose(np.reshape(msg.r, (3, 3)), np.eye(3))
    assert (msg.width, msg.height, msg.distortion_model, msg.header.frame_id) == (640, 480, "plumb_bob", "cam")


def test_intrinsics_as_given():
    k = (300, 0, 160, 0, 310, 120, 0, 0, 1)
    msg = camera_info((240, 320), VideoPublisherConfig(source="x", camera_matrix=k))
    assert tuple(msg.k) == k
    with pytest.raises(ConfigError, match="focal lengths above 0"):
        VideoPublisherConfig(source="x", camera_matrix=(0,) * 9)
