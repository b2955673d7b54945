"""`sampt batch`: track objects through many recordings in parallel, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from tqdm import tqdm

from sampt_ros.cli import bag, common, track
from sampt_ros.cli.options.outputs import add_outputs
from sampt_ros.cli.options.prompts import PATH_OPTIONS, path_and_object
from sampt_ros.cli.options.workers import add_workers, workers_for
from sampt_ros.errors import ConfigError, QueryError
from sampt_ros.fleet import remote_files, report
from sampt_ros.fleet.digests import digest
from sampt_ros.fleet.prompt_file import PromptFile, with_name
from sampt_ros.fleet.recordings import Recording, find_recordings
from sampt_ros.fleet.remote_files import is_remote
from sampt_ros.fleet.results import Outcome, results_at
from sampt_ros.fleet.workers import ThisProcess, Workers

_MAX_WARNINGS = 20  # kept for each recording
_PATH_OPTIONS = PATH_OPTIONS | {"truth"}
_MEMORY = "memory://"  # Files in the memory of the process that writes them, which no other process can read.

_DETAILS = """
Each SOURCE is a video, an image folder or a bag; a quoted pattern of them; a list of them, a .txt file with one source
per line; or a URL that fsspec can open. --prompts names a YAML file that says what to track in each: the options of
`sampt track` or `sampt bag`, by the name of the recording (its file name without the suffix) or a pattern of names:

  cups:
    point: ["320,240", "500,260,0"]
  "kitchen_*":
    - {box: [40, 60, 180, 220]}
    - {start: 120, point: "500,260,1,2"}
  "*":
    masks: Annotations/{name}
    truth: Annotations/{name}

Options on the command line apply to all recordings, but prompts only to those that the file has none for. {name} stands
for the recording's name there, too.

examples:
  sampt batch 'recordings/*.mp4' --prompts prompts.yaml --out results
  sampt batch list.txt --masks 'Annotations/{name}' --truth 'Annotations/{name}' --out results
  sampt batch 'recordings/*' --prompts prompts.yaml --out results --export coco --workers 8
  sampt batch 's3://robot/monday/*.mcap' --prompts prompts.yaml --out s3://robot/masks --ray auto

Written to OUT/NAME: the files that `sampt track` writes, or for a bag the folder tracked/ that `sampt bag` writes, and
result.json. The report is OUT/report.json; the exit status is 1 if a recording failed. Running the command again
continues with the recordings that are not finished: OUT/NAME exists only once it is complete. A worker that dies is
replaced, and its recording is tried again, at most 3 times.
"""


@dataclass(frozen=True)
class _Job:
    """A recording and the options to track it with; `out` is the folder or URL for results.

    redo: whether results that are there make way for those of this job
    """

    recording: Recording
    options: tuple[str, ...]
    out: str
    redo: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line, without the folder for results."""
        return ("bag" if self.recording.is_bag else "track", self.recording.source, *self.options)

    @property
    def files(self) -> list[str]:
        """Paths and addresses of the files and folders that the options name."""
        given = [option.removeprefix("--").partition("=")[::2] for option in self.options]
        return [_file_of(value) for name, value in given if _is_file(name, value)]


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands, "batch", _run, "track objects through many recordings, on all cores, GPUs or machines", _DETAILS
    )
    argument = parser.add_argument
    argument("sources", nargs="+", metavar="SOURCE", help="recordings, patterns or lists of them")
    argument("--out", required=True, metavar="OUT", help="folder or URL for results")
    argument("--prompts", type=Path, dest="prompt_file", metavar="FILE", help="what to track in which recording")
    argument("--both-ways", action="store_true", help="as for `sampt track`; not for bags")
    argument("--redo", action="store_true", help="track finished recordings again; what fails keeps its results")
    common.add_prompts(parser, masks=True)
    add_outputs(parser, file=str)
    common.add_config(parser)
    add_workers(parser)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.out.startswith(_MEMORY):
        raise ConfigError(f"--out: expected a place that all workers reach; got {parsed.out}")
    out = parsed.out if is_remote(parsed.out) else str(Path(parsed.out).resolve())
    jobs = {job.recording.name: job for job in _jobs(parsed, out)}
    results = results_at(out)
    results.clear()
    finished = {} if parsed.redo else {name: outcome for name in jobs if (outcome := results.finished(name))}
    _require_same(parsed.out, jobs, finished)
    pending = {name: job for name, job in jobs.items() if name not in finished}
    workers = workers_for(parsed) if pending else ThisProcess()
    summary = report.Report(finished, [name for name in pending if parsed.redo and results.has(name)])
    results.write(report.FILE, summary.as_json(0.0))  # Fails before any tracking if nothing can be written.
    began = time.monotonic()
    try:
        _track_all(workers, pending, summary)
    finally:
        print(summary.table())
        results.clear()
        results.write(report.FILE, summary.as_json(time.monotonic() - began))
    return 1 if summary.failures else 0


def _require_same(out: str, jobs: dict[str, _Job], finished: dict[str, Outcome]) -> None:
    """Raise ConfigError for finished recordings that were made with other options, or with other content of files."""
    remedy = "name another --out, or do them again with --redo"
    changed = [name for name, outcome in finished.items() if outcome.arguments != jobs[name].arguments]
    if changed:
        raise ConfigError(
            f"{out}: expected results of the same options; those of {', '.join(changed)} were made with others: "
            f"{remedy}"
        )
    known_digest = cache(digest)  # Recordings may share a file.
    unknown, files = [], []
    for name, outcome in finished.items():
        now = {file: known_digest(file) for file in jobs[name].files}
        before = outcome.files or {}
        if None in now.values() or now.keys() - before.keys():
            unknown.append(name)
        different = [file for file, found in now.items() if found and before.get(file, found) != found]
        if different:
            changed.append(name)
            files += different
    if changed:
        raise ConfigError(
            f"{out}: expected results of the same files; those of {', '.join(changed)} were made before a change of "
            f"{', '.join(dict.fromkeys(files))}: {remedy}"
        )
    if unknown:
        logging.getLogger(__name__).warning(
            "%s: the results of %s are kept, though it is not known whether they were made with the same content of "
            "files, which is gone or was not noted",
            out,
            ", ".join(unknown),
        )


def _track_all(workers: Workers, jobs: dict[str, _Job], summary: report.Report) -> None:
    """Run the jobs, by name, and add the outcome of each to the summary."""
    with (
        closing(workers.run(track_recording, jobs)) as attempts,
        tqdm(total=len(jobs), unit="recording", disable=None) as progress,
    ):
        for name, attempt in attempts:
            if attempt.value is not None:
                summary.add(attempt.value)
            else:
                summary.fail(name, attempt.error)
                tqdm.write(f"{name}: failed: {attempt.error}")
            progress.update()


def _jobs(parsed: argparse.Namespace, out: str) -> Iterator[_Job]:
    """A job for each recording, with its options; raises SamPtError if an option is wrong."""
    recordings = find_recordings(parsed.sources)
    prompt_file = PromptFile(parsed.prompt_file, _PATH_OPTIONS) if parsed.prompt_file else None
    if prompt_file and (unused := prompt_file.unused(each.name for each in recordings)):
        logging.getLogger(__name__).warning("%s: no recording is called %s", parsed.prompt_file, ", ".join(unused))
    for recording in recordings:
        own = prompt_file.arguments(recording.name) if prompt_file else ()
        try:
            yield _job(parsed, _Job(recording, own, out, parsed.redo))
        except (ConfigError, QueryError) as error:
            raise type(error)(f"{recording.name}: {error}") from None


def _job(parsed: argparse.Namespace, own: _Job) -> _Job:
    """A recording with its own options and those of the command line; raises SamPtError."""
    recording = own.recording
    has_prompts = common.has_prompts(_parse(own.arguments, Path()))
    options = _common_options(parsed, with_prompts=not has_prompts, is_bag=recording.is_bag)
    job = replace(own, options=(*with_name(options, recording.name), *own.options))
    if not (recording.is_bag or common.has_prompts(_parse(job.arguments, Path()))):
        raise QueryError("expected what to track: give --prompts FILE, --point, --box, --masks ...")
    return job


def _common_options(parsed: argparse.Namespace, with_prompts: bool, is_bag: bool) -> tuple[str, ...]:
    """The options of the command line that apply to a recording."""
    options = [("preset", parsed.preset), *(("set", pair) for pair in parsed.set)]
    if with_prompts:
        options += [(dest.replace("_", "-"), value) for dest, value in parsed.prompts]
    options += [(name, getattr(parsed, name)) for name in ("export", "names", "truth") if getattr(parsed, name)]
    flags = ["--both-ways"] if parsed.both_ways and not is_bag else []
    return (*(f"--{name}={_absolute(name, str(value))}" for name, value in options), *flags)


def _absolute(option: str, value: str) -> str:
    return str(Path(value).resolve()) if _is_file(option, value) and not is_remote(value) else value


def _is_file(option: str, value: str) -> bool:
    """Whether an option's value is a file or folder, or the address of one, rather than a name or a number."""
    return option in _PATH_OPTIONS or (option == "preset" and Path(value).is_file())


def _file_of(value: str) -> str:
    """The path or address in an option's value, without the object number that may end a --mask."""
    return re.sub(r",\d+$", "", value) if is_remote(value) else str(path_and_object(value)[0])


def track_recording(job: _Job) -> Outcome:
    """Run a job on a worker and publish its results; raises SamPtError."""
    results = results_at(job.out)
    if not job.redo and (done := results.finished(job.recording.name)):  # by a worker that died afterwards
        return done
    began = time.monotonic()
    with results.working_folder(job.recording.name) as folder, TemporaryDirectory(prefix="sampt-") as temporary:
        files = {file: found for file in job.files if (found := digest(file))}
        parsed = _parse(_with_local_files(job.arguments, Path(temporary)), folder)
        with _captured_warnings() as warnings, redirect_stderr(StringIO()):  # Hides the progress bar.
            summary = (bag.track if parsed.command == "bag" else track.track)(parsed)
        if not summary.masks:
            raise QueryError("; ".join(["expected an object that can be started; got none", *warnings[:1]]))
        outcome = Outcome(
            name=job.recording.name,
            arguments=job.arguments,
            frames=summary.frames,
            dropped=summary.dropped,
            masks={str(key): value for key, value in summary.masks.items()},
            j={str(key): value for key, value in summary.j.items()},
            tracking_seconds=summary.seconds,
            seconds=time.monotonic() - began,
            warnings=tuple(dict.fromkeys(warnings))[:_MAX_WARNINGS],
            files=files,
        )
        return results.publish(folder, outcome, replace=job.redo)


def _parse(arguments: tuple[str, ...], folder: Path) -> argparse.Namespace:
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


def _with_local_files(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Download the files of a command line that are given as URLs into a folder; returns it with local paths."""

    def fetched(url: str) -> str:
        file = _file_of(url)
        return f"{remote_files.fetch(file, folder / str(len(list(folder.iterdir()))))}{url.removeprefix(file)}"

    command, source, *options = arguments
    local = [command, fetched(source) if is_remote(source) else source]
    for option in options:
        name, _, value = option.partition("=")
        is_url = name.removeprefix("--") in _PATH_OPTIONS and is_remote(value)
        local.append(f"{name}={fetched(value)}" if is_url else option)
    return tuple(local)


@contextmanager
def _captured_warnings() -> Iterator[list[str]]:
    """Collect the warnings that are logged during a block, instead of printing them."""
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("sampt_ros")
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield warnings
    finally:
        log.propagate = propagate
        log.removeHandler(handler)
