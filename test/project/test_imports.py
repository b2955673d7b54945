"""The core knows nothing of ROS; only these modules do."""

from __future__ import annotations

import subprocess
import sys

import pytest

ROS_MODULES = ("sampt_ros.ros", "sampt_ros.msg")

IMPORT_THE_CORE = f"""
import importlib, pkgutil, sys

ROS = ("rclpy", "rcl_interfaces", "ament", "launch", "cv_bridge", "message_filters", "tf2", "rosidl", "lifecycle_msgs",
       "std_srvs", "sampt_ros.msg")

def is_ros(name):
    return name.startswith(ROS) or name.split(".")[0].endswith("_msgs")

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if is_ros(name):
            raise ImportError(f"the core imports {{name}}")

sys.meta_path.insert(0, NoRos())
import sampt_ros

names = [module.name for module in pkgutil.walk_packages(sampt_ros.__path__, "sampt_ros.")]
core = [name for name in names if not name.startswith({ROS_MODULES})]
for name in core:
    importlib.import_module(name)
assert not [name for name in sys.modules if is_ros(name)]
print(*core)
"""


def run(program: str) -> str:
    """What a fresh Python prints that runs `program`."""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_core_imports_without_ros():
    pytest.importorskip("torch", reason="torch is missing, which SAM's modules import")
    imported = run(IMPORT_THE_CORE).split()
    assert {
        "sampt_ros.tracking.sam_pt",
        "sampt_ros.segmenters.grabcut.segmenter",
        "sampt_ros.point_trackers.dis_flow",
    } <= set(imported)


def test_sam_pt_does_not_import_torch():
    assert run("import sys, sampt_ros.tracking.sam_pt; print('torch' in sys.modules)").split() == ["False"]
