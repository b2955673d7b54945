"""A report on all recordings of a run, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import fmean
from typing import Any

from sampt_ros.fleet.results import Outcome

FILE = "report.json"
_HEADING = ("recording", "frames", "dropped", "J", "frames/s", "seconds", "result")


class Report:
    """Collects the outcomes of a run's recordings, including those that were finished before the run."""

    def __init__(self, earlier: Mapping[str, Outcome], replaced: Iterable[str] = ()) -> None:
        """Start with recordings that have results.

        earlier   the outcomes of those that are not done again
        replaced  names of those that are done again: until that has succeeded, their results are kept
        """
        self.failures: dict[str, str] = {}  # The reasons, by recording.
        self._kept = set(replaced)
        self._earlier = set(earlier)
        self._outcomes = dict(earlier)

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a finished recording."""
        self._outcomes[outcome.name] = outcome
        self._kept.discard(outcome.name)

    def fail(self, name: str, reason: str) -> None:
        """Add a recording that failed, and the reason."""
        self.failures[name] = f"{reason}; its earlier results are kept" if name in self._kept else reason

    @property
    def j(self) -> float | None:
        """Region similarity (0..1), the mean over all objects of all recordings; None without ground truth."""
        values = [value for outcome in self._outcomes.values() for value in outcome.j.values()]
        return fmean(values) if values else None

    def table(self) -> str:
        """A table as text, with a row for each recording and one for all."""
        rows = [_HEADING, *map(self._row, sorted({*self._outcomes, *self.failures, *self._kept})), self._total()]
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join(_aligned(row, widths) for row in rows)

    def as_json(self, seconds: float) -> str:
        """The report as JSON; seconds: the wall-clock time of the run."""
        content: dict[str, Any] = {
            "done": len(self._outcomes),
            "of which earlier": len(self._earlier),
            "failed": len(self.failures),
            "frames": sum(outcome.frames for outcome in self._outcomes.values()),
            "j": self.j,
            "seconds": round(seconds, 3),
            "recordings": {name: asdict(outcome) for name, outcome in sorted(self._outcomes.items())},
            "failures": dict(sorted(self.failures.items())),
            "earlier results kept": sorted(self._kept),
        }
        return json.dumps(content, indent=2) + "\n"

    def _row(self, name: str) -> tuple[str, ...]:
        if name in self.failures:
            return name, "", "", "", "", "", f"failed: {self.failures[name]}"
        if name in self._kept:
            return name, "", "", "", "", "", "not done again: its earlier results are kept"
        outcome = self._outcomes[name]
        result = "done earlier" if name in self._earlier else "done"
        if outcome.warnings:
            more = f", and {len(outcome.warnings) - 1} more" if len(outcome.warnings) > 1 else ""
            result += f"; {outcome.warnings[0]}{more}"
        # A single frame has no rate, as starting objects is not counted.
        rate = f"{outcome.frames / max(outcome.tracking_seconds, 1e-9):.1f}" if outcome.frames > 1 else ""
        return (
            name,
            str(outcome.frames),
            str(outcome.dropped),
            _j(outcome.mean_j),
            rate,
            f"{outcome.seconds:.1f}",
            result,
        )

    def _total(self) -> tuple[str, ...]:
        outcomes = self._outcomes.values()
        left = len(self._kept - self.failures.keys())
        counts = ((len(outcomes), "done"), (len(self.failures), "failed"), (left, "not done again"))
        done = ", ".join(f"{count} {what}" for count, what in counts if count or what == "done")
        frames, dropped = (str(sum(getattr(each, name) for each in outcomes)) for name in ("frames", "dropped"))
        return "all", frames, dropped, _j(self.j), "", "", done


def _j(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    """One line of the table: the first and the last cell are aligned left, numbers right."""
    first, *numbers, last = row
    cells = (number.rjust(width) for number, width in zip(numbers, widths[1:-1]))
    return "  ".join([first.ljust(widths[0]), *cells, last]).rstrip()
