"""The main job, end to end: a video played as a camera, two objects clicked, masks and tracked points recorded.

Three processes talk over DDS: `video_publisher`, the node, and this recorder. Needs the environment that
`make setup` makes; `make demo` does both.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import yaml
from rclpy.executors import ExternalShutdownException, ShutdownException
from rclpy.node import Node
from sampt_ros.msg import QueryPoint, QueryPoints, TrackedObject, TrackedObjects
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.io.overlay import ContactSheet
from sampt_ros.ros.conversions import rgb_from_image, stamp_ns

HERE = Path(__file__).resolve().parent
IMAGE = "/camera/image_raw"
START_TIMEOUT = 60.0  # seconds until the node listens
END_SILENCE = 2.0  # seconds without an image after which the video has ended


class Recorder(Node):
    """Clicks the objects on the first image, then records everything that the node publishes."""

    def __init__(self, scene: dict[str, Any], folder: Path) -> None:
        super().__init__("recorder")
        self.scene = scene
        self.folder = folder
        self.images: dict[int, float] = {}  # arrival time of every image, by its stamp in ns
        self.labels: dict[int, np.ndarray] = {}
        self.latency: dict[int, float] = {}  # ms from the image's stamp to its labels
        self.tracked: dict[int, int] = {}  # objects in state TRACKING
        # By the frame of the video. To encode them now would take time from the node, as no robot's consumer does.
        self.overlays: dict[int, np.ndarray] = {}
        self.query = self.create_publisher(QueryPoints, "/sampt/query_points", 10)
        self.create_subscription(Image, IMAGE, self.on_image, 10)  # reliable: the first image is frame 0
        self.create_subscription(Image, "/sampt/labels", self.on_labels, 10)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_points, 10)
        self.create_subscription(Image, "/sampt/overlay", self.on_overlay, 10)

    def on_image(self, message: Image) -> None:
        if not self.images:
            for click in self.scene["clicks"]:
                self.click(message.header, click["point"])
        self.images[stamp_ns(message.header)] = time.monotonic()

    def click(self, header: Header, point: list[float]) -> None:
        x, y = map(float, point)
        points = [QueryPoint(x=x, y=y, label=QueryPoint.POSITIVE)]
        self.query.publish(QueryPoints(header=header, action=QueryPoints.ADD, points=points))

    def on_labels(self, message: Image) -> None:
        stamp = stamp_ns(message.header)
        self.latency[stamp] = (self.get_clock().now().nanoseconds - stamp) / 1e6
        self.labels[stamp] = np.frombuffer(message.data, "<u2").reshape(message.height, message.width).astype(np.uint8)

    def on_points(self, message: TrackedObjects) -> None:
        with_mask = [item.state in (TrackedObject.TRACKING, TrackedObject.REACQUIRED) for item in message.objects]
        self.tracked[stamp_ns(message.header)] = sum(with_mask)

    def on_overlay(self, message: Image) -> None:
        if not self.images:
            return  # it overtook its own image
        frame = round((stamp_ns(message.header) - min(self.images)) * 1e-9 * self.scene["fps"])
        self.overlays[frame] = rgb_from_image(message)

    @property
    def silence(self) -> float:
        """Seconds since the last image; 0 before the first."""
        return time.monotonic() - max(self.images.values()) if self.images else 0.0

    def finish(self) -> dict[str, Any]:
        """Write the pictures and return the report."""
        if not self.overlays:
            raise SystemExit("demo: the node published nothing")
        self.write_pictures()
        done = sorted(stamp for stamp, count in self.tracked.items() if count)
        seconds = (done[-1] - done[0]) / 1e9 if len(done) > 1 else float("nan")
        p50, p95 = np.percentile(list(self.latency.values()), [50, 95])
        return {
            "frames_in": len(self.images),
            "frames_tracked": len(done),
            "j_mean": round(self.mean_j(), 4),
            "fps": round((len(done) - 1) / seconds, 2),
            "latency_ms": {"p50": round(p50, 1), "p95": round(p95, 1)},
        }

    def write_pictures(self) -> None:
        """Write overlay.mp4 and contact_sheet.png."""
        frames = sorted(self.overlays)
        height, width = self.overlays[frames[0]].shape[:2]
        code = cv2.VideoWriter_fourcc(*"mp4v")
        video = cv2.VideoWriter(str(self.folder / "overlay.mp4"), code, self.scene["fps"], (width, height))
        sheet, written = ContactSheet(), 0
        for frame in frames:
            picture = self.overlays[frame]
            sheet.add(frame, picture)
            while written <= frame:  # The picture stands in for frames that the node dropped before it.
                video.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
                written += 1
        video.release()
        cv2.imwrite(str(self.folder / "contact_sheet.png"), cv2.cvtColor(sheet.image(), cv2.COLOR_RGB2BGR))

    def mean_j(self) -> float:
        """Mean J of the clicked objects over the frames that were tracked since they were clicked."""
        truth = np.load(HERE / "tabletop_labels.npz")["labels"]
        first = min(self.images)
        started = min(stamp for stamp, count in self.tracked.items() if count)
        scores = []
        for stamp, labels in self.labels.items():
            frame = round((stamp - first) * 1e-9 * self.scene["fps"])
            for number, click in enumerate(self.scene["clicks"], start=1):
                if stamp >= started:
                    scores.append(region_similarity(truth[frame] == click["object"], labels == number))
        return float(np.mean(scores))


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a program of this package in a process group of its own, so that an interrupt comes from here."""
    return subprocess.Popen([sys.executable, "-m", *command], start_new_session=True, cwd=HERE)


def wait_for_node(recorder: Recorder, node: subprocess.Popen[bytes]) -> None:
    """Spin until the node is active: it listens for queries then."""
    deadline = time.monotonic() + START_TIMEOUT
    while recorder.query.get_subscription_count() == 0 or recorder.count_subscribers(IMAGE) < 2:
        if node.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("demo: the node did not start; its messages are above")
        rclpy.spin_once(recorder, timeout_sec=0.1)


def play(recorder: Recorder) -> None:
    """Play the video as a camera and record until its images stop."""
    camera = start(
        "sampt_ros.ros.video_publisher", "--ros-args", "-p", f"source:={HERE / 'tabletop.mp4'}", "-p", "wait_for:=2"
    )
    try:
        while recorder.silence < END_SILENCE:
            if not recorder.images and camera.poll() is not None:
                raise SystemExit("demo: the video did not start; its messages are above")
            rclpy.spin_once(recorder, timeout_sec=0.1)
    finally:
        stop(camera)


def stop(process: subprocess.Popen[bytes]) -> int:
    """Interrupt a program as Ctrl-C does; returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def main() -> None:
    """Run the demo and print where its results are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo_out"), help="folder for the results (default: demo_out)")
    parser.add_argument("--preset", default="default", help="preset of the node (default: default)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))  # apart from other robots on this network
    scene = yaml.safe_load((HERE / "tabletop.yaml").read_text())
    arguments = ["--ros-args", "-r", f"image:={IMAGE}", "-p", f"preset:={options.preset}"]
    node = start("sampt_ros.ros.node", *arguments)
    rclpy.init()
    recorder = Recorder(scene, options.out)
    try:
        wait_for_node(recorder, node)
        play(recorder)
    except (ExternalShutdownException, ShutdownException, KeyboardInterrupt):
        raise SystemExit("demo: interrupted") from None
    finally:
        status = stop(node)
    report = recorder.finish()
    (options.out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    print(f"{options.out}/overlay.mp4, {options.out}/contact_sheet.png and {options.out}/report.json are written")
    print("To click for yourself, in the browser at http://127.0.0.1:8080/:")
    print(f"    . .venv/bin/activate && sampt web {os.path.relpath(HERE / 'tabletop.mp4')}")
    if status != 0:
        raise SystemExit(f"demo: the node ended with status {status}")


if __name__ == "__main__":
    main()
