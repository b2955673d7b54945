"""Whether the node is well: ends with 0 if it says so on /diagnostics, with 1 if it says ERROR or nothing.

A node without images is well: starting it again does not help a camera. /diagnostics tells of that too.
"""

import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

PATIENCE = 10.0  # seconds; the node reports once a second
NAME = "sampt: stream"


def main() -> int:
    """Wait for a report of a node, in whatever namespace; returns the exit status."""
    heard: list[DiagnosticStatus] = []
    rclpy.init()
    node = rclpy.create_node("sampt_health", start_parameter_services=False, enable_rosout=False)
    node.create_subscription(DiagnosticArray, "/diagnostics", lambda message: heard.extend(message.status), 10)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=end - time.monotonic())
        for status in heard:
            if status.name.endswith(NAME):
                print(status.message)
                return int(status.level == DiagnosticStatus.ERROR)
    print(f"no report of {NAME!r} on /diagnostics in {PATIENCE:.0f} s")
    return 1


if __name__ == "__main__":
    sys.exit(main())
