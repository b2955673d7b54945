"""Stores the results of recordings: finished ones are not computed again, incomplete ones never count as results."""

from __future__ import annotations

import errno
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
_PARTIAL = ".partial"  # A folder for what is not whole yet.
_REPLACED = f"{_PARTIAL}/replaced"  # Earlier results, while newer ones take their place.


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
    def replaced(self, name: str) -> Outcome | None:
        """The outcome of earlier results of a recording that are moved aside, or None; raises as `finished`.

        They are aside while newer ones take their place, and after a run was killed then, until `clear`.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there are complete results of a recording, even if they cannot be read; may raise SourceError."""

    @abstractmethod
    def working_folder(self, name: str) -> AbstractContextManager[Path]:
        """A context with an empty local folder for a recording's results, which is deleted at the end.

        Raises SourceError if the folder cannot be made, or if there is something else where the results will go.
        """

    @abstractmethod
    def publish(self, folder: Path, outcome: Outcome, replace: bool = False) -> Outcome:
        """Make the content of a working folder a recording's results, in one step; raises SourceError if that fails.

        replace  whether earlier results make way. They do so only now, and stay if anything fails

        Returns the outcome that counts: the given one, or that of another worker that was faster, whose results stay.
        """

    @abstractmethod
    def write(self, name: str, text: str) -> None:
        """Write a file about all recordings; raises SourceError if that fails."""

    @abstractmethod
    def clear(self) -> None:
        """Delete what workers that died left behind, but put back the results that they had begun to replace.

        To be called only while no worker is running; raises SourceError if results cannot be put back.
        """


class LocalResults(Results):
    """Results in a folder. They are written to a separate folder in it, which is renamed when they are complete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self, name: str) -> Outcome | None:
        return self._outcome(self.folder / name / RESULT)

    def replaced(self, name: str) -> Outcome | None:
        return self._outcome(self.folder / _REPLACED / name / RESULT)

    def _outcome(self, path: Path) -> Outcome | None:
        try:
            text = path.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from None
        return Outcome.from_json(text, path)

    def has(self, name: str) -> bool:
        return (self.folder / name / RESULT).is_file()

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

    def publish(self, folder: Path, outcome: Outcome, replace: bool = False) -> Outcome:
        target = self.folder / outcome.name
        try:
            (folder / RESULT).write_text(outcome.as_json())
            target.parent.mkdir(parents=True, exist_ok=True)
            if replace and self.has(outcome.name):
                self._move_aside(outcome.name)
            folder.rename(target)  # This fails if the target is a folder that is not empty.
        except OSError as error:
            self._put_back(outcome.name)
            is_taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            if (is_taken or not replace) and (faster := self.finished(outcome.name)):
                return faster
            raise SourceError(f"cannot write to {target}: {error.strerror}") from None
        except BaseException:  # the end of this process
            self._put_back(outcome.name)
            raise
        shutil.rmtree(self.folder / _REPLACED / outcome.name, ignore_errors=True)
        return outcome

    def _move_aside(self, name: str) -> None:
        aside = self.folder / _REPLACED / name
        shutil.rmtree(aside, ignore_errors=True)  # The target is whole, so that nothing is lost.
        aside.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).rename(aside)

    def _put_back(self, name: str) -> None:
        """Undo `_move_aside`, unless there are results of the recording."""
        aside, target = self.folder / _REPLACED / name, self.folder / name
        if not (aside / RESULT).is_file() or self.has(name):
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(target)
        except OSError as error:
            raise SourceError(f"cannot put the earlier results {aside} back to {target}: {error.strerror}") from None

    def write(self, name: str, text: str) -> None:
        with writing_to(self.folder):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def clear(self) -> None:
        replaced = self.folder / _REPLACED
        for result in filter(Path.is_file, sorted(replaced.rglob(RESULT))):
            self._put_back(result.parent.relative_to(replaced).as_posix())
        shutil.rmtree(self.folder / _PARTIAL, ignore_errors=True)


class RemoteResults(Results):
    """Results at an address. They are written here and then sent; RESULT, which completes them, comes last.

    Earlier results that make way are moved aside there until the new ones have been sent.
    """

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def finished(self, name: str) -> Outcome | None:
        return self._outcome(f"{self._address}/{name}/{RESULT}")

    def replaced(self, name: str) -> Outcome | None:
        return self._outcome(f"{self._address}/{_REPLACED}/{name}/{RESULT}")

    def _outcome(self, address: str) -> Outcome | None:
        text = remote_files.read_text(address)
        return None if text is None else Outcome.from_json(text, address)

    def has(self, name: str) -> bool:
        return remote_files.exists(f"{self._address}/{name}/{RESULT}")

    @contextmanager
    def working_folder(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="sampt-") as folder:
            yield Path(folder)

    def publish(self, folder: Path, outcome: Outcome, replace: bool = False) -> Outcome:
        if not replace and (faster := self.finished(outcome.name)):
            return faster
        (folder / RESULT).write_text(outcome.as_json())
        target, aside = (f"{place}/{outcome.name}" for place in (self._address, f"{self._address}/{_REPLACED}"))
        if replace and self.has(outcome.name):
            remote_files.move(target, aside, last=RESULT)
        elif replace and remote_files.exists(f"{aside}/{RESULT}"):  # A worker died while it sent or put back results.
            remote_files.remove(target)
        try:
            remote_files.send(folder, target, last=RESULT)
        except BaseException:
            self._put_back(outcome.name)
            raise
        remote_files.remove(aside, first=RESULT)
        return outcome

    def _put_back(self, name: str) -> None:
        """Put earlier results back that were moved aside, unless there are results of the recording."""
        aside = f"{self._address}/{_REPLACED}/{name}"
        if remote_files.exists(f"{aside}/{RESULT}") and not self.has(name):
            remote_files.move(aside, f"{self._address}/{name}", last=RESULT)

    def clear(self) -> None:
        for path in remote_files.names(f"{self._address}/{_REPLACED}"):
            if path.endswith(f"/{RESULT}"):
                self._put_back(path.removesuffix(f"/{RESULT}"))
        remote_files.remove(f"{self._address}/{_PARTIAL}")

    def write(self, name: str, text: str) -> None:
        remote_files.write_text(f"{self._address}/{name}", text)
