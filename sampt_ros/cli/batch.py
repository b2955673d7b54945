"""`sampt batch`: many recordings at once, on this machine or on a Ray cluster."""

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
from sampt_ros.cli.options.prompts import PROMPT_OPTIONS
from sampt_ros.cli.options.workers import add_workers, workers_for
from sampt_ros.errors import ConfigError, QueryError
from sampt_ros.fleet import remote_files, report
from sampt_ros.fleet.prompt_file import PromptFile, with_name
from sampt_ros.fleet.recordings import Recording, find_recordings
from sampt_ros.fleet.remote_files import is_remote
from sampt_ros.fleet.results import Outcome, results_at
from sampt_ros.fleet.workers import ThisProcess, Workers

_MOST_WARNINGS = 20  # that are kept of a recording
_PATH_OPTIONS = {option.name for option in PROMPT_OPTIONS if option.is_path} | {"truth"}
_OF_ONE_PROCESS = "memory://"  # An address in the memory of whoever writes to it, which no one else can read.

_DETAILS = """
Each SOURCE is a video, an image folder or a bag; a pattern of them in quotes; a list of them, a .txt file with a source
in each line; or an address that fsspec knows. What to track in each says --prompts, a YAML file with the options of
`sampt track` or `sampt bag` by the recording's name (its file's, without the suffix) or a pattern of names:

  cups:
    point: ["320,240", "500,260,0"]
  "kitchen_*":
    - {box: [40, 60, 180, 220]}
    - {start: 120, point: "500,260,1,2"}
  "*":
    masks: Annotations/{name}
    truth: Annotations/{name}

Options of the command line go for all recordings, but prompts only where that file has none; {name} is the recording's
there too.

examples:
  sampt batch 'recordings/*.mp4' --prompts prompts.yaml --out results
  sampt batch list.txt --masks 'Annotations/{name}' --truth 'Annotations/{name}' --out results
  sampt batch 'recordings/*' --prompts prompts.yaml --out results --export coco --workers 8
  sampt batch 's3://robot/monday/*.mcap' --prompts prompts.yaml --out s3://robot/masks --ray auto

Written to OUT/NAME: what `sampt track` writes, or for a bag tracked/ as `sampt bag` writes it, and result.json. OUT has
report.json, and the exit status is 1 if a recording failed. Run again, the command does what is not done yet: a folder
NAME is there only when it is whole. A worker that dies is replaced, and its recording tried again, 3 times at most.
"""


@dataclass(frozen=True)
class _Job:
    """A recording, and the options to track it with; `out` is where results go."""

    recording: Recording
    options: tuple[str, ...]
    out: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line, but for where results go."""
        return ("bag" if self.recording.is_bag else "track", self.recording.source, *self.options)


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = common.add_command(
        commands, "batch", _run, "track objects through many recordings, on all cores, GPUs or machines", _DETAILS
    )
    argument = parser.add_argument
    argument("sources", nargs="+", metavar="SOURCE", help="recordings, patterns of them, lists")
    argument("--out", required=True, metavar="OUT", help="the folder, or address, that results go to")
    argument("--prompts", type=Path, dest="prompt_file", metavar="FILE", help="what to track in which recording")
    argument("--both-ways", action="store_true", help="as for `sampt track`; not of bags")
    argument("--redo", action="store_true", help="do recordings again that are finished")
    common.add_prompts(parser, masks=True)
    add_outputs(parser, file=str)
    common.add_config(parser)
    add_workers(parser)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.out.startswith(_OF_ONE_PROCESS):
        raise ConfigError(f"--out: expected a place that all workers reach; got {parsed.out}")
    out = parsed.out if is_remote(parsed.out) else str(Path(parsed.out).resolve())
    jobs = {job.recording.name: job for job in _jobs(parsed, out)}
    results = results_at(out)
    finished = {} if parsed.redo else {name: done for name in jobs if (done := results.finished(name))}
    other = [name for name, outcome in finished.items() if outcome.arguments != jobs[name].arguments]
    if other:
        raise ConfigError(
            f"{parsed.out}: expected results of the same options; those of {', '.join(other)} were made with others: "
            "name another --out, or do them again with --redo"
        )
    to_do = {name: job for name, job in jobs.items() if name not in finished}
    workers = workers_for(parsed) if to_do else ThisProcess()
    summary = report.Report(finished)
    results.write(report.FILE, summary.as_json(0.0))  # Where nothing can be written nothing is to be tracked.
    results.clear()
    if parsed.redo:
        for name in jobs:
            results.remove(name)
    began = time.monotonic()
    try:
        _track_all(workers, to_do, summary)
    finally:
        print(summary.table())
        results.clear()
        results.write(report.FILE, summary.as_json(time.monotonic() - began))
    return 1 if summary.failures else 0


def _track_all(workers: Workers, jobs: dict[str, _Job], summary: report.Report) -> None:
    """Carry out jobs, by name, and add what comes of each to the summary."""
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
    """The recordings with their options, and where results go; raises SamPtError if an option cannot be meant."""
    recordings = find_recordings(parsed.sources)
    prompt_file = PromptFile(parsed.prompt_file, _PATH_OPTIONS) if parsed.prompt_file else None
    if prompt_file and (unused := prompt_file.unused(each.name for each in recordings)):
        logging.getLogger(__name__).warning("%s: no recording is called %s", parsed.prompt_file, ", ".join(unused))
    for recording in recordings:
        own = prompt_file.arguments(recording.name) if prompt_file else ()
        try:
            yield _job(parsed, _Job(recording, own, out))
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
    """The options of the command line that go for a recording."""
    options = [("preset", parsed.preset), *(("set", pair) for pair in parsed.set)]
    if with_prompts:
        options += [(dest.replace("_", "-"), value) for dest, value in parsed.prompts]
    options += [(name, getattr(parsed, name)) for name in ("export", "names", "truth") if getattr(parsed, name)]
    flags = ["--both-ways"] if parsed.both_ways and not is_bag else []
    return (*(f"--{name}={_absolute(name, str(value))}" for name, value in options), *flags)


def _absolute(option: str, value: str) -> str:
    is_path = (option in _PATH_OPTIONS and not is_remote(value)) or (option == "preset" and Path(value).is_file())
    return str(Path(value).resolve()) if is_path else value


def track_recording(job: _Job) -> Outcome:
    """Track a recording as its command line says, on a worker, and publish its results; raises SamPtError."""
    results = results_at(job.out)
    if done := results.finished(job.recording.name):  # A worker that died later had finished it.
        return done
    began = time.monotonic()
    with results.working_folder(job.recording.name) as folder, TemporaryDirectory(prefix="sampt-") as temporary:
        parsed = _parse(_with_files_here(job.arguments, Path(temporary)), folder)
        with _warnings() as warnings, redirect_stderr(StringIO()):  # No progress bar of its own.
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
            warnings=tuple(dict.fromkeys(warnings))[:_MOST_WARNINGS],
        )
        return results.publish(folder, outcome)


def _parse(arguments: tuple[str, ...], folder: Path) -> argparse.Namespace:
    """What `sampt track` or `sampt bag` makes of these arguments, with results in a folder; raises ConfigError."""
    name, source, *options = arguments
    if any(option.startswith("--out=") for option in options):
        raise ConfigError("expected no option out for a recording: results go to the --out of sampt batch")
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
    """A parser whose errors do not end the process, and that takes options by their whole names alone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}")


def _with_files_here(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """A command line with paths in place of addresses, whose files are copied into a folder."""

    def here(address: str) -> str:
        file = re.sub(r",\d+$", "", address)  # without OBJECT, which --mask may have after it
        return f"{remote_files.fetch(file, folder / str(len(list(folder.iterdir()))))}{address.removeprefix(file)}"

    command, source, *options = arguments
    local = [command, here(source) if is_remote(source) else source]
    for option in options:
        name, _, value = option.partition("=")
        is_address = name.removeprefix("--") in _PATH_OPTIONS and is_remote(value)
        local.append(f"{name}={here(value)}" if is_address else option)
    return tuple(local)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that are told meanwhile; they are not printed."""
    told: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("sampt_ros")
    log.addHandler(handler)
    propagate, log.propagate = log.propagate, False
    try:
        yield told
    finally:
        log.propagate = propagate
        log.removeHandler(handler)
