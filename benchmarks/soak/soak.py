"""Everything that goes wrong around a robot, for as long as you like: does the node live, stay right, and stay small?

The demo's video is played in a loop. Meanwhile objects are clicked, boxed, shown in pictures, corrected and removed at
random, nonsense is asked for, damaged images come in between, the camera stops, starts again with older stamps or
another size, and the node is paused, reset, deactivated and reconfigured. Needs the environment of `make setup`.

    python benchmarks/soak/soak.py --minutes 30

Prints what happened as JSON. The status is 0 if the node never ended, every mask carried the header and had the size of
an image that was sent, masks fitted the image of their own stamp better than those before and after, and memory stayed
flat.
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

import numpy as np
import rclpy
from people import People
from robot import DEMO, FPS, SHIFT, Findings, Robot

START_TIMEOUT = 90.0  # seconds
FLAT = 1.05, 30.0  # memory may grow by this factor and so many MiB
SHORT, FILLING = 300.0, 100.0  # in less than so many seconds by so many MiB: each object still fills its buffers


def resident(pid: int) -> float:
    """Memory that a process holds, MiB."""
    fields = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def run(robot: Robot, people: People, node: subprocess.Popen[bytes], seconds: float) -> None:
    """Play, act and listen until the time is over or the node ends."""
    deadline = time.monotonic() + START_TIMEOUT
    while robot.query.get_subscription_count() == 0 and node.poll() is None and time.monotonic() < deadline:
        rclpy.spin_once(robot, timeout_sec=0.1)
    start = next_image = next_act = next_look = time.monotonic()
    while (now := time.monotonic()) < start + seconds and node.poll() is None:
        if now >= next_image:
            robot.send_image()
            next_image = max(next_image + 1 / FPS, now)
        if now >= next_act:
            people.act()
            next_act = now + people.random.expovariate(1.0)
        if now >= next_look:
            if robot.found.counts["masks"]:  # before the first one the models are not all there
                robot.found.memory.append((now - start, resident(node.pid)))
            next_look = now + 2
        rclpy.spin_once(robot, timeout_sec=max(0.0, min(next_image, next_act) - time.monotonic()))
    if node.poll() is not None:
        robot.found.wrong.append(f"the node ended with status {node.returncode}")


def judged(found: Findings) -> dict[str, Any]:
    """The report; what is wrong is listed in it."""
    wrong = list(found.wrong)
    memory = np.array([held for _, held in found.memory or [(0.0, 0.0)] * 4])
    quarters = [float(np.median(part)) if len(part) else 0.0 for part in np.array_split(memory, 4)]
    early, late = quarters[1], quarters[3]
    is_short = not found.memory or found.memory[-1][0] < SHORT
    if late > FLAT[0] * early + (FILLING if is_short else FLAT[1]):
        wrong.append(f"memory grew from {early:.0f} to {late:.0f} MiB")
    fit = {shift: float(np.mean(overlaps)) if overlaps else 0.0 for shift, overlaps in found.overlap.items()}
    if fit[0] <= max(fit[-SHIFT], fit[SHIFT]):
        wrong.append(f"masks fit other images better than their own: mean J {fit}")
    if not found.counts["masks"]:
        wrong.append("no mask came")
    return {
        "wrong": wrong,
        "counts": dict(found.counts),
        "memory_mib": {"by quarter": [round(held) for held in quarters], "most": round(float(memory.max()))},
        "mean_j_by_shift": {f"{shift:+d} frames": round(value, 3) for shift, value in fit.items()},
    }


def stop(node: subprocess.Popen[bytes], found: Findings) -> None:
    """Ctrl-C must end the node, and well."""
    node.send_signal(signal.SIGINT)
    try:
        if node.wait(timeout=30):
            found.wrong.append(f"the node ended with status {node.returncode}")
    except subprocess.TimeoutExpired:
        node.kill()
        found.wrong.append("the node did not end within 30 s of Ctrl-C")


def main() -> None:
    """Run, report, and end with status 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--preset", default="default", help="of the node (default: default)")
    parser.add_argument("--seed", type=int, default=0, help="of what happens by chance (default: 0)")
    options = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    os.environ.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))  # apart from other robots on this network
    command = [sys.executable, "-m", "sampt_ros.ros.node", "--ros-args", "-r", "image:=/camera/image_raw"]
    node = subprocess.Popen([*command, "-p", f"preset:={options.preset}"], start_new_session=True, cwd=DEMO)
    rclpy.init()
    robot = Robot()
    try:
        run(robot, People(robot, options.seed), node, 60 * options.minutes)
    finally:
        if node.poll() is None:
            stop(node, robot.found)
    report = judged(robot.found)
    print(json.dumps(report, indent=2))
    raise SystemExit(1 if report["wrong"] else 0)


if __name__ == "__main__":
    main()
