"""A soak test of the node: does it stay alive and correct, and its memory flat, whatever goes wrong around it?

The demo's video is played in a loop, with depth if message_filters is installed, and with a moving camera if tf2_ros
is. Meanwhile random queries start, correct and remove objects: by the topic, by the service ~/query, by 3D clicks in
the world's frame, by reference pictures, and in bursts of 200 queries; some of them make no sense. There are damaged
images, images of another size, and wrong stamps. The camera stops, and starts again with older stamps or another size;
time jumps back, as in a looped recording. The node is paused, reset, deactivated and configured again, sometimes with
50 latched references waiting for it. Needs the environment of `make setup`.

    python benchmarks/soak/soak.py --minutes 30

It prints a report as JSON. The exit status is 0 if the node never ended, every mask had the header and the size of an
image that was sent, masks fitted the image of their own stamp better than earlier and later ones, all queries were
answered or refused with a reason, no fault was logged, and memory stayed flat: it must not grow with time at an equal
number of objects and an equal image size, on which it depends.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from ament_index_python.packages import get_package_prefix
from mishaps import Mishaps
from people import People
from rclpy.executors import ExternalShutdownException
from robot import DEMO, SHIFT, Findings, Look, Robot

from sampt_ros.ros.fastdds import enlarge_shared_memory

START_TIMEOUT = 90.0  # seconds
# From the second to the last quarter memory may grow by this factor, and by 30 MiB more.
FLAT = 1.05, 30.0
SILENT = 240.0  # Seconds without a mask after which the node counts as hung.
# In runs of less than 600 s, memory may grow by 160 MiB instead, because objects that started late fill their buffers.
SHORT, FILLING = 600.0, 160.0


def resident(pid: int) -> float:
    """Memory that a process uses, MiB."""
    fields = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def run(robot: Robot, people: People, node: subprocess.Popen[bytes], seconds: float) -> None:
    """Play the video, send random queries and cause mishaps until the time is over or the node ends."""
    start = next_look = time.monotonic()

    def watch() -> None:
        nonlocal next_look
        now = time.monotonic()
        if now < next_look or not robot.found.counts["masks"]:  # Before the first mask, not all models are loaded.
            return
        next_look = now + 2
        if node.poll() is None:
            look = Look(now - start, resident(node.pid), len(robot.ids), robot.scale)
            robot.found.memory.append(look)
            print(f"soak: {look.seconds:.0f} s, {look.mib:.0f} MiB, {look.objects} objects", file=sys.stderr)
        if robot.silence > SILENT:
            robot.found.wrong.append(f"no mask for {robot.silence:.0f} s")

    robot.play(START_TIMEOUT, lambda: robot.query.get_subscription_count() > 0 or node.poll() is not None, sends=False)
    robot.every_frame = watch
    actions = people.actions | Mishaps(robot, people).actions
    start = time.monotonic()
    while time.monotonic() < start + seconds and node.poll() is None:
        (action,) = people.random.choices(list(actions), list(actions.values()))
        robot.found.counts[action.__name__] += 1
        action()
        robot.play(people.random.expovariate(1.0), lambda: node.poll() is not None)
    if node.poll() is not None:
        robot.found.wrong.append(f"the node ended with status {node.returncode}")


def judged(found: Findings) -> dict[str, Any]:
    """The report, which lists everything that went wrong."""
    wrong = list(found.wrong)
    memory = np.array([look.mib for look in found.memory] or [0.0] * 4)
    quarters = [float(np.median(part)) if len(part) else 0.0 for part in np.array_split(memory, 4)]
    is_short = not found.memory or found.memory[-1].seconds < SHORT
    grown, factor, more = growth(found.memory), *FLAT
    if grown > (factor - 1) * quarters[1] + (FILLING if is_short else more):
        wrong.append(f"memory grew by {grown:.0f} MiB in half of the time")
    fit = {shift: float(np.mean(overlaps)) if overlaps else 0.0 for shift, overlaps in found.overlap.items()}
    if fit[0] <= max(fit[-SHIFT], fit[SHIFT]):
        wrong.append(f"masks fit other images better than their own: mean J {fit}")
    if found.counts["clicks in space on something else"] > 2 + 0.2 * found.counts["clicks in space on their thing"]:
        wrong.append("clicks in space start objects on something else")
    if not found.counts["masks"]:
        wrong.append("no mask came")
    return {
        "wrong": wrong,
        "counts": dict(sorted(found.counts.items())),
        "refusals": dict(found.refusals.most_common()),
        "memory_mib": {
            "by quarter": [round(held) for held in quarters],
            "most": round(float(memory.max())),
            "growth from the second to the last quarter, objects and image size being equal": round(grown),
        },
        "mean_j_by_shift": {f"{shift:+d} frames": round(value, 3) for shift, value in fit.items()},
    }


def growth(memory: Sequence[Look]) -> float:
    """MiB by which memory grows in half of the time, at an equal number of objects and an equal image size.

    Least squares: memory = base + a * time + b * objects + c * pixels.
    """
    if not memory:
        return 0.0
    seconds, mib, objects, scale = np.array(memory).T
    factors = np.stack([np.ones(len(memory)), seconds, objects, scale**2], 1)
    per_second = float(np.linalg.lstsq(factors, mib, rcond=None)[0][1])
    return per_second * float(seconds[-1] - seconds[0]) / 2


def stop(node: subprocess.Popen[bytes], found: Findings) -> None:
    """Interrupt the node, as Ctrl-C does; it must end in time and with status 0."""
    node.send_signal(signal.SIGINT)
    try:
        if node.wait(timeout=30):
            found.wrong.append(f"the node ended with status {node.returncode}")
    except subprocess.TimeoutExpired:
        node.kill()
        found.wrong.append("the node did not end within 30 s of Ctrl-C")


def node_command(preset: str) -> list[str]:
    """The command that starts the node, with depth if message_filters is installed."""
    topics = {"image": "/camera/image_raw", "camera_info": "/camera/camera_info", "depth": "/camera/depth"}
    parameters = {"preset": preset}
    if importlib.util.find_spec("message_filters") is not None:
        parameters |= {"use_depth": "true", "broadcast_tf": "true"}
    remappings = [part for name, topic in topics.items() for part in ("-r", f"{name}:={topic}")]
    settings = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    program = Path(get_package_prefix("sampt_ros")) / "lib/sampt_ros/sampt_node"  # what `ros2 run` starts
    return [str(program), "--ros-args", *remappings, *settings]


def main() -> None:
    """Run, report, and end with status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--preset", default="default", help="preset of the node (default: default)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    options = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))  # Apart from other robots on this network.
    node = subprocess.Popen(node_command(options.preset), start_new_session=True, cwd=DEMO)
    # Needed as for any camera's driver: otherwise images fill the network buffers, and seconds of transforms are lost.
    enlarge_shared_memory()
    rclpy.init()
    robot = Robot()
    try:
        run(robot, People(robot, options.seed), node, 60 * options.minutes)
    except (KeyboardInterrupt, ExternalShutdownException):
        robot.found.wrong.append("interrupted before its time was over")
    finally:
        if node.poll() is None:
            stop(node, robot.found)
    report = judged(robot.found)
    print(json.dumps(report, indent=2))
    raise SystemExit(1 if report["wrong"] else 0)


if __name__ == "__main__":
    main()
