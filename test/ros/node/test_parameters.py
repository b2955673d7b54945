"""Parameters of the node: what is declared, what is refused, and when a change takes effect."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from sampt_ros.msg import TrackedObject

from sampt_ros.config.node import NodeConfig
from sampt_ros.config.options import walk
from sampt_ros.config.presets import load_preset


def test_every_parameter_is_declared_with_its_description(start_node):
    harness = start_node()
    options = [*walk(NodeConfig()), *walk(load_preset())]
    described = harness.node.describe_parameters([name for name, _, _ in options])
    assert len(described) == len(options)
    for (name, value, option), descriptor in zip(options, described):
        assert (descriptor.name, descriptor.read_only) == (name, option.fixed)
        assert descriptor.description.startswith(option.description)
        assert option.range() in descriptor.additional_constraints
        assert harness.node.get_parameter(name).value == value


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("prompting.iou_threshold", 1.5, "Max: 1.0"),
        ("points.positive", 0, "Min: 1"),
        ("seed", -1, "at least 0"),
        ("points.positive_method", "magic", "k_medoids, shi_tomasi, random, mixed"),
        ("clicks", "nothing", "new_object, last_object"),
        ("history", "long", "history: expected float, got 'long'"),
        ("points.positive", 2.5, "points.positive: expected int, got 2.5"),
        ("history", None, "history: expected float, got None"),
    ],
)
def test_a_bad_value_is_refused_with_the_allowed_ones(busy, name, value, allowed):
    before = busy.node.get_parameter(name).value
    result = busy.set_parameter(name, value)
    assert not result.successful
    assert allowed in result.reason
    assert busy.node.get_parameter(name).value == before


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("reinit.horizon", 4, "reinit.horizon: cannot change while running"),
        ("image_transport", "compressed", "image_transport: cannot change while running"),
        ("preset", "default", "read-only"),
        ("autostart", False, "read-only"),
    ],
)
def test_what_needs_a_restart_is_refused_while_configured(busy, name, value, reason):
    result = busy.set_parameter(name, value)
    assert not result.successful
    assert reason in result.reason


def test_a_whole_number_will_do_for_a_float(busy):
    assert busy.set_parameter("history", 2).successful
    busy.track()
    assert busy.node._stream.session.history == 2.0


def test_a_live_change_takes_effect_on_the_next_frame(sampt):
    sampt.start_object((20, 20))
    sampt.segmenter.rate = lambda xy: 0.8
    assert sampt.track().objects[1].state == TrackedObject.TRACKING
    assert sampt.set_parameter("prompting.iou_threshold", 0.9).successful
    assert sampt.track().objects[1].state == TrackedObject.UNCERTAIN


def test_after_cleanup_every_parameter_may_change(sampt):
    assert sampt.change_state("deactivate")
    assert not sampt.set_parameter("reinit.horizon", 4).successful
    assert sampt.change_state("cleanup")
    assert sampt.set_parameter("reinit.horizon", 4).successful
    assert sampt.start().node._stream.session.sam_pt.config.reinit.horizon == 4
