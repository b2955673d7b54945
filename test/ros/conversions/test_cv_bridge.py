"""Which cv_bridge converts images, and what is said of one that does not."""

from __future__ import annotations

import importlib
import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from sampt_ros.cli import doctor
from sampt_ros.messages import color_backends
from sampt_ros.ros import conversions


@pytest.fixture
def other_cv_bridge(tmp_path, monkeypatch):
    """The package of this name on PyPI, which is ROS 1's."""
    package = tmp_path / "cv_bridge" / "boost"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "cv_bridge_boost.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("cv_bridge", "cv_bridge.boost", "cv_bridge.boost.cv_bridge_boost"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return package.parent


def test_a_cv_bridge_outside_the_ros_install_is_not_used(other_cv_bridge):
    assert conversions.cv_bridge_backend() is None


@pytest.mark.parametrize("has_ros_s", [False, True])
def test_doctor_says_why_the_node_refuses_a_cv_bridge(other_cv_bridge, monkeypatch, has_ros_s):
    if has_ros_s:
        packages = importlib.import_module("ament_index_python.packages")
        monkeypatch.setattr(packages, "get_package_prefix", lambda name: "/opt/ros/anywhere")
    (found,) = (check for check in doctor.examine() if check.name == "cv_bridge or rosbags.image")
    assert not found.detail.startswith("cv_bridge")
    assert "expected cv_bridge of " in found.detail and str(other_cv_bridge) in found.detail


def test_doctor_says_that_a_cv_bridge_does_not_load(other_cv_bridge):
    broken = 'raise ImportError("numpy.core.multiarray failed to import")'
    (other_cv_bridge / "boost/cv_bridge_boost.py").write_text(broken)
    packages = importlib.import_module("ament_index_python.packages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "get_package_prefix", lambda name: str(other_cv_bridge.parent))
        (found,) = (check for check in doctor.examine() if check.name == "cv_bridge or rosbags.image")
    assert "; cv_bridge does not load: numpy.core.multiarray failed to import" in found.detail


def test_in_a_node_cv_bridge_comes_first():
    assert [conversions.cv_bridge_backend, color_backends.rosbags_backend] == color_backends.BACKENDS
