"""Where the results of recordings are kept, so that a finished one is never done again and half of one never counts."""

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

RESULT = "result.json"  # In a recording's folder of results, says that they are whole, and what came of it.
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Outcome:
    """What came of a recording.

    arguments         the command line that was carried out, but for where results go
    frames, dropped   written, and those that could not be read or tracked
    masks             by object, frames in which it has a mask
    j                 by object, region similarity with true masks, 0..1; empty where no truth is known
    tracking_seconds  tracking alone; seconds: everything, by the clock
    warnings          what was told meanwhile
    machine           where
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

    @property
    def mean_j(self) -> float | None:
        """Region similarity, the mean of the objects; None where no truth is known."""
        return fmean(self.j.values()) if self.j else None

    @classmethod
    def from_json(cls, text: str, path: str | Path) -> Outcome:
        """Read what `as_json` has written; raises SourceError, naming `path`, for anything else."""
        try:
            content = json.loads(text)
            return cls(**{**content, "arguments": tuple(content["arguments"]), "warnings": tuple(content["warnings"])})
        except (ValueError, TypeError, LookupError) as error:
            raise SourceError(
                f"expected what `sampt batch` writes in {path}; got something else ({error}): "
                "name another --out, delete its folder, or do all again with --redo"
            ) from None

    def as_json(self) -> str:
        """Text for a file."""
        return json.dumps(asdict(self), indent=2) + "\n"


def results_at(place: str) -> Results:
    """The results in a folder, or at an address."""
    return RemoteResults(place) if remote_files.is_remote(place) else LocalResults(Path(place))


class Results(ABC):
    """Results of recordings, by name."""

    @abstractmethod
    def finished(self, name: str) -> Outcome | None:
        """What came of a recording whose results are whole, or None; raises SourceError if that cannot be read."""

    @abstractmethod
    def working_folder(self, name: str) -> AbstractContextManager[Path]:
        """Inside: an empty folder of this machine to write a recording's results to; it is deleted at the end."""

    @abstractmethod
    def publish(self, folder: Path, outcome: Outcome) -> Outcome:
        """Make what is in a working folder a recording's results, all at once.

        Returns what counts: the outcome, or that of another worker that was faster, whose results stay as they are.
        """

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete the results of a recording, if they are there; a folder without the file of results stays."""

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a file that is about all recordings; raises SourceError where that is not possible."""

    def clear(self) -> None:  # noqa: B027 - only a folder has something to clear
        """Delete what workers left behind that died; to be called while none is at work."""


class LocalResults(Results):
    """Results in a folder. They are written to another one beside them, which is renamed when they are whole."""

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
        if is_taken:  # Better told before the work than after it.
            raise SourceError(f"cannot write to {target}: there is something that is not results")
        folder = self.folder / _PARTIAL / f"{name.replace('/', '_')}.{socket.gethostname()}.{os.getpid()}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        except OSError as error:
            raise SourceError(f"cannot write to {self.folder}: {error.strerror}") from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, folder: Path, outcome: Outcome) -> Outcome:
        target = self.folder / outcome.name
        try:
            (folder / RESULT).write_text(outcome.as_json())
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)  # It fails if there is a folder that is not empty.
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
            folder.rename(aside)  # All at once, so that half of it does not count.
        except OSError as error:
            raise SourceError(f"cannot delete {folder}: {error.strerror}") from None
        shutil.rmtree(aside, ignore_errors=True)

    def write(self, name: str, text: str) -> None:
        try:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise SourceError(f"cannot write to {self.folder}: {error.strerror}") from None

    def clear(self) -> None:
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


class RemoteResults(Results):
    """Results at an address. They are written here and sent, the file that says that they are whole at the end."""

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
