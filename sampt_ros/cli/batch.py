"""`sampt batch`: track objects through many recordings in parallel, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from sampt_ros.cli import bag, common, track
from sampt_ros.cli.options.jobs import Job, find_jobs, parse, require_jobs, with_local_files
from sampt_ros.cli.options.outputs import add_outputs
from sampt_ros.cli.options.workers import add_workers, workers_for
from sampt_ros.errors import ConfigError, QueryError
from sampt_ros.fleet import report
from sampt_ros.fleet.digests import digest
from sampt_ros.fleet.remote_files import is_remote
from sampt_ros.fleet.results import Outcome, Results, results_at
from sampt_ros.fleet.workers import ThisProcess, Workers

_MAX_WARNINGS = 20  # kept for each recording
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


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands, "batch", _run, "track objects through many recordings, on all cores, GPUs or machines", _DETAILS
    )
    argument = parser.add_argument
    argument("sources", nargs="+", type=common.source, metavar="SOURCE", help="recordings, patterns or lists of them")
    argument("--out", type=common.source, required=True, metavar="OUT", help="folder or URL for results")
    argument("--prompts", type=common.path, dest="prompt_file", metavar="FILE", help="what to track in which recording")
    argument("--both-ways", action="store_true", help="as for `sampt track`; not for bags")
    argument("--redo", action="store_true", help="track finished recordings again; what fails keeps its results")
    common.add_prompts(parser, masks=True)
    add_outputs(parser, common.source)
    common.add_config(parser)
    add_workers(parser)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.out.startswith(_MEMORY):
        raise ConfigError(f"--out: expected a place that all workers reach; got {parsed.out}")
    out = parsed.out if is_remote(parsed.out) else str(Path(parsed.out).resolve())
    jobs = find_jobs(parsed, out)
    results = results_at(out)
    finished = {} if parsed.redo else _finished(results, jobs)
    _require_same(parsed.out, jobs, finished)
    pending = {name: job for name, job in jobs.items() if name not in finished}
    require_jobs(pending.values())
    workers = workers_for(parsed) if pending else ThisProcess()
    results.clear()  # Not before all checks: a mistaken command must not disturb another that runs.
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


def _finished(results: Results, jobs: dict[str, Job]) -> dict[str, Outcome]:
    """The outcomes of earlier runs, also of results that a killed run had moved aside, which `clear` puts back."""
    return {name: outcome for name in jobs if (outcome := results.finished(name) or results.replaced(name))}


def _require_same(out: str, jobs: dict[str, Job], finished: dict[str, Outcome]) -> None:
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


def _track_all(workers: Workers, jobs: dict[str, Job], summary: report.Report) -> None:
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


def track_recording(job: Job) -> Outcome:
    """Run a job on a worker and publish its results; raises SamPtError."""
    results = results_at(job.out)
    if not job.redo and (done := results.finished(job.recording.name)):  # by a worker that died afterwards
        return done
    began = time.monotonic()
    with results.working_folder(job.recording.name) as folder, TemporaryDirectory(prefix="sampt-") as temporary:
        files = {file: found for file in job.files if (found := digest(file))}
        parsed = parse(with_local_files(job.arguments, Path(temporary)), folder)
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
