"""`sampt doctor`: show what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sampt_ros.cli import common
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.presets import load_preset, preset_names, presets_folder
from sampt_ros.errors import SamPtError
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.weights import requirements
from sampt_ros.weights.packages import COTRACKER, DEAOT

_SOURCE_ROS = "source /opt/ros/DISTRO/setup.bash"


@dataclass(frozen=True)
class Check:
    """The result of checking for one thing.

    ok        whether it is installed and works
    detail    its version or path if it is, what is wrong if it is not
    advice    what to do if it is not
    required  whether the default preset needs it
    """

    group: str
    name: str
    ok: bool
    detail: str = ""
    advice: str = ""
    required: bool = False


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    common.add_command(
        commands,
        "doctor",
        _run,
        "say what is installed, what is missing, and what to do",
        "The exit status is 0 unless something is missing that the default preset needs.",
    )


def _run(parsed: argparse.Namespace) -> int:
    checks = examine()
    print(report(checks))
    return 0 if is_healthy(checks) else 1


def examine() -> list[Check]:
    """Run all checks."""
    return [*_core(), *_networks(), *_bags(), *_page(), *_presets(), *_ros()]


def is_healthy(checks: Sequence[Check]) -> bool:
    """Whether everything that the default preset needs is installed."""
    return all(check.ok for check in checks if check.required)


def report(checks: Sequence[Check]) -> str:
    """The checks as text, by group, followed by a verdict."""
    width = max(len(check.name) for check in checks)
    lines: list[str] = []
    group = ""
    for check in checks:
        if check.group != group:
            lines += ["", check.group] if lines else [check.group]
            group = check.group
        sign = "ok     " if check.ok else "MISSING" if check.required else "missing"
        lines.append(f"  {sign}  {check.name:{width}}  {check.detail}".rstrip())
        if not check.ok and check.advice:
            lines.append(f"           {'':{width}}-> {check.advice}")
    verdict = "everything the default preset needs is there" if is_healthy(checks) else "the default preset cannot run"
    return "\n".join([*lines, "", f"sampt: {verdict}"])


def _core() -> Iterator[Check]:
    group = "Core"
    python = platform.python_version()
    yield Check(group, "Python", sys.version_info >= (3, 10), python, "install Python 3.10 or newer", required=True)
    for module, package in (
        ("numpy", "numpy"),
        ("cv2", "opencv-python-headless"),
        ("yaml", "pyyaml"),
        ("tqdm", "tqdm"),
        ("safetensors", "safetensors"),
        ("onnxruntime", "--no-deps onnxruntime"),
    ):
        yield _module(group, module, f"pip install {package}", required=True)
    yield _module(group, "threadpoolctl", "pip install threadpoolctl, so that NumPy leaves its cores to the networks")


def _networks() -> Iterator[Check]:
    group = "GPU, and presets with published weights"
    yield _module(group, "torch", "pip install torch torchvision")
    if requirements.is_installed("torch"):
        yield _gpu(group)
    yield _module(group, "pooch", "pip install pooch")
    yield _module(group, "torchvision", "pip install torchvision")
    yield _module(group, "segment_anything", "pip install segment-anything")
    yield _module(group, "mobile_sam", "pip install mobilesam-mirror timm")
    yield _module(group, "segment_anything_hq", "pip install segment-anything-hq timm")
    yield _module(group, "transformers", "pip install 'sampt_ros[sam2]', or [edgetam], [seggpt]")
    yield _module(group, "timm", "pip install timm")
    yield _module(group, "cutie", "pip install 'sampt_ros[cutie]'")
    yield _module(group, "aot", DEAOT)
    yield _module(group, "cotracker", COTRACKER)


def _bags() -> Iterator[Check]:
    group = "Recordings (sampt bag, sampt batch)"
    yield _module(group, "rosbags.rosbag2", "pip install rosbags")
    yield _module(group, "mcap", "pip install mcap")
    yield _module(group, "ray", "for --ray: pip install 'sampt_ros[ray]'")
    yield _module(group, "fsspec", "for remote files: pip install 'sampt_ros[remote]'")


def _page() -> Iterator[Check]:
    yield _module("The page in the browser (sampt web)", "aiohttp", "pip install 'sampt_ros[web]'")


def _gpu(group: str) -> Check:
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        return Check(group, "GPU", False, f"torch is broken: {_one_line(error)}", "pip install --force-reinstall torch")
    if torch.cuda.is_available():
        return Check(group, "GPU", True, f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    detail = "built without CUDA" if torch.version.cuda is None else "no CUDA device seen"
    return Check(group, "GPU", False, f"{detail}; networks run on the CPU", "see https://pytorch.org/get-started")


def _presets() -> Iterator[Check]:
    group = "Presets"
    try:
        yield Check(group, "folder", True, str(presets_folder()), required=True)
    except SamPtError as error:
        yield Check(group, "folder", False, str(error), "install the package again", required=True)
        return
    for name in preset_names():
        yield _default_preset(group) if name == "default" else _preset(group, name)


def _default_preset(group: str) -> Check:
    """Load the default preset and build its parts, as `sampt track` would."""
    try:
        config = load_preset()
        SamPt(config)
    except (SamPtError, ImportError) as error:
        return Check(group, "default", False, _one_line(error), "install what is named here", required=True)
    return Check(group, "default", True, _parts(config), required=True)


def _preset(group: str, name: str) -> Check:
    try:
        config = load_preset(name)
    except SamPtError as error:
        return Check(group, name, False, _one_line(error), "correct the file")
    try:
        missing = requirements.missing(config)
    except SamPtError as error:  # no pooch to name the folder
        return Check(group, name, False, f"{_parts(config)}; {_one_line(error)}", "pip install pooch")
    detail = "; ".join([_parts(config), *requirements.restrictions(config), *missing.problems])
    return Check(group, name, not missing.problems, detail, missing.advice)


def _parts(config: SamPtConfig) -> str:
    return " + ".join(requirements.parts(config))


def _ros() -> Iterator[Check]:
    group = "ROS 2 (for the node)"
    distribution = _distribution()
    yield Check(group, "distribution", bool(distribution), distribution or "ROS_DISTRO is not set", _SOURCE_ROS)
    yield _module(group, "rclpy", f"{_SOURCE_ROS}, or pip install ros-kilted-rclpy")
    if requirements.is_installed("rclpy"):
        yield _middleware(group)
    yield _module(group, "sampt_ros.msg", "make setup, then . install/setup.bash")
    yield _color_backend(group)
    for module, purpose in (
        ("tf2_ros", "3D clicks in other frames than the camera's"),
        ("message_filters", "pairing masks with images"),
        ("launch", "launch files"),
    ):
        package = module.replace("_", "-") + ("-py" if module == "tf2_ros" else "")
        yield _module(group, module, f"for {purpose}: apt install ros-DISTRO-{package}")


def _distribution() -> str:
    """The name of the ROS 2 distribution that is sourced, or whose wheels are installed; "" for none."""
    packages = importlib.metadata.packages_distributions().get("rclpy", [])
    wheels = [found[1] for package in packages if (found := re.fullmatch(r"ros-([a-z]+)-rclpy", package))]
    return os.environ.get("ROS_DISTRO") or next(iter(wheels), "")


def _color_backend(group: str) -> Check:
    """The backend for rare encodings that the node would choose; if it refuses cv_bridge, the reason is given."""
    name, advice = "cv_bridge or rosbags.image", "apt install ros-DISTRO-cv-bridge, or pip install rosbags-image"
    try:
        importlib.import_module("sampt_ros.ros.conversions").ros_cv_bridge()
    except ImportError as error:
        refused = f"; {_one_line(error)}" if requirements.is_installed("cv_bridge") else ""
        has_rosbags = requirements.is_installed("rosbags.image")
        return Check(group, name, has_rosbags, f"{'rosbags.image' if has_rosbags else 'neither'}{refused}", advice)
    return Check(group, name, True, "cv_bridge")


def _middleware(group: str) -> Check:
    try:
        name = importlib.import_module("sampt_ros.ros.fastdds").middleware()
    except (ImportError, OSError, RuntimeError) as error:
        return Check(group, "RMW", False, _one_line(error), "pip install ros-kilted-rmw-fastrtps-cpp, or another RMW")
    return Check(group, "RMW", True, name)


def _module(group: str, name: str, advice: str, required: bool = False) -> Check:
    there = requirements.is_installed(name)
    return Check(group, name, there, _version(name) if there else "", advice, required)


def _version(name: str) -> str:
    """The version of a module's package, or else the `__version__` of the module if it is imported."""
    packages = importlib.metadata.packages_distributions().get(name.partition(".")[0], [])
    if packages and "." not in name:
        return importlib.metadata.version(packages[0])
    return str(getattr(sys.modules.get(name), "__version__", ""))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
