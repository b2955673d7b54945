"""Transitions of the lifecycle node, and configurations that fail."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import IMAGE, Harness
from std_srvs.srv import Trigger

from sampt_ros.config.presets import preset_names
from sampt_ros.tracking.sam_pt import SamPt


def test_deactivated_nothing_is_published_and_the_objects_are_kept(sampt):
    sampt.start_object((20, 20))
    sampt.track()
    assert sampt.change_state("deactivate")
    assert sampt.state == "inactive"
    assert (sampt.diagnostics()["level"], sampt.diagnostics()["message"]) == ("WARN", "not active")
    assert sampt.node.count_subscribers(IMAGE) == 0
    assert not sampt.call(Trigger, "reset").success
    assert sampt.change_state("activate")
    before = len(sampt.masks)
    result = sampt.track()
    assert (list(result.objects), len(sampt.masks)) == ([1], before + 1)


def test_cleanup_and_configure_again_begin_anew(sampt):
    sampt.start_object((20, 20))
    assert sampt.change_state("deactivate")
    assert sampt.change_state("cleanup")
    assert sampt.state == "unconfigured"
    sampt.tracker.reset()
    assert sampt.start().track().objects == {}
    sampt.start_object((20, 20))
    assert list(sampt.track().objects) == [1]


def test_shutdown_while_active_stops_the_worker(sampt):
    assert sampt.change_state("shutdown")
    assert sampt.state == "finalized"
    assert sampt.node.count_subscribers(IMAGE) == 0


def fails_to_configure(harness: Harness) -> str:
    """The reason in the diagnostics; the node lives and is unconfigured."""
    assert not harness.change_state("configure")
    assert harness.state == "unconfigured"
    assert harness.diagnostics()["level"] == "ERROR"
    return harness.diagnostics()["message"]


def test_a_missing_checkpoint_fails_the_configuration(start_node, tmp_path):
    pytest.importorskip("segment_anything", reason="needs segment-anything", exc_type=ImportError)
    path = str(tmp_path / "sam_vit_b.pth")
    harness = start_node(SamPt, segmenter="sam", sam__checkpoint=path)
    assert path in fails_to_configure(harness)
    # a file that is there, but holds something else
    (tmp_path / "sam_vit_b.pth").write_bytes(b"<html>404</html>")
    assert f"{path} is not a readable checkpoint" in fails_to_configure(harness)
    # without weights it goes
    assert harness.set_parameter("segmenter", "grabcut").successful
    assert harness.start().diagnostics()["level"] != "ERROR"


@pytest.mark.parametrize(
    ("name", "value", "good", "reason"),
    [
        ("prompting.iou_threshold", 7.0, 0.7, "prompting.iou_threshold"),
        ("points.positive", 0, 8, "points.positive"),
        ("seed", -1, 0, "seed: expected at least 0, got -1"),
        ("reinit.policy", "magic", "never", "reinit.policy: expected one of never"),
        ("history", "long", 2.0, "history: expected float, got 'long'"),
    ],
)
def test_a_bad_value_at_start_fails_the_configuration(start_node, name, value, good, reason):
    harness = start_node(**{name.replace(".", "__"): value})
    assert reason in fails_to_configure(harness)
    # once it is right, the node goes
    assert harness.set_parameter(name, good).successful
    assert harness.start().diagnostics()["level"] != "ERROR"
    harness.track()


def test_a_one_shot_method_on_a_segmenter_unlike_sam_fails_the_configuration(start_node):
    harness = start_node(one_shot="persam")
    assert "one_shot: persam expected a segmenter like SAM" in fails_to_configure(harness)


def test_an_unknown_preset_fails_the_configuration(start_node):
    harness = start_node(preset="magic")
    assert f"unknown preset 'magic'; expected one of {', '.join(preset_names())}" in fails_to_configure(harness)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), ImportError("no module named torch")], ids=repr)
def test_whatever_fails_while_the_models_load_is_told(start_node, error):
    def build(config):
        raise error

    assert str(error) in fails_to_configure(start_node(build))
