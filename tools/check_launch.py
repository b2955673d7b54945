"""Launches the node with a video as its camera, clicks an object, and waits for its mask; exit status 0 if it comes.

python tools/check_launch.py                     # by ros2 launch sampt_ros track.launch.py video:=..., as users do
python tools/check_launch.py --without-launch    # starts the same programs directly, if ros2 launch is not installed
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node
from sampt_ros.msg import QueryPoint, QueryPoints
from sensor_msgs.msg import Image

VIDEO = Path(__file__).resolve().parents[1] / "examples/demo/tabletop.mp4"
MUG = (283.0, 252.0)  # A pixel on the mug in the first frame; the mug stays near it.
CLICK_AGAIN = 10.0  # Seconds without a mask after which the click is repeated.
STOP_TIMEOUT = 20.0  # Seconds that the programs may take to end.


class Clicker(Node):
    """Clicks the mug in an image that was tracked.

    frames  number of masks that arrived
    pixels  size of the newest mask
    """

    def __init__(self) -> None:
        super().__init__("check_launch")
        self.frames = self.pixels = 0
        self._clicked = -np.inf
        self._query = self.create_publisher(QueryPoints, "/sampt/query_points", 5)
        self.create_subscription(Image, "/sampt/mask", self._on_mask, 5)

    def _on_mask(self, message: Image) -> None:
        self.frames += 1
        self.pixels = int(np.count_nonzero(np.frombuffer(message.data, np.uint8)))
        is_heard = self._query.get_subscription_count() > 0
        if is_heard and not self.pixels and time.monotonic() > self._clicked + CLICK_AGAIN:
            self._clicked = time.monotonic()
            x, y = MUG
            points = [QueryPoint(x=x, y=y, label=QueryPoint.POSITIVE)]
            self._query.publish(QueryPoints(header=message.header, points=points))


def commands(preset: str, without_launch: bool) -> list[list[str]]:
    """The commands that start the node and the video."""
    if not without_launch:
        arguments = [f"video:={VIDEO}", "loop:=true", f"preset:={preset}"]
        return [["ros2", "launch", "sampt_ros", "track.launch.py", *arguments]]
    folder = Path(get_package_prefix("sampt_ros"), "lib/sampt_ros")
    node = [str(folder / "sampt_node"), "--ros-args", "-r", "image:=/camera/image_raw", "-p", f"preset:={preset}"]
    video = [str(folder / "video_publisher"), "--ros-args", "-p", f"source:={VIDEO}", "-p", "loop:=true"]
    return [node, video]


def wait_for_mask(clicker: Clicker, programs: list[subprocess.Popen[bytes]], timeout: float) -> None:
    """Spin until a mask has pixels; exits with a message if none comes in time or a program ends."""
    deadline = time.monotonic() + timeout
    while not clicker.pixels:
        if time.monotonic() > deadline:
            sys.exit(f"check_launch: no mask with pixels within {timeout:g} s, in {clicker.frames} tracked frames")
        if any(program.poll() is not None for program in programs):
            sys.exit("check_launch: a program ended by itself; its messages are above")
        rclpy.spin_once(clicker, timeout_sec=0.1)


def stop(program: subprocess.Popen[bytes]) -> None:
    """Interrupt a program; `ros2 launch` then interrupts the programs that it started."""
    if program.poll() is None:
        program.send_signal(signal.SIGINT)
    try:
        program.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)


def main() -> None:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="default", help="preset of the node (default: default)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for the mask (default: 120)")
    parser.add_argument("--without-launch", action="store_true", help="start the programs directly")
    options = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))  # Apart from other robots on this network.
    started = [
        subprocess.Popen(command, start_new_session=True)
        for command in commands(options.preset, options.without_launch)
    ]
    try:
        rclpy.init()
        clicker = Clicker()
        wait_for_mask(clicker, started, options.timeout)
    finally:
        for program in started:
            stop(program)
    print(f"check_launch: a mask of {clicker.pixels} pixels after {clicker.frames} tracked frames")


if __name__ == "__main__":
    main()
