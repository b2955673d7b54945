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


# Values for parameters that there are none of


def overrides(*names: str) -> list[str]:
    return [word for name in names for word in ("-p", f"{name}:=4")]


def test_values_for_unknown_parameters_are_told_with_the_nearest_known_ones(start_node, capfd):
    start_node(args=overrides("reinit.horzon", "max_objcts", "positive", "exposure_time"))
    told = [line for line in capfd.readouterr().err.splitlines() if "ignored" in line]
    assert len(told) == 1 and told[0].endswith(
        "expected parameters that this node has; ignored: exposure_time, max_objcts (did you mean max_objects?), "
        "positive (did you mean points.positive?), reinit.horzon (did you mean reinit.horizon?)"
    )


def test_a_file_for_several_nodes_is_no_error(start_node, capfd, tmp_path):
    file = tmp_path / "all.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    history: 2.0\n    exposure_time: 5\n/camera:\n  ros__parameters: {fps: 3}\n"
    )
    sampt = start_node(args=["--params-file", str(file)])
    assert sampt.node.get_parameter("history").value == 2.0
    told = capfd.readouterr().err
    assert "ignored: exposure_time" in told and "fps" not in told


def test_what_ros_itself_declares_is_known(start_node, capfd):
    depth = "qos_overrides./sampt/mask.publisher.depth:=4"
    start_node(args=["-p", "use_sim_time:=false", "-p", depth, *overrides("max_objects")])
    assert "ignored" not in capfd.readouterr().err
