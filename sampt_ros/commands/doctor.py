"""`sampt doctor`: what is installed and what is missing."""

from __future__ import annotations

import argparse
from typing import Any

from sampt_ros import doctor
from sampt_ros.commands import common


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    common.add_command(
        commands,
        "doctor",
        _run,
        "say what is installed, what is missing, and what to do",
        "The exit status is 0 unless something is missing that the default preset needs.",
    )


def _run(parsed: argparse.Namespace) -> int:
    checks = doctor.examine()
    print(doctor.report(checks))
    return 0 if doctor.is_healthy(checks) else 1
