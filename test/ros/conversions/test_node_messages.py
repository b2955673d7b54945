"""What a node says of itself: stamps, diagnostics, descriptions of its parameters."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from sampt_ros.config.options import option
from sampt_ros.ros import conversions


@pytest.mark.parametrize("ns", [0, 1, 999_999_999, 1_000_000_000, 1_762_000_000_123_456_789])
def test_stamps_lose_nothing(ns):
    assert conversions.stamp_ns(conversions.time_from_ns(ns)) == ns
    assert conversions.stamp_ns(Header(stamp=conversions.time_from_ns(ns))) == ns


def test_diagnostic_status():
    status = conversions.diagnostic_status("sampt: stream", DiagnosticStatus.WARN, "late", {"fps": 12.5, "objects": 2})
    assert (status.name, status.level, status.message) == ("sampt: stream", DiagnosticStatus.WARN, "late")
    assert [(pair.key, pair.value) for pair in status.values] == [("fps", "12.5"), ("objects", "2")]


def test_parameter_descriptors_say_what_is_allowed():
    def descriptor(default, **limits):
        return conversions.parameter_descriptor(option(default, "What it is", **limits).metadata["option"], default)

    number = descriptor(0.5, minimum=0, maximum=2, unit="seconds")
    assert number.description == "What it is (seconds)"
    bounds = number.floating_point_range[0]
    assert (bounds.from_value, bounds.to_value, bounds.step) == (0.0, 2.0, 0.0)
    count = descriptor(8, fixed=True, minimum=1, maximum=256)
    assert count.read_only
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 256)
    assert descriptor("raw", choices=("raw", "compressed")).additional_constraints == "raw, compressed"
    assert descriptor(5, minimum=1).additional_constraints == "at least 1"
    assert descriptor(True).additional_constraints == ""
