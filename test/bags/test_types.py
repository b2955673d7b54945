"""The types of messages in a bag, from the .msg files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is missing, which reads and writes bags")

from sampt_ros.bags import types as bag_types
from sampt_ros.errors import SourceError


def test_the_types_are_those_of_the_msg_files():
    fields = bag_types.types().fielddefs
    assert [name for name, _ in fields[bag_types.TRACKED_OBJECTS][1]] == ["header", "objects"]
    assert bag_types.types().types["sampt_ros/msg/TrackedObject"].LOST == 3


def test_the_types_are_those_that_ros_has_built():
    msg = pytest.importorskip("sampt_ros.msg", reason="needs the built messages of sampt_ros")
    for name in ("TrackedObjects", "TrackedObject", "TrackedPoint", "QueryPoints", "QueryPoint"):
        built = getattr(msg, name).get_fields_and_field_types()
        assert [field for field, _ in bag_types.types().fielddefs[f"sampt_ros/msg/{name}"][1]] == list(built)


def test_the_message_files_are_found_beside_the_sources_and_in_an_installation(tmp_path, monkeypatch):
    beside = bag_types.message_folder()
    assert {path.stem for path in beside.glob("*.msg")} >= {"QueryPoints", "TrackedObjects"}
    package = tmp_path / "lib/python3/site-packages/sampt_ros"
    monkeypatch.setattr(bag_types, "__file__", str(package / "bag_types.py"))
    with pytest.raises(SourceError, match=r"no TrackedObjects\.msg found"):
        bag_types.message_folder()
    share = tmp_path / "share/sampt_ros/msg"
    share.mkdir(parents=True)
    (share / "TrackedObjects.msg").write_text("")
    assert bag_types.message_folder() == share


def test_pip_installs_the_message_files():
    root = Path(__file__).resolve().parents[2]
    program = "import setuptools, distutils.core as c; print(c.run_setup('setup.py', stop_after='init').data_files)"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    files = dict(ast.literal_eval(printed))["share/sampt_ros/msg"]
    assert files == sorted(str(path.relative_to(root)) for path in root.glob("msg/*.msg"))
