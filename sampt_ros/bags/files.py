"""Finds the files of a bag, from metadata.yaml, the folder's content, and the actual format of each file."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml
import zstandard

from sampt_ros.bags import mcap_file, sqlite_file
from sampt_ros.bags.storage import Topic, damaged, type_name
from sampt_ros.errors import SourceError
from sampt_ros.io.video import natural_key
from sampt_ros.weights import git_lfs

METADATA = "metadata.yaml"
MCAP, SQLITE, ZSTD = "mcap", "sqlite3", "zstd"  # formats of a file

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

_SUFFIXES = (".mcap", ".db3")
_PACKED_SUFFIXES = (".zstd", ".zst")
_NUMBERED = re.compile(r"(.*_)(\d{1,4})(\.[a-z].*)")  # Names that a recorder gives to the files of a split bag.
_NUMBERS = re.compile(r"\d+")
_FORM = "expected a ROS 2 bag, a folder with .mcap or .db3 files, or one such file"
_MAGICS = {mcap_file.MAGIC: MCAP, sqlite_file.MAGIC: SQLITE, ZSTD_MAGIC: ZSTD}
_ROS1 = b"#ROSBAG V"
_SHOWN = 32  # bytes shown of a file in an unknown format


@dataclass(frozen=True)
class Metadata:
    """The content of a bag's metadata.yaml.

    files   names of the storage files, in order
    counts  number of messages by file; empty in older bags
    topics  topics with their number of messages
    """

    files: list[str]
    counts: dict[str, int]
    topics: list[Topic]


@dataclass(frozen=True)
class BagFiles:
    """The storage files of a bag, in order, and its metadata, if it has any."""

    files: list[Path]
    metadata: Metadata | None = None


def find_files(path: Path, warn: Callable[[str], None]) -> BagFiles:
    """Find the files of a bag, given its folder, its metadata.yaml, or one of its files.

    warn: called with a message for each problem, such as a missing file. Raises SourceError if there is no bag, saying
    what is there instead.
    """
    if path.name == METADATA and path.is_file():
        path = path.parent
    if not path.exists():
        raise SourceError(f"{_FORM}; there is no {str(path)!r}")
    if not path.is_dir():
        storage_format(path)
        return BagFiles([path])
    metadata = read_metadata(path / METADATA, warn)
    try:
        present = [file for file in sorted(path.iterdir(), key=natural_key) if _is_storage(file)]
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    present = present or _by_content(path, warn)
    files = _from_metadata(path, metadata, present, warn) if metadata else _without_metadata(present, warn)
    usable = [file for file in files if _is_usable(file, warn, only=len(files) == 1)]
    if not usable:
        raise SourceError(f"{_FORM}; got {str(path)!r}{_describe_content(path, files)}")
    return BagFiles(usable, metadata)


def storage_format(path: Path) -> str:
    """MCAP, SQLITE or ZSTD, by the file's first bytes; raises SourceError for any other file, saying what it is."""
    try:
        with path.open("rb") as file:
            start = file.read(_SHOWN)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    for magic, name in _MAGICS.items():
        if start.startswith(magic):
            return name
    if not start.strip(b"\0") and sqlite_file.log_of(path.resolve()):  # everything is still in the write-ahead log
        return SQLITE
    if start.startswith(_ROS1):
        raise SourceError(f"{_FORM}; {path} is one of ROS 1: rosbags-convert --src {path} --dst NEW converts it")
    if git_lfs.is_pointer(start):
        raise SourceError(f"{_FORM}; {path} is {git_lfs.POINTER}")
    if not start:
        raise SourceError(f"{_FORM}; {path} is empty")
    raise SourceError(f"{_FORM}; got {str(path)!r}, which is neither MCAP nor SQLite3: it begins with {start!r}")


def read_metadata(path: Path, warn: Callable[[str], None]) -> Metadata | None:
    """Read a metadata.yaml; returns None if there is none, or, with a warning, if it is damaged."""
    if not path.is_file():
        return None
    try:
        content = yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]
        names = [PurePath(name).name for name in content["relative_file_paths"]]
        parts = content.get("files") or []
        return Metadata(
            names,
            {PurePath(part["path"]).name: int(part["message_count"]) for part in parts},
            [_topic(part) for part in content["topics_with_message_count"]],
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError, yaml.YAMLError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        warn(f"{path} is damaged ({reason}): the files beside it are read")
        return None


def unpack(path: Path, folder: Path, warn: Callable[[str], None]) -> Path:
    """Decompress a file into a folder, up to any damage; raises SourceError if there is no room for it."""
    unpacked = folder / (path.stem if path.suffix in _PACKED_SUFFIXES else path.name)
    try:
        with path.open("rb") as packed, unpacked.open("wb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
            try:
                shutil.copyfileobj(reader, file, 1 << 20)
            except zstandard.ZstdError as error:
                warn(damaged(path, error))
    except OSError as error:
        raise SourceError(
            f"cannot decompress {path} into {folder}: {error.strerror}; TMPDIR may name another folder"
        ) from None
    return unpacked


def _topic(part: Any) -> Topic:
    known = part["topic_metadata"]
    kind = type_name(known["type"], known.get("serialization_format", "cdr"))
    return Topic(known["name"], kind, int(part["message_count"]))


def _is_storage(file: Path) -> bool:
    """Whether a file is named like a storage file, compressed or not."""
    name = file.name.lower()
    for suffix in _PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.endswith(_SUFFIXES) and file.is_file()


def _by_content(folder: Path, warn: Callable[[str], None]) -> list[Path]:
    """The storage files of a folder in which none is named like one, such as bag.mcap.part; warns of them."""
    found = []
    for file in sorted(folder.iterdir(), key=natural_key):
        try:
            if file.is_file() and storage_format(file) in (MCAP, SQLITE):
                found.append(file)
        except SourceError:
            continue
    if found:
        warn(f"{folder}: {_join([file.name for file in found])} is read, though not named as a file of a bag")
    return found


def _without_metadata(files: Sequence[Path], warn: Callable[[str], None]) -> list[Path]:
    """The files of a bag without metadata; warns of gaps in the numbers that a recorder gives to its files."""
    files = _without_unpacked(files)
    matches = [match for file in files if (match := _NUMBERED.fullmatch(file.name))]
    forms = {(match[1], match[3]) for match in matches}
    if len(matches) == len(files) > 1 and len(forms) == 1:
        ((before, after),) = forms
        numbers = {int(match[2]) for match in matches}
        missing = [f"{before}{number}{after}" for number in range(max(numbers)) if number not in numbers]
        if missing:
            warn(f"{files[0].parent}: {_join(missing)} is missing, by the numbers of the files that are there")
    if len({_NUMBERS.sub("#", file.name) for file in files}) > 1:
        warn(
            f"{files[0].parent}: {_join([file.name for file in files])} are read as one bag, one after the other; "
            "if they are several bags, name the file of one"
        )
    return files


def require_outside(out: Path, bag: Path) -> None:
    """Raise SourceError if `out` would be in the folder of a bag, which is not changed; bag: as for `find_files`."""
    folder = bag if bag.is_dir() else bag.parent
    # The folder of a file without metadata may be any, such as one of many recordings.
    if (bag.is_dir() or (folder / METADATA).is_file()) and folder.resolve() in out.resolve().parents:
        raise SourceError(f"expected OUT outside of the bag {str(folder)!r}, which is not changed; got {str(out)!r}")


def _without_unpacked(files: Sequence[Path]) -> list[Path]:
    """The files without compressed ones that also exist decompressed, as a recorder or player may leave them."""
    names = {file.name for file in files}
    return [file for file in files if not (file.suffix in _PACKED_SUFFIXES and file.stem in names)]


def _from_metadata(
    folder: Path, metadata: Metadata, present: Sequence[Path], warn: Callable[[str], None]
) -> list[Path]:
    """The files listed in the metadata, compressed or not; those present if none exists, as they were renamed."""
    listed = {name: _in_either_form(folder / name) for name in metadata.files}
    found = [file for file in listed.values() if file is not None]
    missing = [name for name, file in listed.items() if file is None]
    if not found and present:
        reason = f"{_join(missing)}, which it names, cannot be found" if missing else "it names none"
        warn(f"{folder}: the files beside {METADATA} are read, as {reason}")
        return _without_metadata(present, warn)
    if missing:
        lost = sum(metadata.counts[name] for name in missing) if metadata.counts.keys() >= set(missing) else None
        warn(f"{folder}: {_join(missing)} is missing" + ("" if lost is None else f", with {lost} messages"))
    extra = {file.name for file in present} - set(metadata.files) - {file.name for file in found}
    if extra := {name for name in extra if not any(other.startswith(f"{name}.") for other in metadata.files)}:
        warn(f"{folder}: {_join(sorted(extra))} is not read, as {METADATA} does not name it")
    return found


def _in_either_form(file: Path) -> Path | None:
    """The file under its name, or else its compressed or decompressed form, if one exists."""
    packed = [file.with_name(file.name + suffix) for suffix in _PACKED_SUFFIXES]
    unpacked = [file.with_suffix("")] if file.suffix in _PACKED_SUFFIXES else []
    return next((form for form in (file, *packed, *unpacked) if form.is_file()), None)


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _is_usable(file: Path, warn: Callable[[str], None], only: bool) -> bool:
    """Whether a file is in a format of bags; warns if not, or raises SourceError if it is the only file."""
    try:
        storage_format(file)
    except SourceError as error:
        if only:
            raise
        warn(f"{file.name} is not read: {error}")
        return False
    return True


def _describe_content(folder: Path, files: Sequence[Path]) -> str:
    """What a folder without a bag has instead, to end the error message with."""
    if files:
        return ", none of whose files is one"
    if ros1 := sorted(folder.glob("*.bag")):
        return f" with bags of ROS 1 ({ros1[0].name}): rosbags-convert --src {ros1[0]} --dst NEW converts one"
    inside = [other for other in sorted(folder.iterdir()) if other.is_dir() and any(map(_is_storage, other.iterdir()))]
    return f"; the folder {str(inside[0])!r} in it is one" if inside else ", which has none"
