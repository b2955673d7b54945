"""Tries damaged and random inputs of every kind: does anything crash, hang, or publish a wrong header?

    python benchmarks/fuzz/fuzz.py --inputs 10000
    python benchmarks/fuzz/fuzz.py --kind bags --only 1234     # try one of them again, in this process

The kinds of inputs are those of inputs.py. They are tried in a separate process, which is restarted if it dies. An
input passes if it is used, or if it is refused with a reason, by an error that this package raises on purpose. Any
other error, a fault in the log, the death of the process, or more than 5 s of computing is a failure. It prints a
report as JSON; the exit status is 0 if nothing failed. Equal seeds give equal inputs. Needs no ROS.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

TOO_LONG = 5.0  # seconds of computing for one input
PATIENCE = 120.0  # seconds on the clock for one input, since the machine may be busy with other programs
START_TIMEOUT = 300.0  # seconds
MEMORY = 6 << 30  # bytes of memory that the process may use
SHOWN = 40  # number of failures that are reported in full


def tried(kind: str, seed: int, number: int, folder: Path) -> str:
    """Try one input; returns the reason why it was refused, or an empty text if it was used.

    Raises AssertionError if the input was handled wrongly.
    """
    from inputs import KINDS, Faults

    from sampt_ros.errors import SamPtError

    random = Random(f"{kind}/{seed}/{number}")
    with Faults() as faults:
        try:
            reason = KINDS[kind](random, folder)
        except SamPtError as error:
            reason = str(error)
            assert reason.strip(), f"a {type(error).__name__} without a reason"
    assert not faults.found, "\n".join(faults.found)
    return reason


def serve(connection: Connection, seed: int, folder: Path, errors: Path) -> None:
    """Try the inputs that the connection names; runs in a separate process. What libraries print goes to a file."""
    file = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 2)
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    importlib.import_module("sampt_ros")  # It sets a limit for OpenCV, so it must be imported first.
    from inputs import prepare

    prepare(folder)
    connection.send(("ready", ""))
    while True:
        kind, number = connection.recv()
        try:
            connection.send(("done", tried(kind, seed, number, folder)))
        except Exception:  # Any other error is a failure.
            connection.send(("failed", traceback.format_exc()))


class Trial:
    """A process that tries inputs, and is restarted if it dies or hangs."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        self._errors = folder / "stderr"
        self._starts = 0
        self._start()

    def _start(self) -> None:
        self._connection, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._starts += 1  # Each process makes its inputs in a separate folder.
        arguments = (other, self._seed, self._folder / f"work{self._starts}", self._errors)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        other.close()
        how, reason = self._wait(START_TIMEOUT, START_TIMEOUT)
        if how != "ready":
            raise RuntimeError(f"the process that tries inputs does not start: {how}, {reason}")

    def __call__(self, kind: str, number: int) -> tuple[str, str, float]:
        """Try an input; returns the outcome (done, failed, crashed or hung), the reason, and seconds of computing."""
        before = self._computed()
        self._connection.send((kind, number))
        how, reason = self._wait(TOO_LONG, PATIENCE)
        spent = self._computed() - before if how in ("done", "failed") else TOO_LONG
        if how not in ("done", "failed"):
            self.stop()
            self._start()
        return how, reason, spent

    def stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _wait(self, computing: float, patience: float) -> tuple[str, str]:
        """The answer of the process; or "crashed", if it died, or "hung", after these seconds of CPU or clock time."""
        start, before = time.monotonic(), self._computed()
        while True:
            try:
                if self._connection.poll(0.5):
                    how, reason = self._connection.recv()
                    return str(how), str(reason)
            except (EOFError, OSError):
                self._process.join()
                printed = self._errors.read_text(errors="replace")  # Libraries also print bytes that are not text.
                return "crashed", f"status {self._process.exitcode}: {printed[-2000:]}"
            if self._computed() - before > computing or time.monotonic() - start > patience:
                return "hung", f"after {time.monotonic() - start:.1f} s"

    def _computed(self) -> float:
        """Seconds of CPU time that the process has used so far."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(kinds: list[str], count: int, seed: int, most_seconds: float) -> dict[str, Any]:
    """Try `count` inputs of these kinds in turn; returns the report."""
    counts: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    longest: dict[str, float] = dict.fromkeys(kinds, 0.0)
    failures = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sampt_fuzz_") as folder:
        trial = Trial(seed, Path(folder))
        for number in range(count):
            if most_seconds and time.monotonic() - start > most_seconds:
                break
            kind = kinds[number % len(kinds)]
            how, reason, spent = trial(kind, number)
            longest[kind] = max(longest[kind], spent)
            outcome = how if how != "done" else "refused" if reason else "used"
            counts[f"{kind}: {outcome}"] += 1
            if how == "done" and reason:
                reasons[kind][_kind_of(reason)] += 1
            elif how != "done":
                failures.append({"kind": kind, "number": number, "how": how, "what": reason[-3000:]})
                print(f"{kind} {number} {how}: {reason.strip().splitlines()[-1][:200]}", file=sys.stderr, flush=True)
        trial.stop()
    return {
        "inputs": sum(counts.values()),
        "failures": failures[:SHOWN],
        "failed": len(failures),
        "counts": dict(sorted(counts.items())),
        "different reasons": {kind: len(found) for kind, found in reasons.items()},
        "most frequent reasons": {kind: dict(found.most_common(3)) for kind, found in reasons.items()},
        "longest_s": {kind: round(spent, 2) for kind, spent in longest.items()},
    }


def _kind_of(reason: str) -> str:
    """A reason without its names and numbers, which differ from input to input."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|[\d.,-]*\d", "#", reason)[:120]


def main() -> None:
    """Run, report, and end with status 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="number of inputs (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default: 0)")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after this time (default: no limit)")
    parser.add_argument("--kind", action="append", default=[], help="only this kind of input (default: all)")
    parser.add_argument("--only", type=int, help="try only the input of this number and of --kind, in this process")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from inputs import KINDS, prepare

    if unknown := [kind for kind in options.kind if kind not in KINDS]:
        parser.error(f"expected a --kind of {', '.join(KINDS)}; got {', '.join(unknown)}")
    if options.only is not None:
        with tempfile.TemporaryDirectory(prefix="sampt_fuzz_") as folder:
            prepare(Path(folder))
            print(tried(options.kind[0], options.seed, options.only, Path(folder)) or "used")
        return
    report = run(options.kind or list(KINDS), options.inputs, options.seed, options.seconds)
    print(json.dumps(report, indent=2))
    raise SystemExit(1 if report["failed"] else 0)


if __name__ == "__main__":
    main()
