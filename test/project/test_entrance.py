"""The package's public names, from wherever it is installed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sampt_ros
from sampt_ros import errors

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "sampt_ros"
HEAVY = {"cv2", "numpy", "onnxruntime", "torch", "yaml"}

# The default preset tracks a grey square; what it needs beside the modules is found.
TRACK = """
import numpy as np
import sampt_ros
from sampt_ros import ObjectState, SamPt, preset_names
from sampt_ros.bags.types import message_folder

image = np.zeros((48, 64, 3), np.uint8)
image[10:30, 20:40] = 200
sam_pt = SamPt()
sam_pt.step(image)
square = sam_pt.add_object(points=[(30, 20)])
result = sam_pt.step(image)
assert result.objects[0].state == ObjectState.TRACKING
assert (result.labels == square.id)[15:25, 25:35].all()
assert "sam_vit_h" in preset_names()
assert (message_folder() / "QueryPoints.msg").is_file()
print(sampt_ros.__file__)
"""


def run(program: str, folder: Path, python_path: Path | None = None) -> str:
    """What a fresh Python prints that runs `program` in `folder`, with the package from `python_path`, if given."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    if python_path:
        env["PYTHONPATH"] = str(python_path)
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def loaded_by(module: str, folder: Path, python_path: Path | None = None) -> set[str]:
    """The modules that a fresh Python has after it imported `module` alone."""
    return set(run(f"import sys, {module}; print(*sys.modules)", folder, python_path).split())


def need_onnxruntime() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the default preset needs")


# The names


@pytest.mark.parametrize("name", sampt_ros.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sampt_ros, name) is not None
    assert name in dir(sampt_ros)


def test_every_error_is_public():
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert "SamPtError" in defined
    assert defined <= set(sampt_ros.__all__)


def test_an_unknown_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'sampt_ros' has no attribute 'SamPT'"):
        sampt_ros.SamPT  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'SamPT'"):
        exec("from sampt_ros import SamPT")


def test_type_checkers_see_the_names_that_are_imported_lazily():
    tree = ast.parse((SOURCES / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    checked = {node.module: sorted(alias.name for alias in node.names) for node in block.body}
    assert checked == {module: sorted(names) for module, names in sampt_ros._NAMES.items()}
    assert sorted(name for names in checked.values() for name in names) == sorted(sampt_ros.__all__)


# What is loaded, and when


@pytest.mark.parametrize("module", ["sampt_ros", "sampt_ros.errors"])
def test_the_entrance_loads_nothing_heavy(module, tmp_path):
    loaded = loaded_by(module, tmp_path, ROOT)
    assert module in loaded
    assert not HEAVY & loaded


def test_the_messages_load_neither_opencv_nor_yaml_nor_torch(tmp_path):
    pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
    loaded = loaded_by("sampt_ros.msg", tmp_path)
    assert "sampt_ros.msg" in loaded
    assert not (HEAVY - {"numpy"}) & loaded  # generated messages have NumPy arrays


WITHOUT_TORCH = """
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NoTorch())
"""


def test_the_default_preset_tracks_where_torch_is_not_installed(tmp_path):
    need_onnxruntime()
    printed = run(f"{WITHOUT_TORCH}{TRACK}\nassert 'torch' not in sys.modules", tmp_path, ROOT)
    assert Path(printed.strip()) == SOURCES / "__init__.py"


def test_the_doctor_is_content_where_torch_is_not_installed(tmp_path):
    need_onnxruntime()
    program = f"{WITHOUT_TORCH}\nfrom sampt_ros.cli.main import main\nassert main(['doctor']) == 0"
    report = run(program, tmp_path, ROOT)
    assert "everything the default preset needs is there" in report
    assert any(line.split() == ["missing", "torch"] for line in report.splitlines())


def test_a_preset_that_needs_torch_says_so_where_it_is_not_installed(tmp_path):
    command = "print(main(['benchmark', '--preset', 'sam_vit_b']))"
    program = f"{WITHOUT_TORCH}\nfrom sampt_ros.cli.main import main\nsys.stderr = sys.stdout\n{command}"
    printed = run(program, tmp_path, ROOT)
    assert "needs package torch" in printed
    assert printed.split()[-1] == "2"


def test_the_default_preset_does_not_load_torch_on_a_cpu(tmp_path):
    need_onnxruntime()
    program = "import sys\nfrom sampt_ros import SamPt, load_preset\nSamPt(load_preset('default', {'device': 'cpu'}))"
    assert "torch" not in run(f"{program}\nprint(*sys.modules)", tmp_path, ROOT).split()


# Where it is installed


def test_it_tracks_from_the_sources(tmp_path):
    need_onnxruntime()
    assert Path(run(TRACK, tmp_path, ROOT).strip()) == SOURCES / "__init__.py"


def test_it_tracks_from_where_the_messages_are_installed(tmp_path):
    """Of our __init__.py and the one that is generated with the messages, ours is installed."""
    need_onnxruntime()
    messages = pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
    installed = Path(run(TRACK, tmp_path).strip())
    assert installed.parent == Path(messages.__file__).parents[1]
    assert installed.read_text() == (SOURCES / "__init__.py").read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel that pip builds and installs."""
    pytest.importorskip("setuptools", minversion="70.1", reason="needs setuptools 70.1, which builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    checkout = folder / "checkout"  # a copy: building leaves its traces where it is done
    for name in ("sampt_ros", "config", "msg", "resource"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "package.xml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, checkout)
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_a_wheel_has_every_file_of_the_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {path.relative_to(ROOT).as_posix() for path in SOURCES.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} <= names
    data = f"{'-'.join(wheel.stem.split('-')[:2])}.data/data/share/sampt_ros"
    shared = [path for folder in ("config", "msg") for path in (ROOT / folder).iterdir()]
    assert {f"{data}/{path.relative_to(ROOT).as_posix()}" for path in shared} <= names


def test_it_tracks_where_pip_installed_it(wheel, tmp_path):
    need_onnxruntime()
    pip("install", "--target", tmp_path / "site", wheel)
    assert Path(run(TRACK, tmp_path, tmp_path / "site").strip()) == tmp_path / "site/sampt_ros/__init__.py"
