"""Measures the node's own time from image callback to published mask, with a tracker and a segmenter that do nothing.

A second process is the camera, and subscribes to mask, labels and points. Needs the environment of `make setup`.

    python benchmarks/node_overhead.py --sizes 640x480,1280x720
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sampt_ros.msg import QueryPoint, QueryPoints, TrackedObjects
from sensor_msgs.msg import Image

from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.point_trackers.base import FrameToFrameTracker
from sampt_ros.ros.conversions import Header, image_from_array
from sampt_ros.ros.fastdds import enlarge_shared_memory
from sampt_ros.ros.node import SamptNode
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter
from sampt_ros.tracking.sam_pt import SamPt

FRAMES, RATE = 200, 30.0


class StandingStill(FrameToFrameTracker):
    """Reports that no point moved."""

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return xy, np.ones(len(xy), bool), np.ones(len(xy), np.float32)


@dataclass(frozen=True, eq=False)
class AlwaysTheSame(Decoded):
    """A mask (1, H, W) bool that was made before, with a predicted IoU of 1."""

    logits: np.ndarray

    def boxes(self) -> np.ndarray:
        return np.full((1, 4), np.nan, np.float32)

    def masks(self) -> np.ndarray:
        return self.logits

    def scores(self) -> np.ndarray:
        return np.ones(1, np.float32)

    def updated(self, rows: Sequence[int], other: Decoded) -> Decoded:
        return other


class MiddleOfTheImage(Segmenter[Frame, None]):
    """Always finds the same rectangle in the middle of the image, a ninth of its area."""

    def __init__(self, height: int, width: int) -> None:
        mask = np.zeros((1, height, width), bool)
        mask[0, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
        self.found = AlwaysTheSame(mask)

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, embedding: Frame, prompts: Prompts[None], ambiguous: bool = False) -> Decoded:
        return self.found

    def mask_prompt(self, embedding: Frame, masks: Sequence[LocalMask | None]) -> None:
        return None


def measure(width: int, height: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in ms, of the whole step and of each stage, over the last frames of a stream."""
    rclpy.init()
    segmenter = MiddleOfTheImage(height, width)
    node = SamptNode(build=lambda config: SamPt(config, segmenter=segmenter, point_tracker=StandingStill()))
    node.trigger_configure()
    node.trigger_activate()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=spin, args=(executor,))
    spinning.start()
    subprocess.run([sys.executable, __file__, "--camera", f"{width}x{height}"], check=True)
    recent = node.statistics.recent()
    executor.shutdown()
    spinning.join()
    node.stop()
    node.destroy_node()
    rclpy.try_shutdown()
    return recent


def spin(executor: SingleThreadedExecutor) -> None:
    """Spin until the executor is shut down."""
    with suppress(ExternalShutdownException):
        executor.spin()


def camera(width: int, height: int) -> None:
    """Publish images, click once, and receive the node's outputs."""
    rclpy.init()
    node = rclpy.create_node("overhead_camera")
    images = node.create_publisher(Image, "/image", 5)
    queries = node.create_publisher(QueryPoints, "/sampt/query_points", 5)
    heard: list[Any] = []
    for kind, topic in ((Image, "mask"), (Image, "labels"), (TrackedObjects, "points")):
        node.create_subscription(kind, f"/sampt/{topic}", heard.append, 5)
    while images.get_subscription_count() == 0 or node.count_subscribers("/sampt/query_points") == 0:
        rclpy.spin_once(node, timeout_sec=0.1)
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    for index in range(FRAMES):
        stamp = node.get_clock().now().to_msg()
        images.publish(image_from_array(picture, "rgb8", Header(stamp=stamp, frame_id="camera")))
        if index == FRAMES // 10:
            queries.publish(QueryPoints(points=[QueryPoint(x=width / 2, y=height / 2, label=QueryPoint.POSITIVE)]))
        due = time.monotonic() + 1 / RATE
        while (left := due - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=left)
        heard.clear()
    node.destroy_node()
    rclpy.shutdown()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="640x480,1280x720", help="WIDTHxHEIGHT, with commas between them")
    parser.add_argument("--camera", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))  # Apart from other robots on this network.
    enlarge_shared_memory()
    if options.camera:
        camera(*map(int, options.camera.split("x")))
        return
    for size in options.sizes.split(","):
        recent = measure(*map(int, size.split("x")))
        shown = ", ".join(f"{stage} {median:.1f} / {late:.1f}" for stage, (median, late) in recent.items())
        print(f"{size}: ms, median / p95: {shown}")


if __name__ == "__main__":
    main()
