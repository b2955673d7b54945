"""Imports run down the table of packages in docs/architecture.md; only `ros` knows ROS."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sampt_ros"

# From the top down: a package imports from itself and from the rows below; packages of one row do not know each other.
ROWS = (
    ("cli",),
    ("fleet",),
    ("ros", "bags", "web"),
    ("messages",),
    ("streaming",),
    ("evaluation",),
    ("tracking",),
    ("segmenters", "point_trackers", "mask_propagators", "descriptors", "io"),
    ("geometry",),
    ("weights",),
    ("config",),
    ("utils",),
    ("data_types",),
    ("errors",),
)
LEVELS = {name: level for level, row in enumerate(ROWS) for name in row}
STRANGERS = {"ros", "bags", "web", "evaluation"}  # which never import one another

ROS = {
    "ament_index_python",
    "cv_bridge",
    "launch",
    "launch_ros",
    "message_filters",
    "rclpy",
    "rosidl_runtime_py",
    "tf2_ros",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted names of all modules that a file imports, those too that it names as strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (value.value for value in node.args if isinstance(value, ast.Constant))


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def is_ros(name: str) -> bool:
    package = name.split(".")[0]
    return (
        package in ROS
        or package.endswith(("_msgs", "_srvs", "_interfaces"))
        or name.startswith(("sampt_ros.msg", "sampt_ros.srv"))
    )


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_down_the_table(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    names = sorted(imported(ast.parse(path.read_text())))
    others = {name.split(".")[1] for name in names if name.startswith("sampt_ros.") and not is_ros(name)} - {own}
    assert [other for other in others if LEVELS[other] <= LEVELS[own]] == []
    assert own not in STRANGERS or not others & STRANGERS
    assert own == "ros" or [name for name in names if is_ros(name)] == []


def test_strings_and_calls_count_as_imports():
    tree = ast.parse("import importlib\nimportlib.import_module('rclpy')\nfrom sampt_ros.ros import node")
    assert sorted(imported(tree)) == ["importlib", "rclpy", "sampt_ros.ros.node"]


def test_the_core_does_not_import_torch():
    program = "import sys, sampt_ros.tracking.sam_pt; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert finished.stdout.split() == ["False"], finished.stderr
