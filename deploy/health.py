"""Whether a node is well: ends with 0 if it says so on /diagnostics, with 1 if it says ERROR or nothing.

SAMPT_NODE names the node, with its namespace, such as /front/sampt; several with commas between; /sampt by default.
Nodes of other names count for nothing: with the network of the host, those of all robots are heard.
A node without images is well: starting it again does not help a camera. /diagnostics tells of that too.
"""

import os
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

PATIENCE = 10.0  # seconds; the node reports once a second
REPORT = ": stream"  # what a node's report is called, after its name


def main() -> int:
    """Wait for a report of each node that is asked for; returns the exit status."""
    wanted = [plain(name) for name in os.environ.get("SAMPT_NODE", "").split(",") if name.strip()] or [plain("/sampt")]
    heard: dict[str, DiagnosticStatus] = {}

    def on_report(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(REPORT):
                heard[plain(status.name.removesuffix(REPORT))] = status

    rclpy.init()
    node = rclpy.create_node("sampt_health", start_parameter_services=False, enable_rosout=False)
    node.create_subscription(DiagnosticArray, "/diagnostics", on_report, 10)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not heard.keys() >= set(wanted):
        rclpy.spin_once(node, timeout_sec=end - time.monotonic())
    return max([answer(name, heard) for name in wanted])


def plain(name: str) -> str:
    """A node's whole name without needless slashes."""
    return "/".join(part for part in name.strip().split("/") if part)


def answer(name: str, heard: dict[str, DiagnosticStatus]) -> int:
    """Print how a node is; returns the exit status."""
    if name not in heard:
        others = f"; heard of {', '.join(sorted(heard))}" if heard else ""
        print(f"no report of '{name}{REPORT}' on /diagnostics in {PATIENCE:.0f} s{others}")
        return 1
    print(f"{name}: {heard[name].message}")
    return int(heard[name].level == DiagnosticStatus.ERROR)


if __name__ == "__main__":
    sys.exit(main())
