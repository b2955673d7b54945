"""Compares the times of a measurement with those of an earlier one, or of another program."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.scores import Column, Score, Table
from sampt_ros.evaluation.speed.benchmark import CASE_COLUMNS, Case, Measurement, Timing
from sampt_ros.utils.cpu_threads import environment_for_others

Timings = Mapping[Case, Timing]  # time of a whole step, by case


@dataclass(frozen=True)
class Ratio(Score):
    """The time of a whole step in one case, in two measurements.

    median, p95  ratios of `now` to `then`
    """

    columns = (
        *CASE_COLUMNS,
        Column("now", "now", "{0.median:.1f} / {0.p95:.1f}", "now_ms"),
        Column("then", "then", "{0.median:.1f} / {0.p95:.1f}", "then_ms"),
        Column("median", "median", "{:.2f}", "median_ratio"),
        Column("p95", "p95", "{:.2f}", "p95_ratio"),
    )

    case: Case
    now: Timing
    then: Timing

    @property
    def median(self) -> float:
        return self.now.median / self.then.median

    @property
    def p95(self) -> float:
        return self.now.p95 / self.then.p95


def timings(measurements: Iterable[Measurement]) -> dict[Case, Timing]:
    """The time of a whole step in each case."""
    return {measurement.case: measurement.stages["total"] for measurement in measurements}


def ratios(now: Timings, then: Timings) -> list[Ratio]:
    """The ratios of the cases that both have, in the order of `now`; raises SamPtError if there are none."""
    both = [Ratio(case, timing, then[case]) for case, timing in now.items() if case in then]
    if not both:
        raise SamPtError(
            f"expected a case that both measured (size, objects, points, busy processes beside it); got {_names(now)} "
            f"and {_names(then)}"
        )
    return both


def ratio_table(compared: Sequence[Ratio], now: str, then: str) -> str:
    """At least one ratio as text; now, then: headings of their times, ms, "median / 95th percentile"."""
    headings = {"now": now, "then": then}
    columns = [
        Column(column.name, headings.get(column.name, column.heading), column.format) for column in Ratio.columns
    ]
    text = Table(compared, columns)
    return "\n".join([text.heading, *map(text.row, compared)])


def read_report(path: Path) -> dict[str, Any]:
    """Read a report of `sampt benchmark --json`; raises SamPtError."""
    try:
        report = json.loads(path.read_text())
        report["timings"] = {_case(each): Timing(**each["stages_ms"]["total"]) for each in report["cases"]}
    except OSError as error:
        raise SamPtError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SamPtError(f"expected what `sampt benchmark --json` writes in {path}; got no text") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SamPtError(f"expected what `sampt benchmark --json` writes in {path}; got {error!r}") from None
    return dict(report)


def times_of(command: Sequence[str]) -> dict[Case, Timing]:
    """Run a command that accepts the arguments of `sampt benchmark`, and return its times; raises SamPtError.

    It runs in the environment of the shell, without this process's settings for threads.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        try:
            options: dict[str, Any] = {
                "capture_output": True,
                "text": True,
                "errors": "backslashreplace",
                "env": environment_for_others(),
            }
            done = subprocess.run([*command, "--json", str(path)], check=False, **options)
        except OSError as error:
            raise SamPtError(f"cannot run {shlex.join(command)}: {error.strerror}") from None
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise SamPtError(f"{shlex.join(command)} failed: {''.join(last)}")
        found: dict[Case, Timing] = read_report(path)["timings"]
        return found


def middle(runs: Iterable[Timings]) -> dict[Case, Timing]:
    """For each case of several runs, the medians of their medians and of their 95th percentiles."""
    found: dict[Case, list[Timing]] = {}
    for run in runs:
        for case, timing in run.items():
            found.setdefault(case, []).append(timing)
    return {
        case: Timing(median(each.median for each in several), median(each.p95 for each in several))
        for case, several in found.items()
    }


def _case(values: Mapping[str, Any]) -> Case:
    width, height = values["size"]
    return Case((width, height), values["objects"], values["points"], values.get("beside", 0))


def _names(times: Timings) -> str:
    return ", ".join(map(str, times)) or "none"
