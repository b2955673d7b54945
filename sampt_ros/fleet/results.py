"""Stores the results of recordings: finished ones are not computed again, incomplete ones never count as results."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean

from sampt_ros.errors import SourceError
from sampt_ros.fleet import remote_files
from sampt_ros.io.writing import writing_to

RESULT = "result.json"  # A file in a recording's folder of results, with its outcome; it shows that they are complete.
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Outcome:
    """The outcome of tracking a recording.

    name              name of the recording
    arguments         the command line, without the option that says where results go
    frames            number of frames written
    dropped           number of frames that could not be read or tracked
    masks             by object id, the number of frames in which the object has a mask
    j                 by object id, region similarity with the true masks, 0..1; empty without ground truth
    tracking_seconds  time spent on tracking alone
    seconds           wall-clock time of everything
    warnings          warnings that were logged meanwhile
    machine           name of the machine
    files             by path or address, the digest of each file or folder that the command line names besides the
                      recording; None in results of versions that did not note it
    """

    name: str
    arguments: tuple[str, ...]
    frames: int
    dropped: int
    masks: Mapping[str, int]
    j: Mapping[str, float]
    tracking_seconds: float
    seconds: float
    warnings: tuple[str, ...] = ()
    machine: str = field(default_factory=socket.gethostname)
    files: Mapping[str, str] | None = None

    @property
    def mean_j(self) -> float | None:
        """Region similarity (0..1), the mean over the objects; None without ground truth."""
        return fmean(self.j.values()) if self.j else None

    @classmethod
    def from_json(cls, text: str, path: str | Path) -> Outcome:
        """Read what `as_json` wrote; raises a SourceError that names `path` for anything else."""
        try:
            content = json.loads(text)
            lists = {name: tuple(content[name]) for name in ("arguments", "warnings")}
            if not isinstance(content.get("files"), dict | None):
                raise TypeError("files: not a mapping")
            return cls(**{**content, **lists})
        except (ValueError, TypeError, LookupError) as error:
            raise SourceError(
                f"expected what `sampt batch` writes in {path}; got something else ({error}): "
                "name another --out, delete its folder, or do all again with --redo"
            ) from None

    def as_json(self) -> str:
        """The outcome as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def results_at(place: str) -> Results:
    """The results in a folder, or at an address."""
    return RemoteResults(place) if remote_files.is_remote(place) else LocalResults(Path(place))


class Results(ABC):
    """A store for the results of recordings, by name."""

    @abstractmethod
    def finished(self, name: str) -> Outcome | None:
        """The outcome of a recording, or None without complete results; raises SourceError if it cannot be read."""

    @abstractmethod
    def working_folder(self, name: str) -> AbstractContextManager[Path]:
        """A context with an empty local folder for a recording's results, which is deleted at the end.

        Raises SourceError if the folder cannot be made, or if there is something else where the results will go.
        """

    @abstractmethod
    def publish(self, folder: Path, outcome: Outcome) -> Outcome:
        """Make the content of a working folder a recording's results, in one step; raises SourceError if that fails.

        Returns the outcome that counts: the given one, or that of another worker that was faster, whose results stay.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete the results of a recording, if there are complete ones; raises SourceError if that fails."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a file about all recordings; raises SourceError if that fails."""

    def clear(self) -> None:  # noqa: B027 - only a folder has something to clear
        """Delete what workers that died left behind; to be called only while no worker is running."""


class LocalResults(Results):
    """Results in a folder. They are written to a separate folder in it, which is renamed when they are complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, name: str) -> Outcome | None:
        path = self.folder / name / RESULT
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from None
        return Outcome.from_json(text, path)

    @contextmanager
    def working_folder(self, name: str) -> Iterator[Path]:
        target = self.folder / name
        is_taken = target.is_dir() and any(target.iterdir()) and not (target / RESULT).exists()
        if is_taken:  # It is better to say so before the work than after it.
            raise SourceError(f"cannot write to {target}: it contains files that are not results")
        folder = self.folder / _PARTIAL / f"{name.replace('/', '_')}.{socket.gethostname()}.{os.getpid()}"
        with writing_to(self.folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path, outcome: Outcome) -> Outcome:
        target = self.folder / outcome.name
        try:
            (folder / RESULT).write_text(outcome.as_json())
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)  # This fails if the target is a folder that is not empty.
        except OSError as error:
            if faster := self.finished(outcome.name):
                return faster
            raise SourceError(f"cannot write to {target}: {error.strerror}") from None
        return outcome

    def remove(self, name: str) -> None:
        folder, aside = self.folder / name, self.folder / _PARTIAL / f"{name.replace('/', '_')}.old"
        if not (folder / RESULT).exists():
            return
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(aside)  # It is renamed first, so that partly deleted results never count as results.
        except OSError as error:
            raise SourceError(f"cannot delete {folder}: {error.strerror}") from None
        shutil.rmtree(aside, ignore_errors=True)

    def write(self, name: str, text: str) -> None:
        with writing_to(self.folder):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def clear(self) -> None:
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


class RemoteResults(Results):
    """Results at an address. They are written here and then sent; RESULT, which completes them, comes last."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def finished(self, name: str) -> Outcome | None:
        address = f"{self._address}/{name}/{RESULT}"
        text = remote_files.read_text(address)
        return None if text is None else Outcome.from_json(text, address)

    @contextmanager
    def working_folder(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="sampt-") as folder:
            yield Path(folder)

    def publish(self, folder: Path, outcome: Outcome) -> Outcome:
        if faster := self.finished(outcome.name):
            return faster
        (folder / RESULT).write_text(outcome.as_json())
        remote_files.send(folder, f"{self._address}/{outcome.name}", last=RESULT)
        return outcome

    def remove(self, name: str) -> None:
        if remote_files.read_text(f"{self._address}/{name}/{RESULT}") is not None:
            remote_files.remove(f"{self._address}/{name}", first=RESULT)

    def write(self, name: str, text: str) -> None:
        remote_files.write_text(f"{self._address}/{name}", text)
