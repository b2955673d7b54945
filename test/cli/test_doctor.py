"""`sampt doctor`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import run

from sampt_ros.cli import doctor
from sampt_ros.cli.doctor import Check, examine, is_healthy, report
from sampt_ros.errors import CheckpointError
from sampt_ros.weights import requirements


@pytest.fixture(scope="module")
def checks():
    return {check.name: check for check in examine()}


def test_here_everything_required_is_there(checks):
    assert is_healthy(list(checks.values()))
    assert checks["default"].ok
    assert checks["numpy"].detail


def test_every_part_is_looked_at(checks):
    looked_at = {
        "Python",
        "cv2",
        "onnxruntime",
        "torch",
        "segment_anything",
        "mcap",
        "aiohttp",
        "distribution",
        "rclpy",
        "sampt_ros.msg",
        "tf2_ros",
    }
    assert looked_at | {"cv_bridge or rosbags.image", "message_filters", "launch", "folder"} <= set(checks)


def test_whatever_may_be_missing_has_advice(monkeypatch):
    monkeypatch.setattr(requirements, "is_installed", lambda name: False)
    missing = [check for check in examine() if not check.ok]
    assert len(missing) > 8
    assert all(check.advice for check in missing)


@pytest.mark.parametrize(
    ("sourced", "package", "named"),
    [
        ("humble", "ros-kilted-rclpy", "humble"),
        ("", "ros-kilted-rclpy", "kilted"),  # from PyPI: nothing sets ROS_DISTRO
        ("", "rclpy", ""),
    ],
)
def test_the_distribution_is_named(monkeypatch, sourced, package, named):
    monkeypatch.setenv("ROS_DISTRO", sourced)
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {"rclpy": [package]})
    assert doctor._distribution() == named


def test_a_missing_requirement_is_not_healthy(monkeypatch):
    def no_weights(config):
        raise CheckpointError("expected weights")

    monkeypatch.setattr(doctor, "SamPt", no_weights)
    checks = examine()
    assert not is_healthy(checks)
    assert "MISSING  default" in report(checks)
    assert "expected weights" in report(checks)


def test_the_report_groups_and_advises():
    text = report([Check("A", "here", True, "1.0"), Check("A", "gone", False, "", "get it"), Check("B", "there", True)])
    assert text.splitlines()[:4] == ["A", "  ok       here   1.0", "  missing  gone", "                -> get it"]
    assert text.endswith("everything the default preset needs is there")


def test_a_preset_whose_weights_are_missing_says_so(tmp_path, monkeypatch):
    (tmp_path / "default.yaml").write_text("segmenter: grabcut")
    (tmp_path / "unset.yaml").write_text("segmenter: sam")
    (tmp_path / "gone.yaml").write_text("segmenter: sam\nsam: {checkpoint: nowhere.pth}")
    (tmp_path / "wrong.yaml").write_text("segmenter: magic")
    monkeypatch.setattr("sampt_ros.config.presets.presets_folder", lambda: tmp_path)
    found = {check.name: (check.ok, check.detail) for check in examine() if check.group == "Presets"}
    assert found["unset"] == (False, "sam + lucas_kanade; needs weights sam_vit_b")
    assert found["gone"] == (False, "sam + lucas_kanade; no weights at nowhere.pth")
    assert found["wrong"][0] is False


def test_a_preset_whose_packages_are_missing_says_in_one_line_what_to_install(monkeypatch):
    monkeypatch.setattr(requirements, "is_installed", lambda name: name not in ("transformers", "timm"))
    check = doctor._preset("Presets", "edgetam")
    needed = "needs package transformers; needs package timm; needs weights edgetam; needs weights tapir"
    assert check.detail == f"edgetam + tapir; {needed}"
    assert check.advice.startswith("pip install 'sampt_ros[edgetam]'; then sampt models fetch edgetam tapir; or set ")


def test_a_package_that_no_extra_brings_is_installed_by_a_command_of_its_own(monkeypatch):
    monkeypatch.setattr(requirements, "is_installed", lambda name: name not in ("aot", "segment_anything"))
    advice = doctor._preset("Presets", "sam_track").advice
    commands = "pip install --no-deps deaotpy==1.11.0; then pip install 'sampt_ros[sam]'; then sampt models fetch"
    assert advice.startswith(f"{commands} sam_vit_b deaot_r50_large; or set ")


def test_every_part_with_packages_is_an_extra_of_the_package():
    setup = Path(__file__).resolve().parents[2] / "setup.py"
    if not setup.is_file():
        pytest.skip("setup.py is not part of an installed package")
    extras = re.search(r"extras_require=\{(.*?)\n    \}", setup.read_text(), re.DOTALL)[1]
    needed = {requirements._EXTRAS.get(part, part) for part in requirements._PACKAGES} - {"cotracker"}
    assert needed <= set(re.findall(r'"(\w+)": \[', extras))


def test_a_folder_is_no_module(tmp_path, monkeypatch):
    (tmp_path / "just_a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not requirements.is_installed("just_a_folder")
    assert not requirements.is_installed("no_such_package.module")


def test_doctor_reports_and_tells_by_its_status(capsys, monkeypatch):
    assert run("doctor") == 0
    assert "Python" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "is_healthy", lambda checks: False)
    assert run("doctor") == 1
