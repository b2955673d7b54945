"""The jobs of `sampt batch`: for each recording a command line of `sampt track` or `sampt bag`."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from sampt_ros.cli import bag, common, track
from sampt_ros.cli.options.outputs import object_names
from sampt_ros.cli.options.prompts import PATH_OPTIONS, path_and_object, require_kind, require_meant
from sampt_ros.config.presets import is_preset_file, load_preset
from sampt_ros.errors import ConfigError, QueryError, SamPtError
from sampt_ros.fleet import paths, remote_files
from sampt_ros.fleet.prompt_file import PromptFile, with_name
from sampt_ros.fleet.recordings import Recording, find_recordings
from sampt_ros.fleet.remote_files import is_remote

_PATH_OPTIONS = PATH_OPTIONS | {"truth"}
_MOST_COMPLAINTS, _MOST_NAMES = 10, 5  # in one message


@dataclass(frozen=True)
class Job:
    """A recording and the options to track it with.

    out          folder or URL for results
    redo         whether results that are there make way for those of this job
    prompt_file  the file that some of the options are from, to name it in messages; empty if none are
    """

    recording: Recording
    options: tuple[str, ...]
    out: str
    redo: bool = False
    prompt_file: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line, without the folder for results."""
        return ("bag" if self.recording.is_bag else "track", self.recording.source, *self.options)

    @property
    def files(self) -> list[str]:
        """Paths and addresses of the files and folders that the options name."""
        given = [option.removeprefix("--").partition("=")[::2] for option in self.options]
        return [_file_of(value) for name, value in given if _is_path(name, value)]


def find_jobs(parsed: argparse.Namespace, out: str) -> dict[str, Job]:
    """The job of each recording that `sampt batch` is to track, by the recording's name; out: as for `Job`.

    Raises SamPtError if there are no recordings, and for unknown options and recordings without prompts.
    """
    recordings = find_recordings(parsed.sources)
    prompt_file = PromptFile(parsed.prompt_file, _is_path) if parsed.prompt_file else None
    if prompt_file and (unused := prompt_file.unused(each.name for each in recordings)):
        logging.getLogger(__name__).warning("%s: no recording is called %s", parsed.prompt_file, ", ".join(unused))
    jobs = {}
    for recording in recordings:
        own = prompt_file.arguments(recording.name) if prompt_file else ()
        jobs[recording.name] = Job(recording, own, out, parsed.redo, str(parsed.prompt_file) if own else "")
    return _each(jobs.values(), lambda job: _complete(parsed, job))


def require_jobs(jobs: Iterable[Job]) -> None:
    """Raise ConfigError, naming the recordings, for options that cannot be meant: parameters, prompts, names, files.

    Recordings and images are not opened, and addresses are not looked up.
    """
    configured = cache(lambda preset, pairs: load_preset(preset, common.settings(pairs)))  # for many recordings one

    def require(job: Job) -> Job:
        parsed = parse(job.arguments, Path())
        configured(parsed.preset, tuple(parsed.set))
        object_names(parsed.names)
        require_meant(parsed.prompts)
        truth = [option for option in job.options if option.startswith("--truth=")]
        if truth and not is_remote(truth[-1]):  # The last one counts.
            require_kind("--truth", parsed.truth, is_folder=True)
        if job.recording.is_bag:
            bag.node_options(parsed)
        return job

    _each(jobs, require)


def _each(jobs: Iterable[Job], act: Callable[[Job], Job]) -> dict[str, Job]:
    """What a function makes of jobs, by name; raises one ConfigError for all those for which it raises a SamPtError."""
    made: dict[str, Job] = {}
    complaints: dict[tuple[str, str], list[str]] = {}  # Names of recordings by prompt file and reason.
    for job in jobs:
        try:
            made[job.recording.name] = act(job)
        except SamPtError as error:
            complaints.setdefault((job.prompt_file, str(error)), []).append(job.recording.name)
    if complaints:
        texts = [
            f"{f'{file}: ' if file else ''}{_some(names, _MOST_NAMES, ', ')}: {reason}"
            for (file, reason), names in complaints.items()
        ]
        raise ConfigError(_some(texts, _MOST_COMPLAINTS, "; "))
    return made


def _some(texts: Sequence[str], most: int, separator: str) -> str:
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return separator.join([*texts[:most], *more])


def _complete(parsed: argparse.Namespace, own: Job) -> Job:
    """A recording with its own options and those of the command line; raises SamPtError."""
    recording = own.recording
    has_prompts = common.has_prompts(parse(own.arguments, Path()))
    options = _common_options(parsed, with_prompts=not has_prompts, is_bag=recording.is_bag)
    job = replace(own, options=(*with_name(options, recording.name), *own.options))
    if not (recording.is_bag or common.has_prompts(parse(job.arguments, Path()))):
        raise QueryError("expected what to track: give --prompts FILE, --point, --box, --masks ...")
    return job


def _common_options(parsed: argparse.Namespace, with_prompts: bool, is_bag: bool) -> tuple[str, ...]:
    """The options of the command line that apply to a recording."""
    options = [("preset", parsed.preset), *(("set", pair) for pair in parsed.set)]
    if with_prompts:
        options += [(dest.replace("_", "-"), value) for dest, value in parsed.prompts]
    options += [(name, getattr(parsed, name)) for name in ("export", "names", "truth") if getattr(parsed, name)]
    flags = ["--both-ways"] if parsed.both_ways and not is_bag else []
    texts = [(name, str(value)) for name, value in options]
    return (*(f"--{name}={paths.absolute(text) if _is_path(name, text) else text}" for name, text in texts), *flags)


def _is_path(option: str, value: str) -> bool:
    """Whether an option's value is a file or folder, or the address of one, rather than a name or a number."""
    return option in _PATH_OPTIONS or (option == "preset" and is_preset_file(value))


def _file_of(value: str) -> str:
    """The path or address in an option's value, without the object number that may end a --mask."""
    return re.sub(r",\d+$", "", value) if is_remote(value) else str(path_and_object(value)[0])


def parse(arguments: tuple[str, ...], folder: Path) -> argparse.Namespace:
    """Parse arguments of `sampt track` or `sampt bag`, with results in `folder`; raises ConfigError."""
    name, source, *options = arguments
    where = ["--out", str(folder)] if name == "track" else [str(folder / "tracked")]
    return _parser().parse_args([name, source, *where, *options])


@cache
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sampt")
    commands = parser.add_subparsers(dest="command")
    for command in (track, bag):
        command.add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError instead of exiting, and accepts no abbreviated options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, add_help=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}")


def with_local_files(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Download the files of a command line that are given as URLs into a folder; returns it with local paths."""

    def fetched(url: str) -> str:
        file = _file_of(url)
        return f"{remote_files.fetch(file, folder / str(len(list(folder.iterdir()))))}{url.removeprefix(file)}"

    command, source, *options = arguments
    local = [command, fetched(source) if is_remote(source) else source]
    for option in options:
        name, _, value = option.partition("=")
        is_url = _is_path(name.removeprefix("--"), value) and is_remote(value)
        local.append(f"{name}={fetched(value)}" if is_url else option)
    return tuple(local)
