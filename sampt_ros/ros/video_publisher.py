"""Plays a video file or an image folder as a camera: images and CameraInfo at a steady rate, stamped accordingly.

    ros2 run sampt_ros video_publisher --ros-args -p source:=cups.mp4

publishes /camera/image_raw and /camera/camera_info; remap image_raw and camera_info to change them. Without a ROS
installation, run python -m sampt_ros.ros.video_publisher with the same arguments. At the end the node logs how many
frames it has published, and exits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from copy import copy

import cv2
import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import ParameterException
from rclpy.logging import get_logger
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sampt_ros.config.node import VideoPublisherConfig
from sampt_ros.errors import ConfigError, SamPtError
from sampt_ros.io.video import open_source
from sampt_ros.ros.conversions import bytes_for_message, image_from_array, time_from_ns
from sampt_ros.ros.parameters import declare_config
from sampt_ros.ros.process import ros
from sampt_ros.ros.qos import OVERRIDABLE, PLAYED

_MATCHING_S = 0.5  # a subscriber that this node has discovered may not have discovered it yet
_POLL_S = 0.05  # interval at which the number of subscribers is checked
_LINGER_S = 0.5  # how long the last frame may take to arrive


class VideoPublisher(Node):
    """Publishes frame k at time `start + k / rate`, stamped with it; late frames follow at once, none is dropped."""

    def __init__(self) -> None:
        """Raises ConfigError or SourceError; the node is then of no use."""
        super().__init__("video_publisher", namespace="/camera")
        self._config = declare_config(self, VideoPublisherConfig)
        if not self._config.source:
            raise ConfigError("source: expected the path of a video file or an image folder; got none")
        self._source = open_source(self._config.source)
        self._rate = self._config.rate or self._source.fps
        self._info = camera_info(self._source.size, self._config)
        kind, topic = Image, self.resolve_topic_name("image_raw")
        if self._config.image_transport == "compressed":
            kind, topic = CompressedImage, f"{topic}/compressed"
        self._images = self.create_publisher(kind, topic, copy(PLAYED), qos_overriding_options=OVERRIDABLE)
        self._infos = self.create_publisher(CameraInfo, "camera_info", copy(PLAYED), qos_overriding_options=OVERRIDABLE)

    def play(self) -> None:
        """Publish every frame when it is due, then wait until the last has arrived."""
        messages = self._messages()
        message = next(messages, None)
        self._wait_for_subscribers()
        height, width = self._source.size
        self.get_logger().info(f"playing {self._config.source}: {width}x{height} at {self._rate:g} frames per second")
        start, start_stamp = time.monotonic(), self.get_clock().now().nanoseconds
        published = 0
        while message is not None:
            self._spin_until(start + published / self._rate)
            stamp = time_from_ns(start_stamp + round(1e9 * published / self._rate))
            message.header.stamp = self._info.header.stamp = stamp
            self._infos.publish(self._info)
            self._images.publish(message)
            published += 1
            message = next(messages, None)  # read ahead, so that it is published on time
        seconds = time.monotonic() - start
        self._images.wait_for_all_acked(Duration(seconds=_LINGER_S))
        self._spin_until(time.monotonic() + _LINGER_S)  # best-effort subscribers do not acknowledge
        self.get_logger().info(f"published {published} frames in {seconds:.1f} s")

    def _wait_for_subscribers(self) -> None:
        if self._config.wait_for == 0:
            return
        self.get_logger().info(f"waiting for {self._config.wait_for} subscribers to {self._images.topic_name}")
        while self._images.get_subscription_count() < self._config.wait_for:
            self._spin_until(time.monotonic() + _POLL_S)
        self._spin_until(time.monotonic() + _MATCHING_S)

    def _spin_until(self, moment: float) -> None:
        """Serve ROS until `moment` on the steady clock, at least once; raises ExternalShutdownException."""
        while True:
            left = moment - time.monotonic()
            rclpy.spin_once(self, timeout_sec=max(0.0, left))
            if left <= 0:
                return

    def _messages(self) -> Iterator[Image | CompressedImage]:
        """Messages of all frames, not stamped yet."""
        while True:
            for frame in self._source:
                header = Header(frame_id=self._config.frame_id)
                if self._config.image_transport == "raw":
                    yield image_from_array(frame, "rgb8", header)
                else:
                    yield compressed_image(frame, header)
            if not self._config.loop:
                return


def compressed_image(image: np.ndarray, header: Header) -> CompressedImage:
    """A JPEG message of an image (H, W, 3) uint8 RGB, with the format string of image_transport."""
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=bytes_for_message(data))


def camera_info(size: tuple[int, int], config: VideoPublisherConfig) -> CameraInfo:
    """The CameraInfo of an undistorted camera with images of size (height, width), from `camera_matrix` or `fov`."""
    height, width = size
    if config.camera_matrix:
        k = [float(value) for value in config.camera_matrix]
    else:
        focal = width / 2 / float(np.tan(np.radians(config.fov) / 2))
        k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(
        header=Header(frame_id=config.frame_id),
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0],
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the node to the end of the source; returns the exit status, 1 if a parameter or the source is bad."""
    with ros(args):
        try:
            VideoPublisher().play()
        except (SamPtError, ParameterException) as error:
            get_logger("video_publisher").error(str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
