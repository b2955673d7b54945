"""What goes onto robots: packages that are named everywhere they are needed, containers, services, releases."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
if not DEPLOY.is_dir():
    pytest.skip("deployment is not part of an installed package", allow_module_level=True)

PACKAGE_XML = ElementTree.parse(ROOT / "package.xml")
# Keys of rosdep for modules that are called otherwise.
KEYS = {
    "PIL": "python3-pil",
    "cv2": "python3-opencv",
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "tf2_ros": "tf2_ros_py",
    "yaml": "python3-yaml",
    "tqdm": "python3-tqdm",
}
# Imported where a network, a file or a command asks for them; docs/install.md names them.
OPTIONAL = {
    *("torch", "torchvision", "segment_anything", "segment_anything_hq", "mobile_sam", "timm", "transformers", "cutie"),
    *("cotracker", "av", "rosbags", "mcap", "ray", "fsspec", "zstandard", "lz4", "apsw", "aiohttp"),
}


def keys(*kinds: str) -> set[str]:
    """What package.xml depends on in these ways."""
    return {element.text or "" for kind in kinds for element in PACKAGE_XML.iter(kind)}


def imported_modules() -> set[str]:
    """The first names of all modules that the package and its launch files import, but for Python's own."""
    found = set()
    for path in (*(ROOT / "sampt_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
                found.update(str(each.value).split(".")[0] for each in node.args if isinstance(each, ast.Constant))
    return found - set(sys.stdlib_module_names) - {"sampt_ros"}


def test_package_xml_names_all_that_is_imported():
    needed = {KEYS.get(name, name) for name in imported_modules() - OPTIONAL}
    named = keys("depend", "exec_depend")
    python = {f"python3-{name}" for name in ("pooch", "safetensors", "threadpoolctl")}
    assert {f"python3-{name}" if f"python3-{name}" in python else name for name in needed} - named == set()


def test_what_only_pip_has_is_left_out_unless_asked_for_and_has_a_rule_or_a_key():
    conditional = {
        element.text
        for element in PACKAGE_XML.iter("exec_depend")
        if element.get("condition") == "$SAMPT_ROSDEP == all"
    }
    rules = yaml.safe_load((DEPLOY / "rosdep.yaml").read_text())
    assert conditional == {*rules, "python3-onnxruntime-pip"}


def test_the_image_installs_what_package_xml_names():
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    named = keys("depend", "exec_depend") - {
        element.text for element in PACKAGE_XML.iter("exec_depend") if element.get("condition")
    }
    debian = {key if key.startswith("python3-") else f'"ros-$ROS_DISTRO-{key.replace("_", "-")}"' for key in named}
    installed = set(re.findall(r"^ {8}(\S+) \\$", dockerfile, re.MULTILINE))
    assert debian - installed == set()
    pinned = re.findall(r"^(\w+)==", (DEPLOY / "requirements.txt").read_text(), re.MULTILINE)
    assert set(pinned) == {"onnxruntime", "safetensors", "threadpoolctl"}


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.jetson"])
def test_images_run_without_root_and_know_their_health(name):
    lines = (DEPLOY / name).read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001"
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    copied = {source for line in lines if re.match("COPY (?!--from)", line) for source in line.split()[1:-1]}
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.jetson"])
def test_hadolint_finds_nothing(name):
    beside_python = Path(sys.executable).parent / "hadolint"
    hadolint = shutil.which("hadolint") or (str(beside_python) if beside_python.exists() else None)
    if hadolint is None:
        pytest.skip("hadolint is missing")
    run = subprocess.run([hadolint, DEPLOY / name], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def test_containers_share_network_memory_and_user():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert (service["network_mode"], service["ipc"]) == ("host", "host")
        assert service["user"] == "${SAMPT_USER:-1000}"
    profile = compose["services"]["camera"]["environment"]["FASTDDS_DEFAULT_PROFILES_FILE"]
    assert profile.removeprefix("/opt/sampt_ros/share/sampt_ros/") == "config/fastdds.xml"
    cuda = yaml.safe_load((DEPLOY / "compose.cuda.yaml").read_text())["services"]["sampt"]
    targets = re.findall(r"^FROM \S+ AS (\w+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert {cuda["build"]["target"], compose["services"]["sampt"]["build"]["target"]} <= set(targets)


def test_a_node_that_dies_is_started_again_wherever_it_is_deployed():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sampt"]
    assert "respawn:=true" in compose["command"] and compose["restart"] == "unless-stopped"
    for name in ("Dockerfile", "Dockerfile.jetson"):
        command = re.findall(r"^CMD (.*)$", (DEPLOY / name).read_text(), re.MULTILINE)[-1]
        assert '"respawn:=true"' in command
    unit = (DEPLOY / "sampt.service").read_text()
    # Before the user's arguments, which may say otherwise; and the launch may end with 0 without it.
    assert "track.launch.py respawn:=true $SAMPT_ARGUMENTS" in unit and "\nRestart=always\n" in unit


def test_a_containers_health_is_that_of_the_node_that_it_launches():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["sampt"]
    namespace = next(word for word in compose["command"] if word.startswith("namespace:=")).removeprefix("namespace:=")
    assert compose["environment"]["SAMPT_NODE"] == f"{namespace}/sampt"
    assert namespace.partition("$")[0] == "/"  # ros2 launch refuses an argument without a value


def test_systemd_takes_the_unit():
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing")
    run = subprocess.run([analyze, "verify", DEPLOY / "sampt.service"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture(scope="module")
def notes():
    spec = importlib.util.spec_from_file_location("release_notes", ROOT / "tools/release_notes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.notes


def test_a_release_has_the_notes_of_its_version(notes):
    changelog = "# Changelog\n\n## 0.2.0 (2026-03-01)\n\n- more\n\n## 0.1.0 (2026-01-31)\n\n- first\n"
    assert notes("v0.2.0", "0.2.0", changelog) == "- more\n"
    assert notes("v0.2.0", "0.2.0", changelog.partition("\n\n## 0.1.0")[0] + "\n") == "- more\n"


@pytest.mark.parametrize(
    ("tag", "heading", "complaint"),
    [
        (
            "v0.1.0",
            "0.2.0 (2026-03-01)",
            "expected the tag v0.2.0, since package.xml has the version 0.2.0; got 'v0.1.0'",
        ),
        ("v0.2.0", "0.2.0 (unreleased)", "expected '## 0.2.0 (YYYY-MM-DD)' at the top"),
        ("v0.2.0", "0.1.0 (2026-01-31)", "expected '## 0.2.0 (YYYY-MM-DD)' at the top"),
    ],
)
def test_what_disagrees_is_not_released(notes, tag, heading, complaint):
    with pytest.raises(ValueError, match=re.escape(complaint)):
        notes(tag, "0.2.0", f"# Changelog\n\n## {heading}\n\n- more\n")
